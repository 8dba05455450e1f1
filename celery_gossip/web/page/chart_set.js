// Chart set: the four charts that every subject has over its steps, the choice of their window, and one pointer for all.

import { Chart } from "./chart.js";
import { button, h, setAttribute } from "./dom.js";
import { duration, percent, rate } from "./format.js";
import { WINDOWS, charted, windowOf } from "./series.js";

const percentiles = (kind) => ["p50", "p95"].map((label) => ({ id: `${kind}_${label}`, label }));

const CHARTS = [
  {
    title: "Throughput, tasks/s",
    format: rate,
    lines: [
      { id: "succeeded", label: "succeeded", isArea: true },
      { id: "failed", label: "failed", isArea: true },
    ],
  },
  { title: "Failure share", format: percent, least: 0.05, most: 1, lines: [{ id: "share", label: "failed" }] },
  { title: "Wait before running", format: duration, lines: percentiles("wait") },
  { title: "Run time", format: duration, lines: percentiles("run") },
];

/** Keeps the window in the address. */
export function chartSet({ router, store }) {
  const onHover = (at) => charts.forEach((chart) => chart.hover(at));
  const charts = CHARTS.map((options) => new Chart({ ...options, onHover }));
  const choices = Object.entries(WINDOWS).map(([name, window]) => [window, button(window.label, () => router.look({ window: name }))]);
  const buttons = h("div", { class: "segments", role: "group", "aria-label": "Window of the charts" }, choices.map(([, choice]) => choice));
  const head = h("div", { class: "section-head" }, h("h2", {}, "Over time"), buttons);
  const element = h("section", { class: "stack" }, head, h("div", { class: "charts" }, charts.map((chart) => chart.element)));
  let chosen = null;

  function routed({ query }) {
    chosen = windowOf(query.window);
    for (const [window, choice] of choices) setAttribute(choice, "aria-pressed", String(window === chosen));
  }

  /** `steps`: `{key: Step}`, of this source; "" stands for all. */
  function update(steps, source) {
    const sources = [...store.rows("fleet", "sources").values()].filter((one) => source === "" || one.source === source);
    const since = Math.min(...sources.map((one) => one.listening_since ?? Infinity));
    const data = charted(steps.values(), store.now(), chosen, since);
    for (const chart of charts) chart.update(data);
  }

  return { element, routed, update };
}
