// Chart: lines and areas over time as a few SVG paths. The legend shows the values at the pointer, or the latest ones.

import { h, setAttribute, setText, svg } from "./dom.js";
import { clockTime, shortTime } from "./format.js";
import { DEPTH, HEIGHT, LEFT, TOP, areaPath, linePath, px, scaleEnd, stack, stepAt, xOf, yOf } from "./geometry.js";

export class Chart {
  #options;
  #parts;
  /** @type {Page.Charted | null} */
  #data = null; // the last argument of update()
  #width = 0;
  /** @type {number | null} */
  #hover = null; // index of the step at the pointer

  /** @param {Page.ChartOptions} options */
  constructor(options) {
    this.#options = options;
    this.#parts = this.#make();
    this.element = this.#parts.figure;
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width)).observe(this.#parts.plot);
  }

  /** @param {Page.Charted} data */
  update(data) {
    this.#data = data;
    this.#draw();
  }

  /** `at`: index of the step whose values the legend shows; null: the latest. @param {number | null} at */
  hover(at) {
    if (this.#hover === at) return;
    this.#hover = at;
    this.#updateLegend();
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
    const [when, summary] = [h("span", { class: "when" }), h("p", { class: "visually-hidden" })];
    const plot = h("div", { class: "plot" }, drawing);
    plot.addEventListener("pointermove", (event) => this.#onPointer(event.clientX - plot.getBoundingClientRect().left));
    plot.addEventListener("pointerleave", () => onHover(null));
    const head = h("figcaption", {}, h("h3", {}, title), when, h("span", { class: "legend" }, keys), summary);
    return { figure: h("figure", { class: "chart" }, head, plot), plot, drawing, grid, paths, marks, times, cursor, when, summary, values };
  }

  /** @param {number} width */
  #resize(width) {
    this.#width = Math.floor(width);
    this.#draw();
  }

  /** @param {number} x */
  #onPointer(x) {
    const at = this.#data && stepAt(x, this.#data, this.#width);
    if (at !== null) this.#options.onHover(at);
  }

  #draw() {
    const data = this.#data;
    if (!data || this.#width < LEFT * 2) return;
    const { lines, min, max } = this.#options;
    const stacked = stack(lines, data);
    const scale = scaleEnd(stacked.map(({ tops }) => tops), min, max);
    /** @param {number} value */
    const y = (value) => yOf(value, scale);
    const xs = data.times.map((time) => xOf(time, data, this.#width));
    stacked.forEach(({ tops, floors }, at) => {
      const path = floors ? areaPath(xs, tops.map(y), floors.map(y)) : linePath(xs, tops.map((top) => top === null ? null : y(top)));
      setAttribute(this.#parts.paths[at], "d", path);
    });
    this.#drawAxes(data, scale);
    this.#updateLegend();
  }

  /** @param {Page.Charted} data @param {number} scale */
  #drawAxes({ start, end }, scale) {
    const { grid, marks, times } = this.#parts;
    const heights = marks.map((_, at) => Math.round(TOP + DEPTH * (1 - at / 2)));
    setAttribute(grid, "d", heights.map((height) => `M${LEFT} ${height + 0.5}H${this.#width}`).join(""));
    marks.forEach((mark, at) => {
      setAttribute(mark, "y", heights[at] + 4);
      setText(mark, at === 0 ? "0" : this.#options.format((scale * at) / 2));
    });
    const timeText = end - start > 300 ? shortTime : clockTime;
    times.forEach((mark, at) => {
      setAttribute(mark, "x", LEFT + ((this.#width - LEFT) * at) / 2);
      setText(mark, timeText(start + ((end - start) * at) / 2));
    });
  }

  #updateLegend() {
    const data = this.#data;
    if (!data) return;
    const { values, when, cursor } = this.#parts;
    const { times } = data;
    const at = Math.min(this.#hover ?? Infinity, times.length - 1);
    this.#options.lines.forEach(({ id }, line) => setText(values[line], this.#options.format(data[id][at])));
    // There is no step for some seconds after a restart of the server, even if the pointer is over the chart.
    const time = this.#hover === null ? undefined : times[at];
    setText(when, time === undefined ? "" : clockTime(time));
    setAttribute(cursor, "d", time === undefined ? "" : `M${px(xOf(time, data, this.#width))} ${TOP}v${DEPTH}`);
    if (this.#hover === null) this.#summarize(data);
  }

  /** Describes the chart to screen readers. @param {Page.Charted} data */
  #summarize(data) {
    const { lines, format, title } = this.#options;
    const summaries = lines.map(({ id, label }) => {
      const known = data[id].filter((value) => value !== null);
      return `${label}: ${known.length ? `latest ${format(known.at(-1))}, highest ${format(Math.max(...known))}` : "no data"}`;
    });
    const { start, end } = data;
    setAttribute(this.#parts.drawing, "aria-label", `${title}, ${shortTime(start)} to ${shortTime(end)}`);
    setText(this.#parts.summary, summaries.join("; "));
  }
}
