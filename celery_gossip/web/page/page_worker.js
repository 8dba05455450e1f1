// The page of one worker: how it is and why, its pool, its queues, the tasks that run, and how to grow it.

import { IN_A_MINUTE, lag, state } from "./column.js";
import { checkControl, poolControl } from "./control.js";
import { h, painted, setText, show } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { slotBar } from "./spark.js";
import { stateLabel } from "./state.js";
import { checksSection, runsSection, subjectPage } from "./subject_page.js";
import { ageLabel } from "./ticker.js";

const signed = (row) => ({ true: "signed", false: "not signed" })[row.is_verified] ?? "unknown";

const FACTS = [
  { label: "Busy slots", paint: painted(slotBar, (row) => [row.active, row.concurrency]), note: (row) => `pool ${row.pool}` },
  { label: "Reserved", text: (row) => count(row.reserved), note: (row) => `${count(row.scheduled)} scheduled` },
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: (row) => `${count(row.processed)} since boot` },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => IN_A_MINUTE },
  {
    label: "Loop lag",
    hint: "How late its event loop ticked",
    text: lag,
    note: (row) => `speaks every ${duration(row.interval)}`,
  },
  {
    label: "Booted",
    isWide: true,
    paint: painted(ageLabel, (row) => [row.booted_at, { after: " ago", none: "before this server" }]),
    note: (row) => `boot ${row.boot}`,
  },
  { label: "Restarts", hint: "Boots seen under this name but the first", text: (row) => count(row.restarts), note: () => "seen by this server" },
  { label: "Gossip", text: signed, note: (row) => (row.is_verified === null ? "no secret to tell by" : "by the shared secret") },
];

/** The worker's state, since when, and why. */
function condition() {
  const [label, since, silent] = [stateLabel(), ageLabel(), ageLabel()];
  const reason = h("span", { class: "reason" });
  const element = h("div", { class: "condition" }, label.element, since.element, silent.element, reason);
  const update = (row) => {
    label.update(row.state);
    since.update(row.state_since, { before: "for " });
    silent.update(row.silent_since, { before: "· last heard ", after: " ago" });
    show(silent.element, row.silent_since !== null);
    setText(reason, row.reason);
  };
  return { element, update };
}

const checkState = (check) => (check.is_paused ? "paused" : "running");

export function workerPage(context, route) {
  const topic = `worker:${route.source}/${route.name}`;
  const isControlled = context.config().may_control;
  const checks = {
    field: "queue",
    title: "Queues",
    empty: "It consumes no queue.",
    state: state(checkState, ["running", "paused"]),
    stateOf: checkState,
    control: isControlled && checkControl(context),
  };
  return subjectPage(context, route, {
    kind: "worker",
    list: "Workers",
    factList: FACTS,
    label: condition(),
    control: isControlled && poolControl(context),
    sections: [checksSection(context, topic, checks), runsSection(context, topic, "queue")],
  });
}
