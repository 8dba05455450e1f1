// Keys: ways through the page for those who leave the mouse alone. Nothing happens while something is typed.

import { openHelp } from "./dialog.js";

const PLACES = { o: "./", q: "queues", w: "workers", t: "tasks" };
const CHORD = 1500; // milliseconds in which the second key follows a g
const ACTS = {
  "/": focusSearch,
  "?": openHelp,
  j: (target) => moved(1, target),
  k: (target) => moved(-1, target),
  ArrowDown: (target) => linkOf(target) && moved(1, target), // arrows scroll until a row has the focus
  ArrowUp: (target) => linkOf(target) && moved(-1, target),
  "[": () => turned("back"),
  "]": () => turned("next"),
};

export function listenToKeys(router) {
  let g = -Infinity;
  document.addEventListener("keydown", (event) => {
    const { key, target, timeStamp } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (target.matches("input, select")) {
      if (key === "Escape") target.blur();
      return;
    }
    const isChord = timeStamp - g < CHORD && Object.hasOwn(PLACES, key);
    g = key === "g" ? timeStamp : -Infinity;
    if (isChord) router.go(PLACES[key]);
    if (isChord || (Object.hasOwn(ACTS, key) && ACTS[key](target))) event.preventDefault();
  });
}

function focusSearch() {
  const search = document.querySelector("input[type=search]");
  search?.select();
  return search;
}

const linkOf = (target) => target.closest("main tr, main li")?.querySelector("a.open");

function moved(by, target) {
  const links = [...document.querySelectorAll("main a.open[href]")];
  const at = links.indexOf(linkOf(target));
  const next = links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + by))];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
  return next;
}

function turned(way) {
  const button = document.querySelector(`.pager:not([hidden]) [data-pager=${way}]`);
  button?.click();
  return button;
}
