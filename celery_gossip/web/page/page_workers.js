// The page of all workers.

import { failureShare, figure, lag, lagOf, link, pace, slots, state } from "./column.js";
import { nameLabel, painted } from "./dom.js";
import { listPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { WORKER_STATES } from "./state.js";
import { ageLabel } from "./ticker.js";

const hrefOf = (row) => subjectHref("workers", row.source, row.hostname);
const stateOf = (row) => row.state;

const COLUMNS = [
  { id: "hostname", label: "Worker", by: (row) => row.hostname, paint: link((row) => row.hostname, hrefOf, stateOf, (row) => row.reason) },
  state(stateOf, WORKER_STATES),
  { id: "pool", label: "Pool", width: 96, priority: 5, by: (row) => row.pool, text: (row) => row.pool },
  slots(
    (row) => row.active,
    (row) => row.concurrency,
    { priority: 2 },
  ),
  figure("reserved", "Reserved", { width: 88, priority: 3 }),
  figure("scheduled", "Scheduled", { width: 94, priority: 5 }),
  { id: "lag", label: "Loop lag", hint: "How late its event loop ticked", width: 88, priority: 4, isNumber: true, by: lagOf, text: lag },
  {
    id: "queues",
    label: "Queues",
    width: 170,
    priority: 5,
    by: (row) => row.queues.length,
    paint: painted(nameLabel, (row) => [row.queues.join(", ")]),
  },
  figure("processed", "Processed", { width: 98, priority: 4, hint: "Tasks accepted since it booted" }),
  pace(),
  failureShare(),
  {
    id: "heard",
    label: "Heard",
    hint: "When it last spoke",
    width: 132,
    priority: 3,
    isNumber: true,
    isDescending: false,
    by: (row) => row.silent_since ?? Infinity,
    paint: painted(ageLabel, (row) => [row.silent_since, { after: " ago", none: "on time" }]),
  },
];

export const workersPage = (context) =>
  listPage(context, {
    title: "Workers",
    topic: "workers",
    noun: "worker",
    nothing: "No worker is heard yet: it must run, use this broker and gossip.",
    columns: COLUMNS,
    defaultSort: "hostname",
    href: hrefOf,
    states: WORKER_STATES,
    stateOf,
    textOf: (row) => `${row.hostname} ${row.queues.join(" ")}`,
    isStale: (row) => row.silent_since !== null || context.isStale(row.source),
  });
