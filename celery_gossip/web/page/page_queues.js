// Page of all queues, and the columns of the busiest queues on the overview.

import { SHARED_SLOTS, countColumn, failureRateColumn, linkCell, rateSparklineColumn, slotColumn, stateColumn, timingColumn } from "./column.js";
import { ageRange } from "./format.js";
import { listPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { QUEUE_STATES, queueState } from "./state.js";

/** @param {Row.Queue} row */
const hrefOf = (row) => subjectHref("queues", row.source, row.name);
/** @param {Row.Queue} row */
const busyOf = (row) => row.slots - row.free_slots;
/** @param {Row.Queue} row */
const slotsOf = (row) => row.slots;

/** @type {Page.Column<Row.Queue>} */
const name = { id: "name", label: "Queue", sortKey: (row) => row.name, makeCell: linkCell((row) => row.name, hrefOf, queueState) };
const state = stateColumn(queueState, QUEUE_STATES, { width: 138 });
/** @param {number} priority */
const busy = (priority) => slotColumn(busyOf, slotsOf, { priority, hint: SHARED_SLOTS });
/** @type {Page.Column<Row.Queue>} */
const backlog = countColumn("backlog", "Backlog", { width: 88, hint: "Messages waiting on the broker" });

/** @type {Page.Column<Row.Queue>[]} */
const COLUMNS = [
  name,
  state,
  busy(3),
  countColumn("active", "Running", { width: 84, priority: 6 }),
  countColumn("reserved", "Reserved", { width: 88, priority: 5, hint: "Received by workers, waiting for a slot" }),
  countColumn("scheduled", "Scheduled", { width: 94, priority: 6, hint: "Held by workers until their ETA" }),
  backlog,
  countColumn("oldest_age_min", "Oldest", { width: 128, priority: 3, hint: "How long the oldest message has waited: at least, and at most", text: (row) => ageRange(row.oldest_age_min, row.oldest_age_max) }),
  rateSparklineColumn(),
  failureRateColumn(),
  timingColumn("runtime", "Run", { priority: 5 }),
  timingColumn("wait", "Wait", { priority: 4 }),
  countColumn("workers", "Workers", { width: 84, priority: 6 }),
];

/** @type {Partial<Page.Column<Row.Queue>>} */
const load = { width: 76, hint: "Running and waiting tasks per slot; above 1, tasks wait", text: (row) => row.load.toFixed(2) };

/** Options for a Table. @type {Pick<Page.TableOptions<Row.Queue>, "columns" | "defaultSort" | "href">} */
export const BUSIEST = {
  columns: [name, state, countColumn("load", "Load", load), busy(3), backlog, rateSparklineColumn({ priority: 2 }), failureRateColumn(), timingColumn("wait", "Wait", { priority: 3 })],
  defaultSort: "-load",
  href: hrefOf,
};

/** @param {Page.Context} context */
export const queuesPage = (context) =>
  listPage(context, {
    title: "Queues",
    topic: "queues",
    noun: "queue",
    nothing: "No queue is known yet. A queue appears when a reporting worker consumes it.",
    columns: COLUMNS,
    defaultSort: "name",
    href: hrefOf,
    states: QUEUE_STATES,
    stateOf: queueState,
    textOf: (row) => row.name,
  });
