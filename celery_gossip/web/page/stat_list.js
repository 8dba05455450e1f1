// Stat list: the headline figures of a subject, as a list of terms.

import { h, setText } from "./dom.js";

/** @template R @param {Page.Stat<R>[]} list @returns {Page.Part<[R]>} */
export function statList(list) {
  const stats = list.map((one) => stat(one));
  const element = h("dl", { class: "stats" }, stats.map((one) => one.element));
  return { element, update: (row) => stats.forEach((one) => one.update(row)) };
}

/** @template R @param {Page.Stat<R>} stat @returns {Page.Part<[R]>} */
function stat({ label, hint, text, makeValue, note, isWide }) {
  const part = makeValue?.();
  const value = h("dd", { class: "value" }, part?.element);
  const small = note && h("dd", { class: "note" });
  const element = h("div", { class: isWide && "wide" }, h("dt", { title: hint }, label), value, small);
  /** @param {R} row */
  const update = (row) => {
    if (part) part.update(row);
    else if (text) setText(value, text(row));
    if (small && note) setText(small, note(row));
  };
  return { element, update };
}
