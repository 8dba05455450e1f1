// Sparkline: a small chart without axes for a table cell; and bars.

import { h, setAttribute, setText, svg } from "./dom.js";
import { areaPath, linePath } from "./geometry.js";

const WIDTH = 76;
const HEIGHT = 20;
const MAX_VALUES = 30;

/** Returns the paths of a sparkline; fewer than 30 values end at its right edge. Pure. @param {readonly number[]} values */
export function sparklinePaths(values) {
  const peak = Math.max(...values, 0.001);
  const xs = values.map((_, at) => ((MAX_VALUES - values.length + at) / (MAX_VALUES - 1)) * (WIDTH - 2) + 1);
  const ys = values.map((value) => HEIGHT - 2 - (value / peak) * (HEIGHT - 4));
  return { line: linePath(xs, ys), area: areaPath(xs, ys, ys.map(() => HEIGHT - 1)) };
}

/** Draws values, oldest first. Decorative: the latest value is shown beside it. */
export function sparkline() {
  const [area, line] = [svg("path", { class: "sparkline-area" }), svg("path", { class: "sparkline-line" })];
  const element = svg("svg", { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, area, line);
  /** @param {readonly number[]} values */
  const update = (values) => {
    const paths = sparklinePaths(values);
    setAttribute(line, "d", paths.line);
    setAttribute(area, "d", paths.area);
  };
  return { element, update };
}

export function track() {
  const fill = h("span", { class: "fill" });
  const element = h("span", { class: "track", "aria-hidden": "true" }, fill);
  /** @param {number} share */
  const update = (share) => {
    const width = `${Math.round(Math.min(1, share) * 100)}%`;
    if (fill.style.width !== width) fill.style.width = width;
  };
  return { element, update };
}

/** Shows the busy slots as a bar and as text. */
export function slotBar() {
  const line = track();
  const text = h("span");
  const element = h("span", { class: "bar" }, line.element, text);
  /** @param {number} busy @param {number} slots */
  const update = (busy, slots) => {
    const share = slots > 0 ? busy / slots : 0;
    line.update(share);
    element.dataset.level = share >= 1 ? "full" : "";
    setText(text, `${busy}/${slots}`);
  };
  return { element, update };
}
