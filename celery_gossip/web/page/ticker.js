// Ticker: ages that are written anew once a second, and whatever else is done then; it rests while the page is hidden.

import { h, setAttribute, setText } from "./dom.js";
import { age, fullTime } from "./format.js";

export function startTicker(onTick) {
  let timer = 0;
  const seen = () => {
    clearInterval(timer);
    if (document.hidden) return;
    timer = setInterval(onTick, 1000);
    onTick();
  };
  document.addEventListener("visibilitychange", seen);
  seen();
}

/** Every age in the page: that of the few rows that are shown. */
export function writeAges(now) {
  for (const element of document.querySelectorAll("time[data-since]")) {
    const { since, before, after } = element.dataset;
    setText(element, before + age(now - Number(since)) + after);
  }
}

/** How long ago that was; writeAges() writes it. */
export function ageLabel() {
  const element = h("time");
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
