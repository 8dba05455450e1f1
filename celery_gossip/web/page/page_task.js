// Page of one task name: running tasks, outcomes of the last minute, failures by exception, and charts.

import { LAST_MINUTE } from "./column.js";
import { taskControl } from "./control.js";
import { h, nameElement, setName, setText, show } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { failuresOf } from "./page_tasks.js";
import { track } from "./sparkline.js";
import { runsSection, subjectPage } from "./subject_page.js";

const MAX_BARS = 12; // exceptions

/** @param {Row.Timing} timing */
const spread = ({ p50, p99 }) => `p50 ${duration(p50)} · p99 ${duration(p99)}`;

/** @type {Page.Stat<Row.Task>[]} */
const STATS = [
  { label: "Running", text: (row) => count(row.running), note: () => "as far as workers list their tasks" },
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: () => LAST_MINUTE },
  { label: "Received", text: (row) => count(row.received), note: () => LAST_MINUTE },
  { label: "Succeeded", text: (row) => count(row.succeeded), note: (row) => `${count(row.retried)} retried` },
  { label: "Failed", text: (row) => count(row.failed), note: (row) => percent(row.failure_rate) },
  { label: "Revoked", text: (row) => count(row.revoked), note: (row) => `${count(row.rejected)} rejected` },
  { label: "Wait p95", text: (row) => duration(row.wait.p95), note: (row) => spread(row.wait) },
  { label: "Run p95", text: (row) => duration(row.runtime.p95), note: (row) => spread(row.runtime) },
];

function failureBars() {
  const list = h("ul", { class: "failures" });
  const none = h("p", { class: "quiet" });
  const head = h("div", { class: "section-head" }, h("h2", {}, "Failures by exception"));
  const element = h("section", { class: "panel" }, head, list, none);
  /** @type {ReturnType<typeof failureLine>[]} */
  const lines = [];
  /** @param {Row.Task} row */
  const update = (row) => {
    const kinds = failuresOf(row);
    const shown = kinds.slice(0, MAX_BARS);
    while (lines.length < shown.length) lines.push(failureLine());
    while (lines.length > shown.length) lines.pop()?.element.remove();
    shown.forEach(([kind, failed], at) => lines[at].update(kind, failed, row.failed));
    if (list.children.length < lines.length) list.replaceChildren(...lines.map((line) => line.element));
    show(none, kinds.length === 0 || kinds.length > MAX_BARS);
    setText(none, kinds.length ? `and ${count(kinds.length - MAX_BARS)} more` : `None ${LAST_MINUTE}.`);
  };
  return { element, update };
}

function failureLine() {
  const [name, figure, line] = [nameElement(), h("span", { class: "figure" }), track()];
  const element = h("li", {}, name, figure, line.element);
  /** `total`: the length of a full bar. @param {string} kind @param {number} failed @param {number} total */
  const update = (kind, failed, total) => {
    const share = total > 0 ? failed / total : null;
    setName(name, kind);
    setText(figure, `${count(failed)} · ${percent(share)}`);
    line.update(share ?? 0);
  };
  return { element, update };
}

/** @param {Page.Context} context @param {Page.SubjectRoute} route */
export const taskPage = (context, route) =>
  subjectPage(context, route, {
    kind: "task",
    list: "Tasks",
    stats: STATS,
    control: taskControl(context),
    before: failureBars(),
    sections: [runsSection(context, `task:${route.source}/${route.name}`, ["hostname", "queue"])],
  });
