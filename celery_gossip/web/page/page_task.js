// The page of one task, by its name: what became of it in the latest minute, why it failed, and its charts.

import { IN_A_MINUTE } from "./column.js";
import { h, named, rename, setText, show } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { failuresOf } from "./page_tasks.js";
import { track } from "./spark.js";
import { subjectPage } from "./subject_page.js";

const MOST = 12; // exceptions that have a bar

const spread = ({ p50, p99 }) => `p50 ${duration(p50)} · p99 ${duration(p99)}`;

const FACTS = [
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: () => IN_A_MINUTE },
  { label: "Received", text: (row) => count(row.received), note: () => IN_A_MINUTE },
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
  const lines = [];
  const update = (row) => {
    const kinds = failuresOf(row);
    const shown = kinds.slice(0, MOST);
    while (lines.length < shown.length) lines.push(failureLine());
    while (lines.length > shown.length) lines.pop().element.remove();
    shown.forEach(([kind, failed], at) => lines[at].update(kind, failed, { most: kinds[0][1], all: row.failed }));
    if (list.children.length < lines.length) list.replaceChildren(...lines.map((line) => line.element));
    show(none, kinds.length === 0 || kinds.length > MOST);
    setText(none, kinds.length ? `and ${count(kinds.length - MOST)} more` : `None ${IN_A_MINUTE}.`);
  };
  return { element, update };
}

function failureLine() {
  const [name, figure, line] = [named(), h("span", { class: "figure" }), track()];
  const element = h("li", {}, name, figure, line.element);
  const update = (kind, failed, { most, all }) => {
    rename(name, kind);
    setText(figure, `${count(failed)} · ${percent(all > 0 ? failed / all : null)}`);
    line.update(failed / most);
  };
  return { element, update };
}

export const taskPage = (context, route) =>
  subjectPage(context, route, { kind: "task", list: "Tasks", factList: FACTS, before: failureBars() });
