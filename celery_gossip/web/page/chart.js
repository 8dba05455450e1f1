// Chart: lines and areas over time as a few SVG paths, with its figures in the legend, which the pointer moves through.

import { h, setAttribute, setText, svg, toggle } from "./dom.js";
import { NONE, clockTime, shortTime } from "./format.js";
import { roundedUp } from "./series.js";

const HEIGHT = 148;
const LEFT = 46;
const TOP = 8;
const BOTTOM = 20;
const DEPTH = HEIGHT - TOP - BOTTOM;

/** One decimal of a pixel is enough, and keeps paths short. */
const px = (value) => String(Math.round(value * 10) / 10);

/** The path through points that are known; gaps stay gaps, and a point between two gaps is a dot. */
export function linePath(xs, ys) {
  let path = "";
  for (let at = 0; at < xs.length; at += 1) {
    if (ys[at] === null) continue;
    const isFirst = at === 0 || ys[at - 1] === null;
    path += `${isFirst ? "M" : "L"}${px(xs[at])} ${px(ys[at])}`;
    if (isFirst && (ys[at + 1] ?? null) === null) path += "h0.1";
  }
  return path;
}

/** The area between two lines without gaps. */
export function areaPath(xs, tops, floors) {
  if (xs.length === 0) return "";
  const upper = xs.map((x, at) => `${px(x)} ${px(tops[at])}`);
  const lower = xs.map((x, at) => `${px(x)} ${px(floors[at])}`).reverse();
  return `M${upper.join("L")}L${lower.join("L")}Z`;
}

export class Chart {
  #options;
  #parts;
  #drawn = null; // what was drawn last
  #width = 0;
  #hover = null;

