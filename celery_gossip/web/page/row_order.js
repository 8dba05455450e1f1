// Row order: which rows a table shows, and in which order. Pure. Figures change every second; the order is held for some
// seconds, longer while the pointer is over the table, so that rows do not move while they are read.

const HOLD = 2; // seconds
const HOLD_POINTED = 5;

/**
 * Parses a sort order: "-load" is by load, highest first.
 * @template {Page.Sortable<any>} C
 * @param {string | undefined} text @param {C[]} columns @param {string} fallback
 * @returns {{column: C, isDescending: boolean}}
 */
export function sorting(text, columns, fallback) {
  const { id, isDescending } = split(text || fallback);
  const column = columns.find((one) => one.id === id && one.sortKey);
  return column ? { column, isDescending } : sorting(fallback, columns, fallback);
}

/** @param {string} text */
const split = (text) => ({ id: text.replace(/^-/, ""), isDescending: text.startsWith("-") });

/** @param {{column: {id: string}, isDescending: boolean}} sort */
export const sortText = ({ column, isDescending }) => (isDescending ? "-" : "") + column.id;

/**
 * Returns a comparison. Unknown values come last in both directions; equal rows are ordered by key.
 * @template R
 * @param {Page.Sort<R>} sort
 * @returns {(a: [string, R], b: [string, R]) => number}
 */
export function comparison({ column, isDescending }) {
  const sign = isDescending ? -1 : 1;
  return ([keyA, a], [keyB, b]) => {
    const [x, y] = [column.sortKey?.(a) ?? null, column.sortKey?.(b) ?? null];
    if (x === y) return keyA < keyB ? -1 : 1;
    if (x === null || y === null) return x === null ? 1 : -1;
    return x < y ? -sign : sign;
  };
}

export class RowOrder {
  /** @type {string[]} */
  #keys = [];
  #sort = "";
  #sortedAt = -Infinity;

  /** Makes the next keys() sort again. */
  release() {
    this.#sortedAt = -Infinity;
  }

  /**
   * Returns the keys of the matching rows; `now` in seconds of any clock.
   * @template R
   * @param {ReadonlyMap<string, R>} rows @param {(row: R) => boolean} matches @param {Page.Sort<R>} sort
   * @param {{now: number, isPointed: boolean}} at
   */
  keys(rows, matches, sort, { now, isPointed }) {
    const found = [...rows].filter(([, row]) => matches(row));
    const isHeld = sortText(sort) === this.#sort && now - this.#sortedAt < (isPointed ? HOLD_POINTED : HOLD);
    this.#keys = isHeld && this.#keys.length > 0 ? this.#kept(found) : found.sort(comparison(sort)).map(([key]) => key);
    if (!isHeld) this.#sortedAt = now;
    this.#sort = sortText(sort);
    return this.#keys;
  }

  /** Returns the previous order without removed rows; new rows come last. @param {[string, unknown][]} found */
  #kept(found) {
    const here = new Set(found.map(([key]) => key));
    const kept = this.#keys.filter((key) => here.delete(key));
    return [...kept, ...here];
  }
}
