// The page of all queues, and the columns that the overview shows of the busiest.

import { OF_ITS_WORKERS, failureShare, figure, link, paceWithLine, slots, state, timing } from "./column.js";
import { listPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { QUEUE_STATES, queueState } from "./state.js";

const hrefOf = (row) => subjectHref("queues", row.source, row.name);
const busyOf = (row) => row.slots - row.free_slots;
const slotsOf = (row) => row.slots;

const name = { id: "name", label: "Queue", by: (row) => row.name, paint: link((row) => row.name, hrefOf, queueState) };
const how = state(queueState, QUEUE_STATES, { width: 138 });
const busy = (priority) => slots(busyOf, slotsOf, { priority, hint: OF_ITS_WORKERS });
const backlog = figure("backlog", "Backlog", { width: 88, hint: "Messages that wait on the broker" });

const COLUMNS = [
  name,
  how,
  busy(2),
  figure("active", "Running", { width: 84, priority: 4 }),
  figure("reserved", "Reserved", { width: 88, priority: 4, hint: "Taken by workers, waiting for a slot" }),
  figure("scheduled", "Scheduled", { width: 94, priority: 5, hint: "Held by workers until their time has come" }),
  backlog,
  paceWithLine(),
  failureShare(),
  timing("runtime", "Run", { priority: 3 }),
  timing("wait", "Wait", { priority: 3 }),
  figure("workers", "Workers", { width: 84, priority: 5 }),
];

const load = { width: 76, hint: "Tasks that run or wait, per slot: above 1 there is more to do than slots", text: (row) => row.load.toFixed(2) };

/** Options of a Table. */
export const BUSIEST = {
  columns: [name, how, figure("load", "Load", load), busy(3), backlog, paceWithLine({ priority: 2 }), failureShare(), timing("wait", "Wait", { priority: 3 })],
  defaultSort: "-load",
  href: hrefOf,
};

export const queuesPage = (context) =>
  listPage(context, {
    title: "Queues",
    topic: "queues",
    noun: "queue",
    nothing: "No queue is known yet: it appears when a worker that gossips consumes it.",
    columns: COLUMNS,
    defaultSort: "name",
    href: hrefOf,
    states: QUEUE_STATES,
    stateOf: queueState,
    textOf: (row) => row.name,
  });
