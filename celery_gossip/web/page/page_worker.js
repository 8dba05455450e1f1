// Page of one worker: its state with the reason, what blocks it, its pool, its queues, running tasks, and controls.

import { LAST_MINUTE, lagText, stateColumn } from "./column.js";
import { checkControl, workerControl } from "./control.js";
import { fromRow, h, setText, show } from "./dom.js";
import { bytes, count, duration, percent, rate } from "./format.js";
import { printable } from "./printable.js";
import { slotBar, sparkline } from "./sparkline.js";
import { stateLabel } from "./state.js";
import { checksSection, runsSection, subjectPage } from "./subject_page.js";
import { ageLabel } from "./ticker.js";

/** @param {Row.Worker} row */
const signatureText = ({ is_verified }) => (is_verified === null ? "not checked" : is_verified ? "verified" : "not signed");

/** @param {Row.Worker} row */
const memoryNote = ({ resources }) => {
  if (!resources) return "not reported";
  return resources.memory_limit === null ? `main process ${bytes(resources.rss)}` : `of ${bytes(resources.memory_limit)}`;
};

/** @param {Row.Worker} row */
const processNote = ({ resources }) => {
  const of = resources?.processes;
  return of ? `${count(of.lost)} lost, ${count(of.recycled)} recycled` : "not reported";
};

/** Shows the memory as text and over the last reports. */
function memoryValue() {
  const [text, chart] = [h("span"), sparkline()];
  /** @param {Row.Worker} row */
  const update = ({ resources, memory_spark }) => {
    const { memory_used = null, rss = null, children_rss = null } = resources ?? {};
    setText(text, bytes(memory_used ?? (rss === null ? null : rss + (children_rss ?? 0))));
    chart.update(memory_spark);
  };
  return { element: h("span", { class: "bar" }, chart.element, text), update };
}

/** @type {Page.Stat<Row.Worker>[]} */
const STATS = [
  { label: "Busy slots", makeValue: fromRow(slotBar, (row) => [row.active, row.concurrency]), note: (row) => `pool ${row.pool}` },
  { label: "Reserved", text: (row) => count(row.reserved), note: (row) => `${count(row.scheduled)} scheduled` },
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: (row) => `${count(row.processed)} since start` },
  { label: "Failed", text: (row) => percent(row.failure_rate), note: () => LAST_MINUTE },
  {
    label: "Loop lag",
    hint: "Delay of its event loop",
    text: lagText,
    note: (row) => `reports every ${duration(row.interval)}`,
  },
  {
    label: "Started",
    isWide: true,
    makeValue: fromRow(ageLabel, (row) => [row.booted_at, { after: " ago", none: "before this server" }]),
    note: (row) => `instance ${row.boot}`,
  },
  { label: "Restarts", hint: "Instances seen under this name after the first one", text: (row) => count(row.restarts), note: () => "seen by this server" },
  {
    label: "Release",
    isWide: true,
    text: ({ release }) => printable(release) || "unknown",
    note: ({ software: one }) => (one ? printable(`Celery ${one.celery}, Kombu ${one.kombu}, Python ${one.python}, ${count(one.tasks)} tasks`) : ""),
  },
  { label: "Memory", hint: "Counts towards the limit of its container, or resident", isWide: true, makeValue: memoryValue, note: memoryNote },
  { label: "CPU time", text: (row) => duration(row.resources?.cpu_seconds), note: () => "since its start" },
  { label: "Processes", text: (row) => count(row.resources?.processes?.alive), note: processNote },
  { label: "Signature", hint: "Of its reports", text: signatureText, note: (row) => (row.is_verified === null ? "no secret set" : "shared secret") },
];

/** Shows the worker's state, its duration and its reason. */
function condition() {
  const [label, since, lastReport] = [stateLabel(), ageLabel(), ageLabel()];
  const reason = h("span", { class: "reason" });
  const element = h("div", { class: "condition" }, label.element, since.element, lastReport.element, reason);
  /** @param {Row.Worker} row */
  const update = (row) => {
    label.update(row.state);
    since.update(row.state_since, { before: "for " });
    lastReport.update(row.silent_since, { before: "· last report ", after: " ago" });
    show(lastReport.element, row.silent_since !== null);
    setText(reason, row.reason);
  };
  return { element, update };
}

/** Shows what the main process of a stalled worker is doing. */
function stackPanel() {
  const list = h("ol", { class: "frames" });
  const note = h("p", { class: "quiet" }, "module:function:line of its main process, innermost call first");
  const element = h("section", { class: "panel" }, h("div", { class: "section-head" }, h("h2", {}, "Blocked in")), note, list);
  let shown = "";
  /** @param {Row.Worker} row */
  const update = ({ stack }) => {
    show(element, stack.length > 0);
    if (shown === stack.join("\n")) return;
    shown = stack.join("\n");
    list.replaceChildren(...stack.map((frame) => h("li", {}, h("code", {}, printable(frame)))));
  };
  return { element, update };
}

/** Lists the settings with which the worker runs. */
function settingsSection() {
  const list = h("ul", { class: "frames" });
  const element = h("section", { class: "panel" }, h("div", { class: "section-head" }, h("h2", {}, "Settings in force")), list);
  let shown = "";
  /** @param {Row.Worker} row */
  const update = ({ software }) => {
    const lines = Object.entries(software?.settings ?? {}).map(([name, value]) => `${name} = ${value}`);
    show(element, lines.length > 0);
    if (shown === lines.join("\n")) return;
    shown = lines.join("\n");
    list.replaceChildren(...lines.map((line) => h("li", {}, h("code", {}, printable(line)))));
  };
  return { element, update };
}

/** @param {Row.Check} check */
const checkState = (check) => (check.is_paused ? "paused" : "running");

/** @param {Page.Context} context @param {Page.SubjectRoute} route */
export function workerPage(context, route) {
  const topic = `worker:${route.source}/${route.name}`;
  const checks = {
    field: /** @type {const} */ ("queue"),
    title: "Queues",
    empty: "This worker consumes no queue.",
    state: stateColumn(checkState, ["running", "paused"]),
    stateOf: checkState,
    control: checkControl(context),
  };
  return subjectPage(context, route, {
    kind: "worker",
    list: "Workers",
    stats: STATS,
    label: condition(),
    before: stackPanel(),
    control: workerControl(context),
    sections: [checksSection(context, topic, checks), runsSection(context, topic, ["name", "queue"]), settingsSection()],
  });
}
