// The page of one queue: its figures and charts, its workers, the tasks that run, and how to pause it.

import { below, state } from "./column.js";
import { checkControl, queueControl } from "./control.js";
import { count, duration, percent, plural, rate } from "./format.js";
import { queueState, stateLabel, WORKER_STATES } from "./state.js";
import { bar } from "./spark.js";
import { CHECK_FIGURES, consumingSince, other, otherHref, runsSection, subjectPage, tableSection } from "./subject_page.js";

const slotsFact = () => {
  const { element, update } = bar();
  return { nodes: element, update: (row) => update(row.slots - row.free_slots, row.slots) };
};

const FACTS = [
  { label: "Backlog", hint: "Messages that wait on the broker", text: (row) => count(row.backlog), note: (row) => `load ${row.load.toFixed(2)}` },
  { label: "Busy slots", hint: "Of its workers, who serve other queues, too", paint: slotsFact, note: (row) => `${count(row.free_slots)} free` },
  { label: "Running", text: (row) => count(row.active), note: (row) => `on ${plural(row.workers, "worker")}` },
  { label: "Reserved", text: (row) => count(row.reserved), note: (row) => `${count(row.scheduled)} scheduled` },
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: () => "in the latest minute" },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => "in the latest minute" },
  { label: "Wait p95", text: (row) => duration(row.wait.p95), note: (row) => `p50 ${duration(row.wait.p50)}` },
  { label: "Run p95", text: (row) => duration(row.runtime.p95), note: (row) => `p50 ${duration(row.runtime.p50)}` },
];

/** Of a check: the worker's state, or that it has paused this queue. */
const checkState = (check) => (check.is_paused && check.state === "online" ? "paused" : check.state);
const CHECK_STATES = [...WORKER_STATES.slice(0, 1), "paused", ...WORKER_STATES.slice(1)];

export function queuePage(context, route) {
  const topic = `queue:${route.source}/${route.name}`;
  const label = stateLabel();
  const isControlled = context.config().may_control;
  const columns = [
    other("hostname", { below: below(checkState) }),
    state(checkState, CHECK_STATES, { priority: 2, width: 104 }),
    ...CHECK_FIGURES,
    consumingSince(context),
    ...(isControlled ? [checkControl(context)] : []),
  ];
  const workers = tableSection(context, {
    title: "Workers",
    topic,
    table: "checks",
    columns,
    defaultSort: "hostname",
    empty: "No worker serves this queue.",
    href: otherHref("hostname"),
  });
  return subjectPage(context, route, {
    kind: "queue",
    listTitle: "Queues",
    label: { element: label.element, update: (row) => label.update(queueState(row)) },
    control: isControlled ? queueControl(context) : null,
    factList: FACTS,
    sections: [workers, runsSection(context, topic, "hostname")],
  });
}
