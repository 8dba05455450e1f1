// Chart: lines and areas over time as a few SVG paths. The legend shows the values at the cursor, or the latest ones.

import { axisOf, timeTicks } from "./axis.js";
import { listenToChart } from "./chart_input.js";
import { h, setAttribute, setText, show, svg } from "./dom.js";
import { clockTime, shortTime } from "./format.js";
import { DEPTH, HEIGHT, LEFT, TOP, areaPath, highest, linePath, pointsPath, px, stack, stepAt, timeAt, xOf, yOf } from "./geometry.js";
import { markAt } from "./mark.js";

const MAX_TICKS = 6; // of the axis of values
const TIME_WIDTH = 92; // pixels for the label of a time
const SINCE_WIDTH = 190; // pixels for "collecting since …"
const SHORT_SINCE_WIDTH = 106;
const BOTTOM = TOP + DEPTH;

export class Chart {
  #options;
  #parts;
  /** @type {Page.Charted | null} */
  #data = null; // the last argument of update()
  /** @type {readonly Row.Mark[]} */
  #marks = [];
  #width = 0;
  /** @type {number | null} */
  #cursor = null; // time
  /** @type {Page.Period | null} */
  #selection = null;

  /** @param {Page.ChartOptions} options */
  constructor(options) {
    this.#options = options;
    this.#parts = this.#make();
    this.element = this.#parts.figure;
    new ResizeObserver(([entry]) => this.#resize(entry.contentRect.width)).observe(this.#parts.plot);
    listenToChart(this.#parts.plot, this, options);
  }

  /** @param {Page.Charted} data @param {readonly Row.Mark[]} [marks] */
  update(data, marks = []) {
    this.#data = data;
    this.#marks = marks;
    this.#draw();
  }

  /** `time`: whose values the legend shows; null: the latest. @param {number | null} time */
  hover(time) {
    if (this.#cursor === time) return;
    this.#cursor = time;
    this.#updateLegend();
  }

  /** The period that is being selected; null: none. */
  get selection() {
    return this.#selection;
  }

  /** @param {Page.Period | null} period */
  select(period) {
    this.#selection = period;
    this.#drawSelection();
  }

  /** The period that is shown. @returns {Page.Period | null} */
  get period() {
    return this.#data;
  }

  /** Times of the steps, for the cursor. */
  get times() {
    return this.#data?.times ?? [];
  }

  /** Index of the step at the cursor; null without one. */
  get cursorStep() {
    return this.#cursor === null ? null : stepAt(this.#cursor, this.times);
  }

  /** Returns the time at a position in the plot; null without data. @param {number} x */
  timeAt(x) {
    return this.#data && this.#width >= LEFT * 2 ? timeAt(x, this.#data, this.#width) : null;
  }

  /** Returns the values at the cursor in words, for screen readers. */
  readOut() {
    const [data, at] = [this.#data, this.cursorStep];
    if (!data || at === null) return "no data";
    const lines = this.#options.lines.filter(({ id, isOptional }) => !isOptional || data[id][at] !== null);
    const values = lines.map(({ id, label }) => `${label} ${this.#options.format(data[id][at])}`);
    return [clockTime(data.times[at]), ...values, this.#markText(data)].filter(Boolean).join(", ");
  }

  #make() {
    const { title, lines } = this.#options;
    const values = lines.map(() => h("b"));
    const keys = lines.map(({ id, label }, at) => h("span", { class: `key ${id}` }, h("i"), label, " ", values[at]));
    const paths = lines.map(({ id, isArea }) => svg("path", { class: `${isArea ? "area" : "line"} ${id}` }));
    const points = lines.map(({ id }) => svg("path", { class: `points ${id}` }));
    const [grid, cursor, outages, selection] = ["grid", "cursor", "outages", "selection"].map((name) => svg("path", { class: name }));
    const flags = /** @type {const} */ (["restart", "deploy"]).map((kind) => ({ kind, path: svg("path", { class: `mark ${kind}` }) }));
    const labels = Array.from({ length: MAX_TICKS }, () => svg("text", { "text-anchor": "end", x: LEFT - 8 }));
    const since = svg("text", { class: "since", y: TOP + 14 });
    const times = svg("g");
    const drawing = svg("svg", { class: "drawing", "aria-hidden": "true", height: HEIGHT, width: "100%" }, outages, grid, paths, points, flags.map(({ path }) => path), selection, cursor, labels, times, since);
    const [when, summary] = [h("span", { class: "cursor-time" }), h("p", { class: "visually-hidden" })];
    const empty = h("p", { class: "no-data", hidden: true }, "no data");
    const hint = h("p", { class: "hint", hidden: true });
    const plot = h("div", { class: "plot", tabindex: 0, role: "slider", "aria-label": title, "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0 }, drawing, empty, hint, when);
    const head = h("figcaption", {}, h("h3", {}, title), h("span", { class: "legend" }, keys), summary);
    return { figure: h("figure", { class: "chart" }, head, plot), plot, grid, paths, points, outages, flags, selection, labels, times, cursor, when, summary, values, keys, since, empty, hint };
  }

  /** @param {number} width */
  #resize(width) {
    this.#width = Math.floor(width);
    this.#draw();
  }

  #draw() {
    const data = this.#data;
    if (!data || this.#width < LEFT * 2) return;
    const { lines, axis, min, max, isWhole } = this.#options;
    const stacked = stack(lines, data);
    const { end: scale, ticks } = axisOf(axis, highest(stacked.map(({ tops }) => tops)), { min, max, isWhole });
    /** @param {number | null} value */
    const y = (value) => (value === null ? null : yOf(value, scale));
    const xs = data.times.map((time) => xOf(time, data, this.#width));
    stacked.forEach(({ tops, floors }, at) => {
      const heights = tops.map(y);
      setAttribute(this.#parts.paths[at], "d", floors ? areaPath(xs, heights, floors.map(y)) : linePath(xs, heights));
      // A single task is a narrow peak of an area between steps without any.
      const points = floors ? pointsPath(xs, heights.map((height, step) => (tops[step] === floors[step] ? null : height)), true) : pointsPath(xs, heights);
      setAttribute(this.#parts.points[at], "d", points);
    });
    this.#drawValueAxis(ticks, scale);
    this.#drawTimeAxis(data);
    this.#drawMarks(data);
    this.#drawSelection();
    show(this.#parts.empty, lines.every(({ id }) => data[id].every((value) => value === null)));
    this.#updateLegend();
  }

  /** @param {{value: number, label: string}[]} ticks @param {number} scale */
  #drawValueAxis(ticks, scale) {
    const heights = ticks.map(({ value }) => Math.round(yOf(value, scale)));
    setAttribute(this.#parts.grid, "d", heights.map((height) => `M${LEFT} ${height + 0.5}H${this.#width}`).join(""));
    this.#parts.labels.forEach((label, at) => {
      setText(label, ticks[at]?.label ?? "");
      if (ticks[at]) setAttribute(label, "y", heights[at] + 4);
    });
  }

  /** @param {Page.Period} period */
  #drawTimeAxis(period) {
    const most = Math.max(1, Math.floor((this.#width - LEFT) / TIME_WIDTH));
    const all = timeTicks(period.start, period.end, most).map(({ time, label }) => ({ x: xOf(time, period, this.#width), label }));
    const ticks = all.filter(({ x }) => x < this.#width - 18); // others would leave the chart
    const { times } = this.#parts;
    while (times.childElementCount < ticks.length) times.append(svg("text", { y: HEIGHT - 5, "text-anchor": "middle" }));
    [...times.children].forEach((label, at) => {
      setText(label, ticks[at]?.label ?? "");
      if (ticks[at]) setAttribute(label, "x", px(ticks[at].x));
    });
  }

  /** Shades the times without reports and those before the server listened; marks restarts and releases. @param {Page.Charted} data */
  #drawMarks(data) {
    const { outages, flags, since: label } = this.#parts;
    /** @param {number} time */
    const x = (time) => xOf(time, data, this.#width);
    const since = Math.min(data.end, Math.max(data.start, data.since));
    const shaded = this.#marks.filter(({ kind, at, until }) => kind === "outage" && at < data.end && (until ?? data.end) > data.start).map(({ at, until }) => [at, until ?? data.end]);
    if (since > data.start) shaded.unshift([data.start, since]);
    setAttribute(outages, "d", shaded.map(([from, until]) => `M${px(x(from))} ${TOP}H${px(Math.max(x(until), x(from) + 1))}V${BOTTOM}H${px(x(from))}Z`).join(""));
    for (const { kind, path } of flags) {
      const xs = this.#marks.filter((mark) => mark.kind === kind && mark.at >= data.start && mark.at <= data.end).map(({ at }) => px(x(at)));
      setAttribute(path, "d", xs.map((at) => `M${at} ${BOTTOM}V${TOP}l-4 -7h8l-4 7`).join(""));
    }
    const room = x(since) - LEFT;
    const isLeft = room > SHORT_SINCE_WIDTH;
    const words = isLeft && room < SINCE_WIDTH ? "since" : "collecting since";
    setText(label, since === data.start ? "" : Number.isFinite(data.since) ? `${words} ${clockTime(data.since)}` : "not collecting");
    setAttribute(label, "text-anchor", isLeft ? "end" : "start");
    setAttribute(label, "x", px(isLeft ? x(since) - 6 : Math.min(x(since) + 6, this.#width - SINCE_WIDTH)));
  }

  #drawSelection() {
    const { selection: path } = this.#parts;
    if (!this.#selection || !this.#data) return setAttribute(path, "d", "");
    const [from, until] = [this.#selection.start, this.#selection.end].map((time) => px(xOf(time, /** @type {Page.Charted} */ (this.#data), this.#width)));
    setAttribute(path, "d", `M${from} ${TOP}H${until}V${BOTTOM}H${from}Z`);
  }

  #updateLegend() {
    const data = this.#data;
    if (!data) return;
    const { values, keys, when, cursor } = this.#parts;
    const { times } = data;
    const at = this.cursorStep ?? times.length - 1;
    this.#options.lines.forEach(({ id, isOptional }, line) => {
      setText(values[line], this.#options.format(data[id][at]));
      if (isOptional) show(keys[line], data[id].some((value) => value !== null));
    });
    // There is no step for some seconds after a restart of the server, even if the cursor is in the chart.
    const time = this.#cursor === null ? undefined : times[at];
    const x = time === undefined ? 0 : xOf(time, data, this.#width);
    setText(when, time === undefined ? "" : clockTime(time));
    when.style.left = `${px(Math.min(x, this.#width - TIME_WIDTH / 2))}px`;
    setAttribute(cursor, "d", time === undefined ? "" : `M${px(x)} ${TOP}v${DEPTH}`);
    this.#drawHint(data, time);
    if (this.#cursor === null) this.#summarize(data);
  }

  /** Shows the text of the mark at the cursor, on the other side of it, in the chart that has the pointer or the focus. @param {Page.Charted} data @param {number | undefined} time */
  #drawHint(data, time) {
    const { hint } = this.#parts;
    const text = time === undefined ? "" : this.#markText(data);
    show(hint, text !== "");
    setText(hint, text);
    if (time !== undefined) hint.dataset.side = time - data.start > (data.end - data.start) / 2 ? "left" : "right";
  }

  /** Returns the text of the mark at the cursor. @param {Page.Charted} data */
  #markText({ start, end, size }) {
    return this.#cursor === null ? "" : markAt(this.#marks, this.#cursor, Math.max(size / 2, (end - start) / 120));
  }

  /** Describes the chart to screen readers. @param {Page.Charted} data */
  #summarize(data) {
    const { lines, format, title } = this.#options;
    const summaries = lines.map(({ id, label }) => {
      const known = data[id].filter((value) => value !== null);
      return `${label}: ${known.length ? `latest ${format(known.at(-1))}, highest ${format(highest([known]))}` : "no data"}`;
    });
    const { start, end } = data;
    const { plot, summary } = this.#parts;
    setAttribute(plot, "aria-label", `${title}, ${shortTime(start)} to ${shortTime(end)}`);
    setText(summary, summaries.join("; "));
    if (document.activeElement !== plot) setAttribute(plot, "aria-valuetext", summaries.join("; "));
  }
}
