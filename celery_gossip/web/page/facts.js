// Facts: headline figures of a subject, as a list of terms.

import { h, setText } from "./dom.js";

/** `list`: `[{label, hint, text(row) or paint(): {nodes, update(row)}, note(row)}]`; `{element, update(row)}`. */
export function facts(list, label) {
  const made = list.map(makeFact);
  const element = h("dl", { class: "facts", "aria-label": label }, made.map((fact) => fact.element));
  return { element, update: (row) => made.forEach((fact) => fact.update(row)) };
}

function makeFact({ label, hint, text, paint, note, isWide }) {
  const value = h("dd", { class: "value" });
  const small = note ? h("dd", { class: "note" }) : null;
  const painted = paint?.();
  if (painted) value.append(...[painted.nodes].flat());
  const element = h("div", { class: isWide ? "fact wide" : "fact" }, h("dt", { title: hint }, label), value, small);
  const update = (row) => {
    if (painted) painted.update(row);
    else setText(value, text(row));
    if (small) setText(small, note(row));
  };
  return { element, update };
}
