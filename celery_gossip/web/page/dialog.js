// Dialog: the list of keyboard shortcuts, and confirmations. The native dialog element traps the focus and closes on Escape.

import { button, h } from "./dom.js";

const SHORTCUTS = [
  ["/", "Search"],
  ["g o", "Overview"],
  ["g q", "Queues"],
  ["g w", "Workers"],
  ["g t", "Tasks"],
  ["g s", "Schedule"],
  ["g f", "Failures"],
  ["j k", "Next and previous row; also the arrow keys"],
  ["Enter", "Open the row"],
  ["[ ]", "Previous and next page of a table"],
  ["Esc", "Close, or leave the search"],
];

/** @param {string} title @param {HTMLElement} content @param {HTMLElement[]} buttons */
export function openDialog(title, content, ...buttons) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, content, h("p", { class: "dialog-buttons" }, buttons));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** @param {Event} event */
export function close({ currentTarget }) {
  const face = /** @type {HTMLButtonElement} */ (currentTarget);
  face.closest("dialog")?.close(face.value);
}

export function openHelp() {
  /** @param {string} text */
  const keysOf = (text) => text.split(" ").map((key) => h("kbd", {}, key));
  const terms = SHORTCUTS.map(([keys, effect]) => [h("dt", {}, keysOf(keys)), h("dd", {}, effect)]);
  return openDialog("Keyboard shortcuts", h("dl", { class: "keys" }, terms.flat()), button("Close", close));
}

/** Resolves to true if the reader confirms. @param {string} question @param {string} verb @returns {Promise<boolean>} */
export function confirmed(question, verb) {
  return new Promise((resolve) => {
    const yes = button(verb, close, { class: "primary", value: "yes" });
    const dialog = openDialog(`${verb}?`, h("p", {}, h("bdi", {}, question)), button("Cancel", close), yes);
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
  });
}
