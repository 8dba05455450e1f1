// The page of one worker: how it is and why, its pool, its queues, the tasks that run, and how to grow it.

import { below, state } from "./column.js";
import { checkControl, poolControl } from "./control.js";
import { h, setText, show } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { stateLabel } from "./state.js";
import { bar } from "./spark.js";
import { CHECK_FIGURES, consumingSince, other, otherHref, runsSection, subjectPage, tableSection } from "./subject_page.js";
import { ageLabel } from "./ticker.js";

const slotsFact = () => {
  const { element, update } = bar();
  return { nodes: element, update: (row) => update(row.active, row.concurrency) };
};

const bootFact = (context) => () => {
  const { element, update } = ageLabel(() => context.store.now());
  return { nodes: element, update: (row) => update(row.booted_at, { after: " ago", none: "before this server" }) };
};

const SIGNED = new Map([
  [true, "signed"],
  [false, "not signed"],
  [null, "unknown"],
]);

const factList = (context) => [
  { label: "Busy slots", paint: slotsFact, note: (row) => `pool ${row.pool}` },
  { label: "Reserved", text: (row) => count(row.reserved), note: (row) => `${count(row.scheduled)} scheduled` },
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: (row) => `${count(row.processed)} since boot` },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => "in the latest minute" },
  {
    label: "Loop lag",
    hint: "How late its event loop ticked",
    text: (row) => duration(row.loop_lag),
    note: (row) => (row.stalled_for > 0 ? `stalled for ${duration(row.stalled_for)}` : `speaks every ${duration(row.interval)}`),
  },
  { label: "Booted", paint: bootFact(context), note: (row) => `boot ${row.boot}`, isWide: true },
  { label: "Restarts", hint: "Boots seen under this name but the first", text: (row) => count(row.restarts), note: () => "seen by this server" },
  { label: "Gossip", text: (row) => SIGNED.get(row.is_verified) ?? "unknown", note: (row) => (row.is_verified === null ? "no secret to tell by" : "checked by its secret") },
];

/** Symbol, word, since when, and in a line of its own why. */
function condition(context) {
  const label = stateLabel();
  const since = ageLabel(() => context.store.now());
  const silent = ageLabel(() => context.store.now());
  const reason = h("span", { class: "reason" });
  const element = h("div", { class: "condition" }, label.element, since.element, silent.element, reason);
  const update = (row) => {
    label.update(row.state);
    since.update(row.state_since, { before: "for " });
    silent.update(row.silent_since, { before: "· last heard ", after: " ago", none: "" });
    show(silent.element, row.silent_since !== null);
    setText(reason, row.reason);
  };
  return { element, update };
}

const consuming = (check) => (check.is_paused ? "paused" : "running");

export function workerPage(context, route) {
  const topic = `worker:${route.source}/${route.name}`;
  const isControlled = context.config().may_control;
  const columns = [
    other("queue", { below: below(consuming) }),
    state(consuming, ["running", "paused"], { priority: 2, width: 104 }),
    ...CHECK_FIGURES,
    consumingSince(context),
    ...(isControlled ? [checkControl(context)] : []),
  ];
  const queues = tableSection(context, {
    title: "Queues",
    topic,
    table: "checks",
    columns,
    defaultSort: "queue",
    empty: "It consumes no queue.",
    href: otherHref("queue"),
  });
  return subjectPage(context, route, {
    kind: "worker",
    listTitle: "Workers",
    label: condition(context),
    control: isControlled ? poolControl(context) : null,
    factList: factList(context),
    sections: [queues, runsSection(context, topic, "queue")],
  });
}
