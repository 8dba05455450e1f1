// Chart: lines and areas over time as a few SVG paths, with figures in the legend, which the pointer moves through.

import { h, setAttribute, setText, svg } from "./dom.js";
import { clockTime, shortTime } from "./format.js";
import { roundedUp } from "./series.js";

const HEIGHT = 148;
const LEFT = 48;
const TOP = 8;
const DEPTH = HEIGHT - TOP - 20;

/** One decimal of a pixel is enough, and keeps paths short. */
const px = (value) => String(Math.round(value * 10) / 10);

/** The path through points that are known; gaps stay gaps, and a point between two gaps is a dot. Pure. */
export function linePath(xs, ys) {
  let path = "";
  for (let at = 0; at < xs.length; at += 1) {
    if (ys[at] === null) continue;
    const isFirst = (ys[at - 1] ?? null) === null;
    path += `${isFirst ? "M" : "L"}${px(xs[at])} ${px(ys[at])}`;
    if (isFirst && (ys[at + 1] ?? null) === null) path += "h0.1";
  }
  return path;
}

/** The area between two lines without gaps. Pure. */
export function areaPath(xs, tops, floors) {
  if (xs.length === 0) return "";
  const upper = xs.map((x, at) => `${px(x)} ${px(tops[at])}`);
  const lower = xs.map((x, at) => `${px(x)} ${px(floors[at])}`).reverse();
  return `M${upper.join("L")}L${lower.join("L")}Z`;
}

export class Chart {
  #options;
  #parts;
  #data = null; // what was drawn last
  #width = 0;
  #hover = null;

  /**
   * `title`, `format(value)`, `lines: [{id, label, isArea}]` (areas are stacked in their order), `least`: the least
   * upper end of the scale; `most`: the greatest; `onHover(index or null)`.
   */
  constructor(options) {
    this.#options = options;
    this.#parts = this.#make();
    this.element = this.#parts.figure;
    new ResizeObserver(([entry]) => this.#resized(entry.contentRect.width)).observe(this.#parts.plot);
  }

  /** `data`: what charted() gave. */
  update(data) {
    this.#data = data;
    this.#draw();
  }

  /** `at`: of a step whose figures are told; null: the latest. */
  hover(at) {
    if (this.#hover === at) return;
    this.#hover = at;
    this.#tell();
  }

  #make() {
    const { title, lines, onHover } = this.#options;
    const values = lines.map(() => h("b"));
    const keys = lines.map(({ id, label }, at) => h("span", { class: `key ${id}` }, h("i"), label, " ", values[at]));
    const paths = lines.map(({ id, isArea }) => svg("path", { class: `${isArea ? "area" : "line"} ${id}` }));
    const [grid, cursor] = [svg("path", { class: "grid" }), svg("path", { class: "cursor" })];
    const marks = [0, 1, 2].map(() => svg("text", { "text-anchor": "end", x: LEFT - 8 }));
    const times = ["start", "middle", "end"].map((anchor) => svg("text", { "text-anchor": anchor, y: HEIGHT - 4 }));
    const drawing = svg("svg", { class: "drawing", role: "img", height: HEIGHT, width: "100%" }, grid, paths, cursor, marks, times);
    const [when, summary] = [h("span", { class: "when" }), h("p", { class: "unseen" })];
    const plot = h("div", { class: "plot" }, drawing);
    plot.addEventListener("pointermove", (event) => this.#pointed(event.clientX - plot.getBoundingClientRect().left));
    plot.addEventListener("pointerleave", () => onHover(null));
    const head = h("figcaption", {}, h("h3", {}, title), when, h("span", { class: "legend" }, keys), summary);
    return { figure: h("figure", { class: "chart" }, head, plot), plot, drawing, grid, paths, marks, times, cursor, when, summary, values };
  }

  #resized(width) {
    this.#width = Math.floor(width);
    this.#draw();
  }

  #pointed(x) {
    if (!this.#data?.times.length) return;
    const { times, start, end } = this.#data;
    const time = start + ((x - LEFT) / (this.#width - LEFT)) * (end - start);
    const at = Math.round((time - times[0]) / (times[1] - times[0] || 1));
    this.#options.onHover(Math.max(0, Math.min(times.length - 1, at)));
  }

  #x(time) {
    const { start, end } = this.#data;
    return LEFT + Math.max(0, (time - start) / (end - start)) * (this.#width - LEFT - 2);
  }

  #draw() {
    if (!this.#data || this.#width < LEFT * 2) return;
    const { lines, least = 0, most = Infinity } = this.#options;
    const stacked = stack(lines, this.#data);
    const scale = Math.min(roundedUp(Math.max(least, ...stacked.flatMap(({ tops }) => tops))), most);
    const y = (value) => (value === null ? null : TOP + DEPTH * (1 - Math.min(value / scale, 1)));
    const xs = this.#data.times.map((time) => this.#x(time));
    stacked.forEach(({ tops, floors }, at) => {
      const path = floors ? areaPath(xs, tops.map(y), floors.map(y)) : linePath(xs, tops.map(y));
      setAttribute(this.#parts.paths[at], "d", path);
    });
    this.#rule(scale);
    this.#tell();
  }

  #rule(scale) {
    const { grid, marks, times } = this.#parts;
    const { start, end } = this.#data;
    const heights = marks.map((_, at) => Math.round(TOP + DEPTH * (1 - at / 2)));
    setAttribute(grid, "d", heights.map((height) => `M${LEFT} ${height + 0.5}H${this.#width}`).join(""));
    marks.forEach((mark, at) => {
      setAttribute(mark, "y", heights[at] + 4);
      setText(mark, at === 0 ? "0" : this.#options.format((scale * at) / 2));
    });
    const write = end - start > 300 ? shortTime : clockTime;
    times.forEach((mark, at) => {
      setAttribute(mark, "x", LEFT + ((this.#width - LEFT) * at) / 2);
      setText(mark, write(start + ((end - start) * at) / 2));
    });
  }

  #tell() {
    if (!this.#data) return;
    const { values, when, cursor } = this.#parts;
    const { times } = this.#data;
    const at = Math.min(this.#hover ?? Infinity, times.length - 1);
    this.#options.lines.forEach(({ id }, line) => setText(values[line], this.#options.format(this.#data[id][at])));
    setText(when, this.#hover === null ? "" : clockTime(times[at]));
    setAttribute(cursor, "d", this.#hover === null ? "" : `M${px(this.#x(times[at]))} ${TOP}v${DEPTH}`);
    if (this.#hover === null) this.#summarise();
  }

  #summarise() {
    const { lines, format, title } = this.#options;
    const told = lines.map(({ id, label }) => {
      const known = this.#data[id].filter((value) => value !== null);
      return `${label}: ${known.length ? `latest ${format(known.at(-1))}, highest ${format(Math.max(...known))}` : "nothing measured"}`;
    });
    const { start, end } = this.#data;
    setAttribute(this.#parts.drawing, "aria-label", `${title}, ${shortTime(start)} to ${shortTime(end)}`);
    setText(this.#parts.summary, told.join("; "));
  }
}

/** `[{tops, floors}]`, without floors for a line. */
function stack(lines, data) {
  let floors = data.times.map(() => 0);
  return lines.map(({ id, isArea }) => {
    if (!isArea) return { tops: data[id] };
    const stacked = { floors, tops: data[id].map((value, at) => floors[at] + value) };
    floors = stacked.tops;
    return stacked;
  });
}
