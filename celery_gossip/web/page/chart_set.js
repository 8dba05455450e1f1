// Chart set: the four charts that every subject has over its steps, the choice of their window, and one pointer for all.

import { Chart } from "./chart.js";
import { h, setAttribute } from "./dom.js";
import { duration, percent, rate } from "./format.js";
import { WINDOWS, bucketed, windowOf } from "./series.js";

const CHARTS = [
  {
    title: "Throughput, tasks/s",
    format: rate,
    lines: [
      { id: "succeeded", label: "succeeded", tone: "succeeded", isArea: true },
      { id: "failed", label: "failed", tone: "failed", isArea: true },
    ],
  },
  { title: "Failure share", format: percent, least: 0.05, most: 1, lines: [{ id: "failureShare", label: "failed", tone: "failed" }] },
  {
    title: "Wait before running",
    format: duration,
    lines: [
      { id: "wait_p50", label: "p50", tone: "half" },
      { id: "wait_p95", label: "p95", tone: "most" },
    ],
  },
  {
    title: "Run time",
    format: duration,
    lines: [
      { id: "run_p50", label: "p50", tone: "half" },
      { id: "run_p95", label: "p95", tone: "most" },
    ],
  },
];

export class ChartSet {
  #charts;
  #buttons;
  #tools;
  #window = windowOf();

  /** `router` keeps the window in the address. */
  constructor({ router }) {
    const onHover = (at) => this.#charts.forEach((chart) => chart.hover(at));
    this.#charts = CHARTS.map((options) => new Chart({ ...options, onHover }));
    this.#buttons = Object.entries(WINDOWS).map(([name, { label }]) =>
      h("button", { type: "button", "aria-pressed": "false", data: { window: name }, on: { click: () => router.look({ window: name }) } }, label),
    );
    this.#tools = h("div", { class: "segments", role: "group", "aria-label": "Window of the charts" }, this.#buttons);
    const head = h("div", { class: "section-head" }, h("h2", {}, "Over time"), this.#tools);
    this.element = h("section", { class: "charts-section" }, head, h("div", { class: "charts" }, this.#charts.map((chart) => chart.element)));
  }

  routed({ query }) {
    this.#window = windowOf(query.window);
    for (const button of this.#buttons) {
      setAttribute(button, "aria-pressed", String(WINDOWS[button.dataset.window] === this.#window));
    }
  }

  /** `steps`: `{key: Step}`. */
  update(steps, now) {
    const data = bucketed(steps.values(), now, this.#window);
    for (const chart of this.#charts) chart.update(data);
  }
}
