// Page of all workers.

import { countColumn, failureRateColumn, lagOf, lagText, linkCell, rateColumn, slotColumn, stateColumn } from "./column.js";
import { fromRow, nameLabel } from "./dom.js";
import { listPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { WORKER_STATES } from "./state.js";
import { ageLabel } from "./ticker.js";

/** @param {Row.Worker} row */
const hrefOf = (row) => subjectHref("workers", row.source, row.hostname);
/** @param {Row.Worker} row */
const stateOf = (row) => row.state;

/** @type {Page.Column<Row.Worker>[]} */
const COLUMNS = [
  { id: "hostname", label: "Worker", sortKey: (row) => row.hostname, makeCell: linkCell((row) => row.hostname, hrefOf, stateOf, (row) => row.reason) },
  stateColumn(stateOf, WORKER_STATES),
  { id: "pool", label: "Pool", width: 96, priority: 5, sortKey: (row) => row.pool, text: (row) => row.pool },
  slotColumn(
    (row) => row.active,
    (row) => row.concurrency,
    { priority: 2 },
  ),
  countColumn("reserved", "Reserved", { width: 88, priority: 3 }),
  countColumn("scheduled", "Scheduled", { width: 94, priority: 5 }),
  { id: "lag", label: "Loop lag", hint: "Delay of its event loop", width: 88, priority: 4, isNumber: true, sortKey: lagOf, text: lagText },
  {
    id: "queues",
    label: "Queues",
    width: 170,
    priority: 5,
    sortKey: (row) => row.queues.length,
    makeCell: fromRow(nameLabel, (row) => [row.queues.join(", ")]),
  },
  countColumn("processed", "Processed", { width: 98, priority: 4, hint: "Tasks accepted since its start" }),
  rateColumn(),
  failureRateColumn(),
  {
    id: "heard",
    label: "Last report",
    hint: "Time of the last report, if the next one is late",
    width: 132,
    priority: 3,
    isNumber: true,
    isDescending: false,
    sortKey: (row) => row.silent_since ?? Infinity,
    makeCell: fromRow(ageLabel, (row) => [row.silent_since, { after: " ago", none: "on time" }]),
  },
];

/** @param {Page.Context} context */
export const workersPage = (context) =>
  listPage(context, {
    title: "Workers",
    topic: "workers",
    noun: "worker",
    nothing: "No worker has reported yet. A worker must run with celery-gossip and use this broker.",
    columns: COLUMNS,
    defaultSort: "hostname",
    href: hrefOf,
    states: WORKER_STATES,
    stateOf,
    textOf: (row) => `${row.hostname} ${row.queues.join(" ")}`,
    isStale: (row) => row.silent_since !== null || context.isStale(row.source),
  });
