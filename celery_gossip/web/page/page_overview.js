// Overview page: findings first, then the fleet's figures and charts, and the busiest queues.

import { chartSet } from "./chart_set.js";
import { LAST_MINUTE } from "./column.js";
import { fromRow, h, setText, show } from "./dom.js";
import { statList } from "./stat_list.js";
import { findingList } from "./finding.js";
import { count, duration, percent, rate } from "./format.js";
import { sourceChoice } from "./list_page.js";
import { BUSIEST } from "./page_queues.js";
import { slotBar } from "./sparkline.js";
import { WORKER_STATES, stateLabel } from "./state.js";
import { Table } from "./table.js";

/** Shows the number of workers in total and by state; each state links to its workers. */
function workerCounts() {
  const total = h("span");
  const states = WORKER_STATES.map(stateCount);
  const element = h("span", { class: "state-counts" }, total, states.map((one) => one.element));
  /** @param {Row.Totals} row */
  const update = (row) => {
    setText(total, count(Object.values(row.states).reduce((sum, some) => sum + some, 0)));
    for (const one of states) one.update(row.states[one.state] ?? 0);
  };
  return { element, update };
}

/** @param {string} state */
function stateCount(state) {
  const [number, label] = [h("b"), stateLabel()];
  const element = h("a", { href: `workers?state=${state}` }, label.element);
  label.element.append(number);
  label.update(state);
  /** @param {number} workers */
  const update = (workers) => {
    show(element, workers > 0);
    setText(number, count(workers));
  };
  return { state, element, update };
}

/** @type {Page.Stat<Row.Totals>[]} */
const STATS = [
  { label: "Workers", makeValue: workerCounts, isWide: true },
  {
    label: "Busy slots",
    makeValue: fromRow(slotBar, (row) => [row.active, row.slots]),
    note: (row) => `${count(row.reserved)} reserved${row.scheduled > 0 ? `, ${count(row.scheduled)} scheduled` : ""}`,
  },
  { label: "Backlog", text: (row) => count(row.backlog), note: (row) => (row.backlog === null ? "unknown" : "on the broker") },
  { label: "Throughput", text: (row) => `${rate(row.per_second)}/s`, note: () => LAST_MINUTE },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => LAST_MINUTE },
  { label: "Wait p95", text: (row) => duration(row.wait.p95), note: (row) => `p50 ${duration(row.wait.p50)}` },
  { label: "Run p95", text: (row) => duration(row.runtime.p95), note: (row) => `p50 ${duration(row.runtime.p50)}` },
];

/** @template R @param {ReadonlyMap<string, R>} rows @param {(row: R) => boolean} matches */
const filtered = (rows, matches) => new Map([...rows].filter(([, row]) => matches(row)));

/**
 * Returns why problems may be undetected; empty if every listener receives reports. Pure.
 * @param {string[]} sources @param {ReadonlyMap<string, Pick<Row.Totals, "states">>} totals @param {(source: string) => boolean} isStale
 */
export function whyUnknown(sources, totals, isStale) {
  const frozen = sources.filter(isStale).length;
  if (frozen > 0) return sources.length === 1 ? "this server receives no reports" : `no reports are received from ${frozen} of ${sources.length} brokers`;
  /** @param {string} source */
  const hasNoReports = (source) => Object.keys(totals.get(source)?.states ?? {}).every((state) => state === "lost");
  if (sources.every(hasNoReports)) return "no worker reports";
  return sources.some(hasNoReports) ? "no worker reports on some of the brokers" : "";
}

/** @param {Page.Context} context @param {Page.Route} route @returns {Page.Mounted} */
export function overviewPage(context, { query: { source = "" } }) {
  const { store, router, isStale } = context;
  const pace = `pace:${source}`;
  /** @param {{source: string}} row */
  const isSelected = (row) => source === "" || row.source === source;
  const [findings, headline, charts, sources] = [findingList(), statList(STATS), chartSet(context, pace), sourceChoice(context)];
  const table = new Table({
    ...BUSIEST,
    router,
    caption: "Busiest queues",
    pageSize: 8,
    empty: "No queue is known yet.",
    isStale: (row) => isStale(row.source),
  });
  const empty = h("p", { class: "quiet", hidden: true }, "No worker has reported yet. A worker appears within a second of its first report.");
  const title = h("div", { class: "section-head" }, h("h1", {}, "Overview"), sources.element);
  const head = h("div", { class: "section-head" }, h("h2", {}, "Busiest queues"), h("a", { href: "queues" }, "All queues"));
  const figures = h("div", { class: "page" }, headline.element, charts.element);
  const element = h("div", { class: "page" }, title, findings.element, empty, figures, h("section", { class: "panel" }, head, table.element));

  function update() {
    const allTotals = store.rows("fleet", "totals");
    const totals = allTotals.get(source);
    const watched = filtered(store.rows("fleet", "sources"), isSelected);
    findings.update(filtered(store.rows("fleet", "findings"), isSelected), store.has("fleet"), whyUnknown([...watched.keys()], allTotals, isStale));
    sources.update();
    show(headline.element, Boolean(totals));
    if (totals) headline.update(totals);
    show(empty, totals !== undefined && Object.keys(totals.states).length === 0);
    figures.classList.toggle("stale", watched.size > 0 && [...watched.keys()].every(isStale));
    charts.update(source);
    table.update(store.rows("queues", "queues"), isSelected);
  }

  /** @param {Page.Route} route */
  function onRoute(route) {
    for (const part of [charts, table]) part.onRoute(route);
    sources.onRoute(route.query);
  }

  return { title: "Overview", topics: ["fleet", pace, "queues"], element, onRoute, update };
}
