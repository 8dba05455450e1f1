// The overview: what is wrong first, then the fleet's figures, its charts, and the queues with the most to do.

import { chartSet } from "./chart_set.js";
import { IN_A_MINUTE } from "./column.js";
import { h, painted, setText, show } from "./dom.js";
import { facts } from "./facts.js";
import { findingList } from "./finding.js";
import { count, duration, percent, rate } from "./format.js";
import { sourceChoice } from "./list_page.js";
import { BUSIEST } from "./page_queues.js";
import { slotBar } from "./spark.js";
import { WORKER_STATES, stateLabel } from "./state.js";
import { Table } from "./table.js";

/** How many workers there are, and in which states: each leads to those. */
function workersFact() {
  const total = h("span");
  const states = WORKER_STATES.map(stateCount);
  const element = h("span", { class: "state-counts" }, total, states.map((one) => one.element));
  const update = (row) => {
    setText(total, count(Object.values(row.states).reduce((sum, some) => sum + some, 0)));
    for (const one of states) one.update(row.states[one.state] ?? 0);
  };
  return { element, update };
}

function stateCount(state) {
  const [number, label] = [h("b"), stateLabel()];
  const element = h("a", { href: `workers?state=${state}` }, label.element);
  label.element.append(number);
  label.update(state);
  const update = (workers) => {
    show(element, workers > 0);
    setText(number, count(workers));
  };
  return { state, element, update };
}

const FACTS = [
  { label: "Workers", paint: workersFact, isWide: true },
  {
    label: "Busy slots",
    paint: painted(slotBar, (row) => [row.active, row.slots]),
    note: (row) => `${count(row.reserved)} reserved${row.scheduled > 0 ? `, ${count(row.scheduled)} scheduled` : ""}`,
  },
  { label: "Backlog", text: (row) => count(row.backlog), note: (row) => (row.backlog === null ? "not known" : "on the broker") },
  { label: "Throughput", text: (row) => `${rate(row.per_second)}/s`, note: () => IN_A_MINUTE },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => IN_A_MINUTE },
  { label: "Wait p95", text: (row) => duration(row.wait.p95), note: (row) => `p50 ${duration(row.wait.p50)}` },
  { label: "Run p95", text: (row) => duration(row.runtime.p95), note: (row) => `p50 ${duration(row.runtime.p50)}` },
];

const only = (rows, matches) => new Map([...rows].filter(([, row]) => matches(row)));

export function overviewPage(context, { query: { source = "" } }) {
  const { store, router, isStale } = context;
  const pace = `pace:${source}`;
  const isMeant = (row) => source === "" || row.source === source;
  const [findings, headline, charts, sources] = [findingList(), facts(FACTS), chartSet(context), sourceChoice(context)];
  const table = new Table({
    ...BUSIEST,
    router,
    caption: "Busiest queues",
    pageSize: 8,
    empty: "No queue is known yet.",
    isStale: (row) => isStale(row.source),
  });
  const empty = h("p", { class: "quiet", hidden: true }, "No worker is heard yet. A worker appears within a second of its first gossip.");
  const title = h("div", { class: "section-head" }, h("h1", {}, "Overview"), sources.element);
  const head = h("div", { class: "section-head" }, h("h2", {}, "Busiest queues"), h("a", { href: "queues" }, "All queues"));
  const figures = h("div", { class: "page" }, headline.element, charts.element);
  const element = h("div", { class: "page" }, title, findings.element, empty, figures, h("section", { class: "panel" }, head, table.element));

  function update() {
    const totals = store.rows("fleet", "totals").get(source);
    const watched = only(store.rows("fleet", "sources"), isMeant);
    findings.update(only(store.rows("fleet", "findings"), isMeant), store.isTold("fleet"));
    sources.update();
    show(headline.element, Boolean(totals));
    if (totals) headline.update(totals);
    show(empty, Boolean(totals) && Object.keys(totals.states).length === 0);
    figures.classList.toggle("stale", watched.size > 0 && [...watched.keys()].every(isStale));
    charts.update(store.rows(pace, "steps"), source);
    table.update(store.rows("queues", "queues"), isMeant);
  }

  function routed(route) {
    for (const part of [charts, table]) part.routed(route);
    sources.routed(route.query);
  }

  return { title: "Overview", topics: ["fleet", pace, "queues"], element, routed, update };
}
