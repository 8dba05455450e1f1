// Page of one queue: figures, charts, its workers, running tasks, and controls.

import { LAST_MINUTE, SHARED_SLOTS, stateColumn } from "./column.js";
import { checkControl, queueControl } from "./control.js";
import { fromRow } from "./dom.js";
import { ageRange, count, duration, percent, plural, rate } from "./format.js";
import { slotBar } from "./sparkline.js";
import { WORKER_STATES, queueState, stateLabel } from "./state.js";
import { checksSection, runsSection, subjectPage } from "./subject_page.js";

/** @type {Page.Stat<Row.Queue>[]} */
const STATS = [
  { label: "Backlog", hint: "Messages waiting on the broker", text: (row) => count(row.backlog), note: (row) => (row.backlog ? `oldest ${ageRange(row.oldest_age_min, row.oldest_age_max)}` : `load ${row.load.toFixed(2)}`) },
  { label: "Busy slots", hint: SHARED_SLOTS, makeValue: fromRow(slotBar, (row) => [row.slots - row.free_slots, row.slots]), note: (row) => `${count(row.free_slots)} free` },
  { label: "Running", text: (row) => count(row.active), note: (row) => `on ${plural(row.workers, "worker")}` },
  { label: "Reserved", text: (row) => count(row.reserved), note: (row) => `${count(row.scheduled)} scheduled` },
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: () => LAST_MINUTE },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => LAST_MINUTE },
  { label: "Wait p95", text: (row) => duration(row.wait.p95), note: (row) => `p50 ${duration(row.wait.p50)}` },
  { label: "Run p95", text: (row) => duration(row.runtime.p95), note: (row) => `p50 ${duration(row.runtime.p50)}` },
];

/** Returns the state of the worker, or "paused" if an online worker has paused this queue. @param {Row.Check} check */
const checkState = (check) => (check.is_paused && check.state === "online" ? "paused" : check.state);

/** @param {Page.Context} context @param {Page.SubjectRoute} route */
export function queuePage(context, route) {
  const topic = `queue:${route.source}/${route.name}`;
  const checks = {
    field: /** @type {const} */ ("hostname"),
    title: "Workers",
    empty: "No worker serves this queue.",
    state: stateColumn(checkState, ["online", "paused", ...WORKER_STATES.slice(1)]),
    stateOf: checkState,
    control: checkControl(context),
  };
  return subjectPage(context, route, {
    kind: "queue",
    list: "Queues",
    stats: STATS,
    label: fromRow(stateLabel, (row) => [queueState(row)])(),
    control: queueControl(context),
    sections: [checksSection(context, topic, checks), runsSection(context, topic, ["name", "hostname"])],
  });
}
