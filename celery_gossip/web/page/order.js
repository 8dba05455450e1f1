// Order: which rows a table shows, and in which order. Pure. Figures change every second, so that an order is held for a
// while, and for longer while the reader's pointer is over it: rows must not run away.

const HOLD = 2; // seconds
const HOLD_POINTED = 5;

/** "-load" is load, greatest first. */
export function sorting(text, columns, fallback) {
  const { id, isDescending } = split(text || fallback);
  const column = columns.find((one) => one.id === id && one.by);
  return column ? { column, isDescending } : sorting(fallback, columns, fallback);
}

const split = (text) => ({ id: text.replace(/^-/, ""), isDescending: text.startsWith("-") });

export const sortText = ({ column, isDescending }) => (isDescending ? "-" : "") + column.id;

/** What is not known comes last in both directions; equals stay in the order of their keys. */
export function comparison({ column, isDescending }) {
  const sign = isDescending ? -1 : 1;
  return ([keyA, a], [keyB, b]) => {
    const [x, y] = [column.by(a) ?? null, column.by(b) ?? null];
    if (x === y) return keyA < keyB ? -1 : 1;
    if (x === null || y === null) return x === null ? 1 : -1;
    return x < y ? -sign : sign;
  };
}

export class Order {
  #keys = [];
  #sort = "";
  #sortedAt = -Infinity;

  /** The next keys() sorts anew. */
  release() {
    this.#sortedAt = -Infinity;
  }

  /** Keys of the rows that match; `now` in seconds of any clock. */
  keys(rows, matches, sort, { now, isPointed }) {
    const found = [...rows].filter(([, row]) => matches(row));
    const isHeld = sortText(sort) === this.#sort && now - this.#sortedAt < (isPointed ? HOLD_POINTED : HOLD);
    this.#keys = isHeld && this.#keys.length > 0 ? this.#kept(found) : found.sort(comparison(sort)).map(([key]) => key);
    if (!isHeld) this.#sortedAt = now;
    this.#sort = sortText(sort);
    return this.#keys;
  }

  /** As before, without those that are gone; new ones at the end. */
  #kept(found) {
    const here = new Set(found.map(([key]) => key));
    const kept = this.#keys.filter((key) => here.delete(key));
    return [...kept, ...here];
  }
}
