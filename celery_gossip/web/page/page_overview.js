// The overview: what is wrong first, then the fleet's figures, its charts, and the queues with the most to do.

import { ChartSet } from "./chart_set.js";
import { h, setText, show } from "./dom.js";
import { facts } from "./facts.js";
import { findingList } from "./finding.js";
import { count, duration, percent, rate } from "./format.js";
import { sourceChoice } from "./list_page.js";
import { BUSIEST_COLUMNS, queueHref } from "./page_queues.js";
import { bar } from "./spark.js";
import { WORKER_STATES, stateLabel } from "./state.js";
import { Table } from "./table.js";

const BUSIEST = 8;

const slotsFact = () => {
  const { element, update } = bar();
  return { nodes: element, update: (row) => update(row.active, row.slots, `${count(row.active)}/${count(row.slots)}`) };
};

/** How many workers there are, and in which states: each leads to those. */
function workersFact() {
  const total = h("span", {});
  const states = new Map(WORKER_STATES.map((state) => [state, stateCount(state)]));
  const list = h("span", { class: "state-counts" }, [...states.values()].map(({ element }) => element));
  const update = (row) => {
    setText(total, count(Object.values(row.states).reduce((sum, some) => sum + some, 0)));
    for (const [state, { element, number }] of states) {
      show(element, (row.states[state] ?? 0) > 0);
      setText(number, count(row.states[state] ?? 0));
    }
  };
  return { nodes: [total, list], update };
}

function stateCount(state) {
  const number = h("b", {});
  const label = stateLabel(state);
  label.element.append(" ", number);
  return { element: h("a", { href: `workers?state=${state}`, hidden: true }, label.element), number };
}

const FACTS = [
  { label: "Workers", paint: workersFact, isWide: true },
  { label: "Busy slots", paint: slotsFact, note: (row) => `${count(row.reserved)} reserved, ${count(row.scheduled)} scheduled` },
  { label: "Backlog", hint: "Messages that wait on the broker, where that is known", text: (row) => count(row.backlog), note: (row) => (row.backlog === null ? "not known" : "on the broker") },
  { label: "Throughput", text: (row) => `${rate(row.per_second)}/s`, note: () => "in the latest minute" },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => "in the latest minute" },
  { label: "Wait p95", text: (row) => duration(row.wait.p95), note: (row) => `p50 ${duration(row.wait.p50)}` },
  { label: "Run p95", text: (row) => duration(row.runtime.p95), note: (row) => `p50 ${duration(row.runtime.p50)}` },
];

export function overviewPage(context, { query }) {
  const source = query.source ?? "";
  const topics = ["fleet", `pace:${source}`, "queues"];
  const findings = findingList(context);
  const headline = facts(FACTS, "Totals");
  const charts = new ChartSet(context);
  const sources = sourceChoice(context);
  const table = new Table({
    router: context.router,
    caption: "Busiest queues",
    columns: BUSIEST_COLUMNS,
    defaultSort: "-load",
    pageSize: BUSIEST,
    empty: "No queue is known yet.",
    href: queueHref,
    isStale: (row) => context.isStale(row.source),
    parameter: "queues_",
  });
  const empty = h("p", { class: "quiet", hidden: true }, "No worker is heard yet. A worker appears within a second of its first gossip.");
  const title = h("div", { class: "section-head" }, h("h1", {}, "Overview"), sources.element);
  const all = h("a", { href: "queues" }, "All queues");
  const busiest = h("section", { class: "panel" }, h("div", { class: "section-head" }, h("h2", {}, "Busiest queues"), all), table.element);
  const figures = h("div", { class: "page" }, headline.element, charts.element);
  const element = h("div", { class: "page" }, title, findings.element, empty, figures, busiest);

  function update() {
    const { store } = context;
    const totals = store.rows("fleet", "totals").get(source);
    findings.update();
    sources.update();
    if (totals) headline.update(totals);
    figures.classList.toggle("stale", [...store.rows("fleet", "sources").keys()].filter((key) => source === "" || key === source).every(context.isStale));
    show(empty, Boolean(totals) && Object.keys(totals.states).length === 0);
    charts.update(store.rows(`pace:${source}`, "steps"), store.now());
    table.update(store.rows("queues", "queues"), (row) => source === "" || row.source === source);
  }

  function routed(route) {
    charts.routed(route);
    table.routed(route);
    sources.choice.value = route.query.source ?? "";
  }

  return { title: "Overview", topics, element, routed, update };
}
