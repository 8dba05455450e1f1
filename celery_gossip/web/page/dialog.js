// Dialog: the help on keys, and questions to be confirmed. The browser's own dialog keeps the focus and closes on Escape.

import { h } from "./dom.js";

const KEYS = [
  ["/", "Search"],
  ["g o", "Overview"],
  ["g q", "Queues"],
  ["g w", "Workers"],
  ["g t", "Tasks"],
  ["j k", "Next and previous row; the arrows, too"],
  ["Enter", "Open the row"],
  ["[ ]", "Previous and next page of a table"],
  ["?", "This help"],
  ["Esc", "Close, or leave the search"],
];

const keysOf = (text) => text.split(" ").flatMap((key, at) => (at ? [" ", h("kbd", {}, key)] : [h("kbd", {}, key)]));

function open(title, ...children) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, ...children);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function openHelp() {
  if (document.querySelector("dialog[open]")) return;
  const list = h("dl", { class: "keys" }, KEYS.flatMap(([keys, what]) => [h("dt", {}, keysOf(keys)), h("dd", {}, what)]));
  const close = h("button", { type: "button", autofocus: true }, "Close");
  const dialog = open("Keys", list, h("p", { class: "dialog-buttons" }, close));
  close.addEventListener("click", () => dialog.close());
}

/** Whether the reader says so. */
export function confirmed(question, verb) {
  return new Promise((resolve) => {
    const no = h("button", { type: "button", autofocus: true }, "Cancel");
    const yes = h("button", { type: "button", class: "primary" }, verb);
    const dialog = open(`${verb}?`, h("p", { class: "question" }, h("bdi", {}, question)), h("p", { class: "dialog-buttons" }, no, yes));
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => dialog.close("yes"));
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
  });
}
