// Spark: a small line without axes, of a table's cell; and the bar of slots.

import { areaPath, linePath } from "./chart.js";
import { h, setAttribute, setText, svg } from "./dom.js";

const WIDTH = 76;
const HEIGHT = 20;
const MOST = 30; // values

/** Values from the left, the latest last. Decoration: the figure stands beside it. */
export function spark() {
  const [area, line] = [svg("path", { class: "spark-area" }), svg("path", { class: "spark-line" })];
  const element = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, area, line);
  const update = (values) => {
    const peak = Math.max(...values, 0.001);
    const xs = values.map((_, at) => ((MOST - values.length + at) / (MOST - 1)) * (WIDTH - 2) + 1);
    const ys = values.map((value) => HEIGHT - 2 - (value / peak) * (HEIGHT - 4));
    setAttribute(line, "d", linePath(xs, ys));
    setAttribute(area, "d", areaPath(xs, ys, ys.map(() => HEIGHT - 1)));
  };
  return { element, update };
}

export function track() {
  const fill = h("span", { class: "fill" });
  const element = h("span", { class: "track", "aria-hidden": "true" }, fill);
  const update = (share) => {
    const width = `${Math.round(Math.min(1, share) * 100)}%`;
    if (fill.style.width !== width) fill.style.width = width;
  };
  return { element, update };
}

/** How many of the slots are busy. */
export function slotBar() {
  const line = track();
  const text = h("span");
  const element = h("span", { class: "bar" }, line.element, text);
  const update = (busy, slots) => {
    const share = slots > 0 ? busy / slots : 0;
    line.update(share);
    element.dataset.level = share >= 1 ? "full" : "";
    setText(text, `${busy}/${slots}`);
  };
  return { element, update };
}
