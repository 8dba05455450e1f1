// The page of all queues, and the columns that the overview shows of them, too.

import { below, failureShare, figure, paceLine, slots, state, timing } from "./column.js";
import { ListPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { QUEUE_STATES, queueState } from "./state.js";
import { linkCell } from "./table.js";

export const queueHref = (row) => subjectHref("queues", row.source, row.name);

const name = {
  id: "name",
  label: "Queue",
  class: "wide",
  by: (row) => row.name,
  paint: linkCell((row) => row.name, queueHref, below(queueState)),
};
export const busySlots = (options = {}) =>
  slots(
    (row) => row.slots - row.free_slots,
    (row) => row.slots,
    { hint: "Of its workers, who serve other queues, too", ...options },
  );
const backlog = figure("backlog", "Backlog", { width: 84, hint: "Messages that wait on the broker" });

export const QUEUE_COLUMNS = [
  name,
  state(queueState, QUEUE_STATES, { priority: 2, width: 136 }),
  busySlots({ priority: 2 }),
  figure("active", "Running", { width: 80, priority: 4 }),
  figure("reserved", "Reserved", { width: 84, priority: 4, hint: "Taken by workers, waiting for a slot" }),
  figure("scheduled", "Scheduled", { width: 90, priority: 5, hint: "Held by workers until their time has come" }),
  backlog,
  paceLine(),
  failureShare(),
  timing("runtime", "Run p50 · p95", { width: 136, priority: 3 }),
  timing("wait", "Wait p50 · p95", { width: 136, priority: 3 }),
  figure("workers", "Workers", { width: 78, priority: 5 }),
];

export const BUSIEST_COLUMNS = [
  name,
  state(queueState, QUEUE_STATES, { priority: 2, width: 136 }),
  figure("load", "Load", { width: 72, hint: "Tasks that run or wait, per slot: above 1 there is more to do than slots" }),
  busySlots({ priority: 3 }),
  backlog,
  paceLine({ priority: 2 }),
  failureShare(),
  timing("wait", "Wait p50 · p95", { width: 136, priority: 3 }),
].map((column) => (column.id === "load" ? { ...column, text: (row) => row.load.toFixed(2) } : column));

export function queuesPage(context) {
  return new ListPage(context, {
    title: "Queues",
    topic: "queues",
    noun: "queue",
    nothing: "No queue is known yet: it appears when a worker that gossips consumes it.",
    columns: QUEUE_COLUMNS,
    defaultSort: "name",
    href: queueHref,
    states: QUEUE_STATES,
    stateOf: queueState,
    textOf: (row) => row.name,
  });
}
