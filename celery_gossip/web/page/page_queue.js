// The page of one queue: its figures and charts, its workers, the tasks that run, and how to pause it.

import { IN_A_MINUTE, OF_ITS_WORKERS, state } from "./column.js";
import { checkControl, queueControl } from "./control.js";
import { painted } from "./dom.js";
import { count, duration, percent, plural, rate } from "./format.js";
import { slotBar } from "./spark.js";
import { WORKER_STATES, queueState, stateLabel } from "./state.js";
import { checksSection, runsSection, subjectPage } from "./subject_page.js";

const FACTS = [
  { label: "Backlog", hint: "Messages that wait on the broker", text: (row) => count(row.backlog), note: (row) => `load ${row.load.toFixed(2)}` },
  { label: "Busy slots", hint: OF_ITS_WORKERS, paint: painted(slotBar, (row) => [row.slots - row.free_slots, row.slots]), note: (row) => `${count(row.free_slots)} free` },
  { label: "Running", text: (row) => count(row.active), note: (row) => `on ${plural(row.workers, "worker")}` },
  { label: "Reserved", text: (row) => count(row.reserved), note: (row) => `${count(row.scheduled)} scheduled` },
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: () => IN_A_MINUTE },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => IN_A_MINUTE },
  { label: "Wait p95", text: (row) => duration(row.wait.p95), note: (row) => `p50 ${duration(row.wait.p50)}` },
  { label: "Run p95", text: (row) => duration(row.runtime.p95), note: (row) => `p50 ${duration(row.runtime.p50)}` },
];

/** Of a check: the worker's state, or that it has paused this queue. */
const checkState = (check) => (check.is_paused && check.state === "online" ? "paused" : check.state);

export function queuePage(context, route) {
  const topic = `queue:${route.source}/${route.name}`;
  const isControlled = context.config().may_control;
  const checks = {
    field: "hostname",
    title: "Workers",
    empty: "No worker serves this queue.",
    state: state(checkState, ["online", "paused", ...WORKER_STATES.slice(1)]),
    stateOf: checkState,
    control: isControlled && checkControl(context),
  };
  return subjectPage(context, route, {
    kind: "queue",
    list: "Queues",
    factList: FACTS,
    label: painted(stateLabel, (row) => [queueState(row)])(),
    control: isControlled && queueControl(context),
    sections: [checksSection(context, topic, checks), runsSection(context, topic, "hostname")],
  });
}