  /**
   * `title`, `format(value)`, `lines: [{id, label, tone, isArea}]` (areas are stacked in their order),
   * `least`: the least upper end of the scale; `most`: the greatest; `onHover(index or null)`.
   */
  constructor(options) {
    this.#options = options;
    this.#parts = this.#make();
    new ResizeObserver(([entry]) => this.#resized(entry.contentRect.width)).observe(this.#parts.plot);
  }

  get element() {
    return this.#parts.figure;
  }

  /** `data`: what bucketed() gave. */
  update(data) {
    this.#drawn = data;
    this.#draw();
  }

  hover(at) {
    if (this.#hover === at) return;
    this.#hover = at;
    this.#tell();
  }

  #make() {
    const { title, lines } = this.#options;
    const values = new Map();
    const legend = lines.map(({ id, label, tone }) => {
      const value = h("b", {});
      values.set(id, value);
      return h("span", { class: `key ${tone}` }, h("i", {}), label, " ", value);
    });
    const paths = new Map(lines.map(({ id, tone, isArea }) => [id, svg("path", { class: `${isArea ? "area" : "line"} ${tone}` })]));
    const grid = svg("path", { class: "grid" });
    const marks = [0, 0.5, 1].map(() => svg("text", { class: "mark", "text-anchor": "end", x: LEFT - 8 }));
    const hours = ["start", "middle", "end"].map((anchor) => svg("text", { class: "mark", "text-anchor": anchor, y: HEIGHT - 4 }));
    const cursor = svg("path", { class: "cursor" });
    const drawing = svg("svg", { class: "drawing", role: "img", height: HEIGHT, width: "100%" });
    drawing.append(grid, ...paths.values(), cursor, ...marks, ...hours);
    const when = h("span", { class: "when" });
    const summary = h("p", { class: "unseen" });
    const plot = h("div", { class: "plot" }, drawing);
    plot.addEventListener("pointermove", (event) => this.#pointed(event.clientX - plot.getBoundingClientRect().left));
    plot.addEventListener("pointerleave", () => this.#options.onHover(null));
    const head = h("figcaption", {}, h("h3", {}, title), when, h("span", { class: "legend" }, legend), summary);
    const figure = h("figure", { class: "chart" }, head, plot);
    return { figure, plot, drawing, grid, paths, marks, hours, cursor, when, summary, values };
  }

  #resized(width) {
    this.#width = Math.floor(width);
    this.#draw();
  }

  #pointed(x) {
    if (!this.#drawn) return;
    const { times, start, end } = this.#drawn;
    const time = start + ((x - LEFT) / (this.#width - LEFT)) * (end - start);
    const step = times.length > 1 ? times[1] - times[0] : 1;
    const at = Math.round((time - times[0]) / step);
    this.#options.onHover(Math.max(0, Math.min(times.length - 1, at)));
  }

  #x(time) {
    const { start, end } = this.#drawn;
    return LEFT + Math.max(0, (time - start) / (end - start)) * (this.#width - LEFT - 2);
  }

  #draw() {
    if (!this.#drawn || this.#width < LEFT * 2) return;
    const { lines, format, least = 0, most = Infinity } = this.#options;
    const stacked = stack(lines, this.#drawn);
    const peak = Math.max(least, ...stacked.flatMap(({ tops }) => tops.filter((top) => top !== null)));
    const scale = Math.min(roundedUp(peak), most);
    const y = (value) => (value === null ? null : TOP + DEPTH * (1 - Math.min(value / scale, 1)));
    const xs = this.#drawn.times.map((time) => this.#x(time));
    for (const { id, tops, floors, isArea } of stacked) {
      const path = isArea ? areaPath(xs, tops.map(y), floors.map(y)) : linePath(xs, tops.map(y));
      setAttribute(this.#parts.paths.get(id), "d", path);
    }
    this.#rule(scale, format);
    this.#tell();
  }

  #rule(scale, format) {
    const { grid, marks, hours } = this.#parts;
    const { start, end } = this.#drawn;
    const heights = marks.map((_, at) => TOP + DEPTH * (1 - at / 2));
    setAttribute(grid, "d", heights.map((height) => `M${LEFT} ${Math.round(height) + 0.5}H${this.#width}`).join(""));
    marks.forEach((mark, at) => {
      setAttribute(mark, "y", heights[at] + 4);
      setText(mark, at === 0 ? "0" : format((scale * at) / 2));
    });
    const write = end - start > 300 ? shortTime : clockTime;
    hours.forEach((hour, at) => {
      setAttribute(hour, "x", LEFT + ((this.#width - LEFT) * at) / 2);
      setText(hour, write(start + ((end - start) * at) / 2));
    });
  }

  /** The figures of the legend: the latest, or those under the pointer. */
  #tell() {
    const { values, when, cursor, drawing, figure } = this.#parts;
    const data = this.#drawn;
    if (!data) return;
    const at = this.#hover === null ? data.times.length - 1 : Math.min(this.#hover, data.times.length - 1);
    for (const [id, element] of values) setText(element, this.#options.format(data[id][at]));
    toggle(figure, "hovered", this.#hover !== null);
    setText(when, this.#hover === null ? "" : clockTime(data.times[at]));
    setAttribute(cursor, "d", this.#hover === null ? "" : `M${px(this.#x(data.times[at]))} ${TOP}V${TOP + DEPTH}`);
    if (this.#hover === null) this.#summarise(data, drawing);
  }

  #summarise(data, drawing) {
    const { lines, format, title } = this.#options;
    const told = lines.map(({ id, label }) => {
      const known = data[id].filter((value) => value !== null);
      if (known.length === 0) return `${label}: nothing measured`;
      return `${label}: latest ${format(data[id].at(-1) ?? null)}, highest ${format(Math.max(...known))}`.replace(NONE, "none");
    });
    const span = `${shortTime(data.start)} to ${shortTime(data.end)}`;
    setAttribute(drawing, "aria-label", `${title}, ${span}`);
    setText(this.#parts.summary, told.join("; "));
  }
}

/** `[{…line, tops, floors}]` */
function stack(lines, data) {
  let floors = data.times.map(() => 0);
  return lines.map((line) => {
    if (!line.isArea) return { ...line, tops: data[line.id], floors: [] };
    const tops = data[line.id].map((value, at) => floors[at] + (value ?? 0));
    const stacked = { ...line, tops, floors };
    floors = tops;
    return stacked;
  });
}
