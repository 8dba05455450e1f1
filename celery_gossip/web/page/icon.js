// Icons: small drawings created by DOM calls. Decorative: each has a text beside it.

import { svg } from "./dom.js";

/** @type {Record<string, string>} */
const FILLED = {
  online: "M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3z",
  stalled: "M8 2.5a5.5 5.5 0 1 0 0 11zM9.5 2.7a5.5 5.5 0 0 1 0 10.6v-1.6a4 4 0 0 0 0-7.4z",
  draining: "M7 2h2v7h3.4L8 14 3.6 9H7z",
  suspect: "M8 1.2 15 14H1zM7.2 6v4h1.6V6zm0 5v1.6h1.6V11z",
  conflict: "M1.5 3.5h8v3h5v6h-8v-3h-5zM8 8v3h5V8z",
  critical: "M5 1.5h6L14.5 5v6L11 14.5H5L1.5 11V5zM7.1 4.5V9h1.8V4.5zm0 5.7V12h1.8v-1.8z",
  paused: "M4 3h3v10H4zm5 0h3v10H9z",
  running: "M4.5 2.5 13 8l-8.5 5.5z",
};
/** @type {Record<string, string>} */
const STROKED = {
  offline: "M8 3.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9z",
  lost: "M3.5 3.5l9 9m0-9-9 9",
  none: "M8 3.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM4.5 11.5l7-7",
  good: "M2.5 8.5 6.5 12.5 13.5 4",
  down: "M3.5 6 8 10.5 12.5 6",
  auto: "M8 2.5a5.5 5.5 0 1 1 0 11zm0 0a5.5 5.5 0 0 0 0 11",
  dark: "M13.5 9.5A6 6 0 1 1 6.5 2.5a4.8 4.8 0 0 0 7 7z",
  light: "M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.3 10.3 14 14",
};

export function icon(name = "") {
  const element = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { "fill-rule": "evenodd" }));
  redraw(element, name);
  return element;
}

/** @param {SVGElement} element @param {string} name */
export function redraw(element, name) {
  if (element.dataset.icon === name) return;
  element.dataset.icon = name;
  element.firstElementChild?.setAttribute("d", FILLED[name] ?? STROKED[name] ?? "");
  element.setAttribute("class", `icon ${name in FILLED ? "filled" : "stroked"}`);
}
