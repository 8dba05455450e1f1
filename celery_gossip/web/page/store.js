// Store: the tables as last told, by topic. Pure; the stream applies events, the pages read.
// Rows are replaced, never changed, so that a row that is the same object has not changed.

const NOTHING = new Map();
const JITTER = 0.7; // seconds: what differs by less is the way of the event, and ages would flicker

export class Store {
  #topics = new Map();
  #offset = 0;
  #clock;

  /** `clock`: this machine's Unix seconds. */
  constructor(clock = () => Date.now() / 1000) {
    this.#clock = clock;
  }

  /** The server's Unix seconds: what every `since` is counted from. */
  now() {
    return this.#clock() + this.#offset;
  }

  /** `{key: row}`; empty while nothing was told of it. */
  rows(topic, table) {
    return this.#topics.get(topic)?.get(table) ?? NOTHING;
  }

  only(topic, table) {
    return this.rows(topic, table).values().next().value ?? null;
  }

  isTold(topic) {
    return this.#topics.has(topic);
  }

  /** Forget all other topics. */
  keep(topics) {
    for (const topic of this.#topics.keys()) if (!topics.includes(topic)) this.#topics.delete(topic);
  }

  /** `told`: the data of a `tables` event. */
  apply(told) {
    const offset = told.now - this.#clock();
    if (Math.abs(offset - this.#offset) > JITTER) this.#offset = offset;
    for (const [topic, { full, tables }] of Object.entries(told.topics)) {
      if (full) this.#topics.set(topic, new Map());
      const known = this.#topics.get(topic);
      // Changes of what is not known cannot be merged; the whole will follow.
      if (known) for (const [table, change] of Object.entries(tables)) known.set(table, merged(known.get(table), change));
    }
  }
}

function merged(rows = new Map(), { set = {}, del = [] }) {
  for (const key of del) rows.delete(key);
  for (const [key, fields] of Object.entries(set)) rows.set(key, { ...rows.get(key), ...fields });
  return rows;
}
