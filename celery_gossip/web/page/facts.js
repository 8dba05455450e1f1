// Facts: headline figures of a subject, as a list of terms.

import { h, setText } from "./dom.js";

/** `list`: `[{label, hint, text(row) or paint(): {element, update(row)}, note(row), isWide}]`. */
export function facts(list) {
  const made = list.map(fact);
  const element = h("dl", { class: "facts" }, made.map((one) => one.element));
  return { element, update: (row) => made.forEach((one) => one.update(row)) };
}

function fact({ label, hint, text, paint, note, isWide }) {
  const painting = paint?.();
  const value = h("dd", { class: "value" }, painting?.element);
  const small = note && h("dd", { class: "note" });
  const element = h("div", { class: isWide && "wide" }, h("dt", { title: hint }, label), value, small);
  const update = (row) => {
    if (painting) painting.update(row);
    else setText(value, text(row));
    if (small) setText(small, note(row));
  };
  return { element, update };
}
