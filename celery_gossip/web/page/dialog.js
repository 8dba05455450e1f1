// Dialog: opens dialogs, and the list of keyboard shortcuts. The native dialog element traps the focus and closes on Escape.

import { button, h } from "./dom.js";

const SHORTCUTS = [
  ["/", "Find a task, queue or worker"],
  ["f", "Filter the table"],
  ["g o", "Overview"],
  ["g q", "Queues"],
  ["g w", "Workers"],
  ["g m", "Matrix"],
  ["g t", "Tasks"],
  ["g r", "Runs: tasks that run or wait"],
  ["g s", "Schedule"],
  ["g f", "Failures"],
  ["g a", "Activity"],
  ["j k", "Next and previous row; also the arrow keys"],
  ["Enter", "Open the row"],
  ["[ ]", "Previous and next page of a table"],
  ["Esc", "Close, or leave the search"],
];
/** Keys while a chart has the focus. */
const CHART_SHORTCUTS = [
  ["← →", "Move the cursor; also Home, End, Page Up and Page Down"],
  ["Shift ← →", "Select a period"],
  ["Enter", "Zoom into the selected period"],
  ["+ -", "Zoom in and out"],
  ["Esc", "Drop the selection, or reset the zoom"],
];

/** Opens a dialog; without `buttons`, the content has its own. @param {string} title @param {HTMLElement} content @param {HTMLElement[]} buttons */
export function openDialog(title, content, ...buttons) {
  const heading = h("h2", { id: "dialog-title" }, h("bdi", {}, title));
  const end = buttons.length > 0 && h("p", { class: "dialog-buttons" }, buttons);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, content, end);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Closes the dialog that the button is in. @param {Event} event */
export function close({ currentTarget }) {
  const face = /** @type {HTMLButtonElement} */ (currentTarget);
  face.closest("dialog")?.close(face.value);
}

export function openHelp() {
  /** @param {string} text */
  const keysOf = (text) => text.split(" ").map((key) => h("kbd", {}, key));
  /** @param {string[][]} shortcuts */
  const listOf = (shortcuts) => h("dl", { class: "keys" }, shortcuts.flatMap(([keys, effect]) => [h("dt", {}, keysOf(keys)), h("dd", {}, effect)]));
  const content = h("div", {}, listOf(SHORTCUTS), h("h3", {}, "In a chart (or drag to zoom)"), listOf(CHART_SHORTCUTS));
  return openDialog("Keyboard shortcuts", content, button("Close", close));
}
