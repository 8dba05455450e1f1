// Ticker: once a second, while the page is seen, all ages are written anew and whoever asked for it is called.

import { h, setAttribute, setText } from "./dom.js";
import { age, fullTime } from "./format.js";

export class Ticker {
  #store;
  #listeners = new Set();
  #timer = 0;

  constructor(store) {
    this.#store = store;
    document.addEventListener("visibilitychange", () => this.#seen());
    this.#seen();
  }

  /** Returns how to stop it. */
  each(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Of every age in the page: the few rows that are shown. */
  writeAges() {
    const now = this.#store.now();
    for (const element of document.querySelectorAll("time[data-since]")) {
      const { since, before = "", after = "" } = element.dataset;
      setText(element, before + age(now - Number(since)) + after);
    }
  }

  #seen() {
    clearInterval(this.#timer);
    if (document.hidden) return;
    this.#timer = setInterval(() => this.#tick(), 1000);
    this.#tick();
  }

  #tick() {
    this.writeAges();
    for (const listener of this.#listeners) listener();
  }
}

/** `{element, update(unix seconds or null, {before, after, none})}`: how long ago that was, ticking. */
export function ageLabel(now) {
  const element = h("time", {});
  const update = (since, { before = "", after = "", none = "–" } = {}) => {
    if (since === null || since === undefined) {
      delete element.dataset.since;
      setAttribute(element, "datetime", null);
      setAttribute(element, "title", null);
      setText(element, none);
      return;
    }
    Object.assign(element.dataset, { since: String(since), before, after });
    setAttribute(element, "datetime", new Date(since * 1000).toISOString());
    setAttribute(element, "title", fullTime(since));
    setText(element, before + age(now() - since) + after);
  };
  return { element, update };
}
