// Ticker: updates ages and calls back once per second; stops while the page is hidden.

import { h, setAttribute, setText } from "./dom.js";
import { age, due, fullTime } from "./format.js";

/** @param {() => void} onTick */
export function startTicker(onTick) {
  let timer = 0;
  const onVisibilityChange = () => {
    clearInterval(timer);
    if (document.hidden) return;
    timer = setInterval(onTick, 1000);
    onTick();
  };
  document.addEventListener("visibilitychange", onVisibilityChange);
  onVisibilityChange();
}

/** Updates every age in the document. @param {number} now */
export function writeAges(now) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("time[data-since]"))) {
    const { since, before = "", after = "" } = element.dataset;
    setText(element, before + age(now - Number(since)) + after);
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("time[data-due]"))) {
    setText(element, due(Number(element.dataset.due) - now));
  }
}

/** Shows the time until an event, or since; writeAges() keeps it current. */
export function dueLabel() {
  const element = h("time");
  /** @param {number | null} at */
  const update = (at) => {
    if (at === null) {
      delete element.dataset.due;
      setText(element, "–");
    } else {
      element.dataset.due = String(at);
    }
    setAttribute(element, "datetime", at === null ? null : new Date(at * 1000).toISOString());
    setAttribute(element, "title", at === null ? null : fullTime(at));
  };
  return { element, update };
}

/** Shows the time since an event; writeAges() keeps it current. */
export function ageLabel() {
  const element = h("time");
  /** @param {number | null} since @param {Page.AgeTexts} [texts] */
  const update = (since, { before = "", after = "", none = "–" } = {}) => {
    if (since === null) {
      delete element.dataset.since;
      setText(element, none);
    } else {
      Object.assign(element.dataset, { since, before, after });
    }
    setAttribute(element, "datetime", since === null ? null : new Date(since * 1000).toISOString());
    setAttribute(element, "title", since === null ? null : fullTime(since));
  };
  return { element, update };
}
