// Dialog: the help on keys, and questions to be confirmed. The browser's own dialog keeps the focus, and Escape closes it.

import { button, h } from "./dom.js";

const KEYS = [
  ["/", "Search"],
  ["g o", "Overview"],
  ["g q", "Queues"],
  ["g w", "Workers"],
  ["g t", "Tasks"],
  ["j k", "Next and previous row; the arrows, too"],
  ["Enter", "Open the row"],
  ["[ ]", "Previous and next page of a table"],
  ["Esc", "Close, or leave the search"],
];

function open(title, content, ...buttons) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, content, h("p", { class: "dialog-buttons" }, buttons));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

const close = ({ currentTarget }) => currentTarget.closest("dialog").close(currentTarget.value);

export function openHelp() {
  const keysOf = (text) => text.split(" ").map((key) => h("kbd", {}, key));
  const terms = KEYS.map(([keys, what]) => [h("dt", {}, keysOf(keys)), h("dd", {}, what)]);
  return open("Keys", h("dl", { class: "keys" }, terms.flat()), button("Close", close));
}

/** Whether the reader says so. */
export function confirmed(question, verb) {
  return new Promise((resolve) => {
    const yes = button(verb, close, { class: "primary", value: "yes" });
    const dialog = open(`${verb}?`, h("p", {}, h("bdi", {}, question)), button("Cancel", close), yes);
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
  });
}
