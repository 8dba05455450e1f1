// Chart set: the charts of a subject, the choice of their period, and one cursor for all of them.

import { Chart } from "./chart.js";
import { button, h, setAttribute, setText, show } from "./dom.js";
import { bytes, clockTime, count, duration, percent, rate } from "./format.js";
import { markList } from "./mark.js";
import { WINDOWS, rangeOf, rangeQuery, stepSizes, windowOf } from "./range.js";
import { charted, levelled } from "./series.js";

/** @param {"wait" | "run"} kind @returns {Page.ChartLine[]} */
const percentiles = (kind) => /** @type {const} */ (["p50", "p95"]).map((label) => ({ id: `${kind}_${label}`, label }));

/** @type {Record<string, Omit<Page.ChartOptions, keyof Page.ChartEvents>>} */
const CHARTS = {
  backlog: { title: "Backlog, messages", axis: "count", isWhole: true, isLevel: true, format: count, lines: [{ id: "backlog", label: "waiting", isArea: true }] },
  oldest: {
    title: "Oldest message",
    axis: "seconds",
    isLevel: true,
    format: duration,
    lines: [
      { id: "oldest_min", label: "at least" },
      { id: "oldest_max", label: "at most", isOptional: true },
    ],
  },
  throughput: {
    title: "Throughput, tasks/s",
    axis: "count",
    format: rate,
    lines: [
      { id: "succeeded", label: "succeeded", isArea: true },
      { id: "failed", label: "failed", isArea: true },
    ],
  },
  failures: { title: "Failure rate", axis: "share", format: percent, min: 0.05, max: 1, lines: [{ id: "share", label: "failed" }] },
  wait: { title: "Wait before running", axis: "seconds", format: duration, lines: percentiles("wait") },
  run: { title: "Run time", axis: "seconds", format: duration, lines: percentiles("run") },
  memory: {
    title: "Memory",
    axis: "bytes",
    isLevel: true,
    format: bytes,
    lines: [
      { id: "rss", label: "resident" },
      { id: "memory_used", label: "against limit", isOptional: true },
    ],
  },
  cpu: { title: "CPU, cores", axis: "count", min: 0.1, isLevel: true, format: rate, lines: [{ id: "cpu", label: "in use" }] },
};
const THROUGHPUT = ["throughput", "failures", "wait", "run"];
/** `{kind of a topic: its charts}` @type {Record<string, string[]>} */
const SETS = {
  pace: ["throughput", "failures", "backlog", "oldest", "wait", "run", "memory", "cpu"],
  queue: ["throughput", "failures", "backlog", "oldest", "wait", "run"],
  worker: [...THROUGHPUT, "memory", "cpu"],
  task: THROUGHPUT,
};

/** The query of the address keeps the period. @param {Page.Context} context @param {string} topic */
export function chartSet({ router, store }, topic) {
  const options = SETS[topic.split(":")[0]].map((name) => CHARTS[name]);
  const charts = options.map((one) => new Chart({ ...one, onHover, onZoom, onReset }));
  const choices = Object.entries(WINDOWS).map(([name, { label }]) => ({ name, face: button(label, () => router.updateQuery({ window: name, from: "", to: "" })) }));
  const buttons = h("div", { class: "segments", role: "group", "aria-label": "Period of the charts" }, choices.map(({ face }) => face));
  const [zoomed, reset] = [h("span", { class: "summary" }), button("Reset zoom", onReset, { title: "Esc in a chart" })];
  const zoom = h("span", { class: "zoom", hidden: true }, zoomed, reset);
  const head = h("div", { class: "section-head" }, h("h2", {}, "Over time"), h("div", { class: "range" }, zoom, buttons));
  const marks = markList();
  const grid = h("div", { class: `charts of-${charts.length}` }, charts.map((chart) => chart.element));
  const element = h("section", { class: "stack" }, head, grid, marks.element);
  /** @type {Page.Query} */
  let query = {};

  /** @param {number | null} time */
  function onHover(time) {
    for (const chart of charts) chart.hover(time);
  }

  /** @param {number} start @param {number} end */
  function onZoom(start, end) {
    router.updateQuery(rangeQuery(start, end, store.now()));
  }

  /** Returns whether there was something to reset. */
  function onReset() {
    if (!query.from && !query.to) return false;
    router.updateQuery({ from: "", to: "" });
    return true;
  }

  /** @param {Page.Route} route */
  function onRoute(route) {
    query = route.query;
    const { isZoomed } = rangeOf(query, store.now());
    for (const { name, face } of choices) setAttribute(face, "aria-pressed", String(!isZoomed && name === windowOf(query.window)));
    show(zoom, isZoomed);
  }

  /** `source`: whose tables the topic has; "" means all sources. @param {string} source */
  function update(source) {
    const sources = [...store.rows("fleet", "sources").values()].filter((one) => source === "" || one.source === source);
    const since = Math.min(...sources.map((one) => one.listening_since ?? Infinity));
    const now = store.now();
    const range = rangeOf(query, now);
    const { kept, steps, levels } = stepSizes(range, now);
    const all = [...store.rows(topic, "marks").values()];
    const outages = all.filter((mark) => mark.kind === "outage");
    const counted = charted(store.rows(topic, "steps").values(), now, { ...range, kept, size: steps }, since, outages);
    const levelData = options.some((one) => one.isLevel) ? levelled(store.rows(topic, "levels").values(), now, { ...range, size: levels }, since) : counted;
    const shown = all.filter(({ at, until }) => at <= counted.end && (until ?? counted.end) >= counted.start);
    charts.forEach((chart, at) => chart.update(options[at].isLevel ? levelData : counted, shown));
    marks.update(shown);
    setText(zoomed, `${clockTime(counted.start)} – ${range.end === undefined ? "now" : clockTime(counted.end)}`);
  }

  return { element, onRoute, update };
}
