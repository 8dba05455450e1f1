// Keyboard: shortcuts for navigation. Inactive while the reader types in a field.

import { openHelp } from "./dialog.js";

/** @type {Record<string, string>} */
const PLACES = { o: "./", q: "queues", w: "workers", m: "matrix", t: "tasks", r: "runs", f: "failures", s: "schedule", a: "activity" };
const CHORD = 1500; // milliseconds between g and the second key
/** Return what the key has reached; nothing: the key keeps its meaning. @type {Record<string, (target: Element) => unknown>} */
const SHORTCUTS = {
  "/": () => focusField("#top input[type=search]"),
  f: () => focusField("main input[type=search]"),
  "?": openHelp,
  j: (target) => moveFocus(1, target),
  k: (target) => moveFocus(-1, target),
  ArrowDown: (target) => linkOf(target) && moveFocus(1, target), // arrow keys scroll unless a row has the focus
  ArrowUp: (target) => linkOf(target) && moveFocus(-1, target),
  "[": () => turnPage("back"),
  "]": () => turnPage("next"),
  Escape: resetZoom,
};

/** @param {import("./router.js").Router} router */
export function listenToKeys(router) {
  let g = -Infinity;
  document.addEventListener("keydown", (event) => {
    const { key, timeStamp } = event;
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (target.matches("input, select")) {
      if (key === "Escape") target.blur();
      return;
    }
    const isChord = timeStamp - g < CHORD && Object.hasOwn(PLACES, key);
    g = key === "g" ? timeStamp : -Infinity;
    if (isChord) router.go(PLACES[key]);
    if (isChord || (Object.hasOwn(SHORTCUTS, key) && SHORTCUTS[key](target))) event.preventDefault();
  });
}

/** @param {string} selector */
function focusField(selector) {
  const field = /** @type {HTMLInputElement | null} */ (document.querySelector(selector));
  field?.select();
  return field;
}

/** @param {Element} target @returns {HTMLElement | null | undefined} */
const linkOf = (target) => target.closest("main tr, main li")?.querySelector("a.open");

/** @param {number} by @param {Element} target */
function moveFocus(by, target) {
  const links = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("main a.open[href]"))];
  const link = linkOf(target);
  const at = link ? links.indexOf(link) : -1;
  const next = links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + by))];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
  return next;
}

/** Resets the period of the charts. */
function resetZoom() {
  const button = /** @type {HTMLElement | null} */ (document.querySelector(".zoom:not([hidden]) button"));
  button?.click();
  return button;
}

/** @param {"back" | "next"} direction */
function turnPage(direction) {
  const button = /** @type {HTMLElement | null} */ (document.querySelector(`.pager:not([hidden]) [data-pager=${direction}]`));
  button?.click();
  return button;
}
