// Spark: a small line without axes, of a table's cell; and the bar of slots.

import { h, setAttribute, setText, svg } from "./dom.js";
import { areaPath, linePath } from "./chart.js";

const WIDTH = 76;
const HEIGHT = 20;

/** `{element, update(values)}`: values from the left, the latest last. Decoration: the figure stands beside it. */
export function spark(slots = 30) {
  const area = svg("path", { class: "spark-area" });
  const line = svg("path", { class: "spark-line" });
  const element = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, area, line);
  const update = (values) => {
    const peak = Math.max(...values, 0.001);
    const xs = values.map((_, at) => ((slots - values.length + at) / (slots - 1)) * (WIDTH - 2) + 1);
    const ys = values.map((value) => HEIGHT - 2 - (value / peak) * (HEIGHT - 4));
    setAttribute(line, "d", linePath(xs, ys));
    setAttribute(area, "d", areaPath(xs, ys, ys.map(() => HEIGHT - 1)));
  };
  return { element, update };
}

/** `{element, update(part, whole, text)}`: how much of it is taken. */
export function bar() {
  const fill = h("span", { class: "fill" });
  const text = h("span", { class: "bar-text" });
  const element = h("span", { class: "bar" }, h("span", { class: "track", "aria-hidden": "true" }, fill), text);
  const update = (part, whole, words = `${part}/${whole}`) => {
    const share = whole > 0 ? Math.min(1, part / whole) : 0;
    const width = `${Math.round(share * 100)}%`;
    if (fill.style.width !== width) fill.style.width = width;
    element.dataset.level = share >= 1 ? "full" : share >= 0.8 ? "high" : "some";
    setText(text, words);
  };
  return { element, update };
}
