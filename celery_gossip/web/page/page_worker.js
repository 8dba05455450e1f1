// Page of one worker: its state with the reason, what blocks it, its pool, its queues, running tasks, and controls.

import { LAST_MINUTE, lagText, stateColumn } from "./column.js";
import { checkControl, workerControl } from "./control.js";
import { fromRow, h, setText, show } from "./dom.js";
import { age, bytes, count, duration, percent, plural, rate } from "./format.js";
import { printable } from "./printable.js";
import { slotBar, sparkline } from "./sparkline.js";
import { isGone, stateLabel } from "./state.js";
import { checksSection, runsSection, subjectPage } from "./subject_page.js";
import { ageLabel } from "./ticker.js";
import { configurationSection, endingPanel, taskNamesSection } from "./worker_sections.js";

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

/** Shows the time since its start; of a worker that does not report it, since its first report. */
function uptime() {
  const { element, update } = ageLabel();
  return {
    element,
    /** @param {Row.Worker} row */
    update: ({ started_at, booted_at, state, silent_since: last }) => {
      const at = started_at ?? booted_at;
      const before = started_at === null ? "at least " : "";
      if (at !== null && last !== null && isGone({ state })) update(null, { none: `${before}${age(last - at)}, then ${state}` });
      else update(at, { before, none: "unknown" });
    },
  };
}

/** @param {Row.Worker} row */
function pausedNote({ paused, queues }) {
  if (paused.length === 0) return `of ${plural(queues.length, "queue")}`;
  const more = paused.length > 3 ? ` and ${count(paused.length - 3)} more` : "";
  return printable(paused.slice(0, 3).join(", ")) + more;
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
  { label: "Up for", hint: "Since the start of its program", isWide: true, makeValue: uptime, note: (row) => `instance ${row.boot}` },
  { label: "PID", hint: "Process id of its main process, on its machine or in its container", text: (row) => (row.pid === null ? "unknown" : String(row.pid)), note: ({ hostname }) => printable(hostname.split("@")[1] ?? hostname) },
  { label: "Paused queues", text: (row) => count(row.paused.length), note: pausedNote },
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
  { label: "Signature", hint: "Of its reports", isWide: true, text: signatureText, note: (row) => (row.is_verified === null ? "no secret set" : "shared secret") },
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

/** Puts one part above the other. @param {Page.Part<[Row.Worker]>[]} parts @returns {Page.Part<[Row.Worker]>} */
const above = (...parts) => ({
  element: h("div", { class: "page together" }, parts.map((part) => part.element)),
  update: (row) => parts.forEach((part) => part.update(row)),
  onRoute: (route) => parts.forEach((part) => part.onRoute?.(route)),
});

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
    before: above(stackPanel(), endingPanel(context, topic)),
    control: workerControl(context),
    sections: [checksSection(context, topic, checks), runsSection(context, topic, ["name", "queue"]), configurationSection(context), taskNamesSection(context, route.source)],
  });
}
