// Keys: ways through the page for those who leave the mouse alone. Nothing happens while something is typed.

import { openHelp } from "./dialog.js";

const PLACES = { o: "./", q: "queues", w: "workers", t: "tasks" };
const CHORD = 1500; // milliseconds in which the second key follows a g

const isTyping = (element) => element.matches?.("input, select, textarea, [contenteditable]");

export function listenToKeys(router) {
  let g = -Infinity;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const isChord = event.timeStamp - g < CHORD;
    g = event.key === "g" ? event.timeStamp : -Infinity;
    if (isChord ? went(event.key, router) : acted(event)) event.preventDefault();
  });
}

function went(key, router) {
  if (!(key in PLACES)) return false;
  router.go(PLACES[key]);
  return true;
}

function acted({ key, target }) {
  if (key === "/") return focusSearch();
  if (key === "?") return openHelp() ?? true;
  if (key === "j" || key === "ArrowDown") return moved(1, key, target);
  if (key === "k" || key === "ArrowUp") return moved(-1, key, target);
  if (key === "[" || key === "]") return turned(key === "]" ? "next" : "back");
  return false;
}

function focusSearch() {
  const search = document.querySelector("input[type=search]");
  search?.focus();
  search?.select();
  return Boolean(search);
}

/** Arrows scroll the page until a row has the focus. */
function moved(by, key, target) {
  const links = [...document.querySelectorAll("main a.open[href]")];
  const at = links.indexOf(target.closest?.("tr, li")?.querySelector("a.open") ?? target);
  if (links.length === 0 || (at < 0 && key.startsWith("Arrow"))) return false;
  const next = links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + by))];
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function turned(way) {
  const button = document.querySelector(`nav.pager:not([hidden]) button[data-pager=${way}]`);
  button?.click();
  return Boolean(button);
}
