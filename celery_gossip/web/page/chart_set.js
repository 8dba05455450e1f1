// Chart set: the four charts of a subject, a choice of their window, and one pointer position for all of them.

import { Chart } from "./chart.js";
import { button, h, setAttribute } from "./dom.js";
import { duration, percent, rate } from "./format.js";
import { WINDOWS, charted, windowOf } from "./series.js";

/** @param {"wait" | "run"} kind @returns {Page.ChartLine[]} */
const percentiles = (kind) => /** @type {const} */ (["p50", "p95"]).map((label) => ({ id: `${kind}_${label}`, label }));

/** @type {Omit<Page.ChartOptions, "onHover">[]} */
const CHARTS = [
  {
    title: "Throughput, tasks/s",
    format: rate,
    lines: [
      { id: "succeeded", label: "succeeded", isArea: true },
      { id: "failed", label: "failed", isArea: true },
    ],
  },
  { title: "Failure rate", format: percent, min: 0.05, max: 1, lines: [{ id: "share", label: "failed" }] },
  { title: "Wait before running", format: duration, lines: percentiles("wait") },
  { title: "Run time", format: duration, lines: percentiles("run") },
];

/** The query of the address keeps the window. @param {Page.Context} context */
export function chartSet({ router, store }) {
  /** @param {number | null} at */
  const onHover = (at) => charts.forEach((chart) => chart.hover(at));
  const charts = CHARTS.map((options) => new Chart({ ...options, onHover }));
  const choices = Object.entries(WINDOWS).map(([name, window]) => ({ window, face: button(window.label, () => router.updateQuery({ window: name })) }));
  const buttons = h("div", { class: "segments", role: "group", "aria-label": "Window of the charts" }, choices.map(({ face }) => face));
  const head = h("div", { class: "section-head" }, h("h2", {}, "Over time"), buttons);
  const element = h("section", { class: "stack" }, head, h("div", { class: "charts" }, charts.map((chart) => chart.element)));
  let chosen = windowOf("");

  /** @param {Page.Route} route */
  function onRoute({ query }) {
    chosen = windowOf(query.window);
    for (const { window, face } of choices) setAttribute(face, "aria-pressed", String(window === chosen));
  }

  /** `steps`: of this source; "" means all sources. @param {ReadonlyMap<string, Row.Step>} steps @param {string} source */
  function update(steps, source) {
    const sources = [...store.rows("fleet", "sources").values()].filter((one) => source === "" || one.source === source);
    const since = Math.min(...sources.map((one) => one.listening_since ?? Infinity));
    const data = charted(steps.values(), store.now(), chosen, since);
    for (const chart of charts) chart.update(data);
  }

  return { element, onRoute, update };
}
