// Store: the latest tables by topic. Pure; the stream applies events, the pages read.
// Rows are replaced, never modified: the same object means an unchanged row.

/** @type {Map<string, any>} */
const NOTHING = new Map();
const JITTER = 0.7; // seconds; smaller differences are network delays, and would make ages flicker

export class Store {
  /** @type {Map<string, Map<string, Map<string, any>>>} */
  #topics = new Map();
  #offset = 0;
  #clock;

  /** `clock`: Unix seconds of this machine. */
  constructor(clock = () => Date.now() / 1000) {
    this.#clock = clock;
  }

  /** Returns the Unix seconds of the server's clock, which all times in rows refer to. */
  now() {
    return this.#clock() + this.#offset;
  }

  /**
   * Returns `{key: row}`; empty until the table is loaded.
   * @template {keyof Row.Tables} T
   * @param {string} topic @param {T} table
   * @returns {ReadonlyMap<string, Row.Tables[T]>}
   */
  rows(topic, table) {
    return this.#topics.get(topic)?.get(table) ?? NOTHING;
  }

  /** @template {keyof Row.Tables} T @param {string} topic @param {T} table */
  singleRow(topic, table) {
    return this.rows(topic, table).values().next().value ?? null;
  }

  /** @param {string} topic */
  has(topic) {
    return this.#topics.has(topic);
  }

  /** Drops all other topics. @param {string[]} topics */
  keepOnly(topics) {
    for (const topic of this.#topics.keys()) if (!topics.includes(topic)) this.#topics.delete(topic);
  }

  /** @param {Page.TablesEvent} data */
  apply(data) {
    const offset = data.now - this.#clock();
    if (Math.abs(offset - this.#offset) > JITTER) this.#offset = offset;
    for (const [topic, { full, tables }] of Object.entries(data.topics)) {
      if (full) this.#topics.set(topic, new Map());
      const known = this.#topics.get(topic);
      // Changes of an unknown topic cannot be merged; its whole tables will follow.
      if (known) for (const [table, change] of Object.entries(tables)) known.set(table, merged(known.get(table), change));
    }
  }
}

/** @param {Map<string, any> | undefined} rows @param {Page.Change} change */
function merged(rows = new Map(), { set = {}, del = [] }) {
  for (const key of del) rows.delete(key);
  for (const [key, fields] of Object.entries(set)) rows.set(key, { ...rows.get(key), ...fields });
  return rows;
}
