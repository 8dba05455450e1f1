// The page of one task, by its name: what became of it in the latest minute, why it failed, and its charts.

import { h, named, rename, setText, show } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { failuresOf } from "./page_tasks.js";
import { subjectPage } from "./subject_page.js";

const MOST = 12; // exceptions that have a bar

const FACTS = [
  { label: "Done", text: (row) => `${rate(row.per_second)}/s`, note: () => "in the latest minute" },
  { label: "Received", text: (row) => count(row.received), note: () => "in the latest minute" },
  { label: "Succeeded", text: (row) => count(row.succeeded), note: (row) => `${count(row.retried)} retried` },
  { label: "Failed", text: (row) => count(row.failed), note: (row) => percent(row.failure_rate) },
  { label: "Revoked", text: (row) => count(row.revoked), note: (row) => `${count(row.rejected)} rejected` },
  { label: "Wait p95", text: (row) => duration(row.wait.p95), note: (row) => `p50 ${duration(row.wait.p50)} · p99 ${duration(row.wait.p99)}` },
  { label: "Run p95", text: (row) => duration(row.runtime.p95), note: (row) => `p50 ${duration(row.runtime.p50)} · p99 ${duration(row.runtime.p99)}` },
];

function failureBars() {
  const list = h("ul", { class: "failures" });
  const none = h("p", { class: "quiet" }, "None in the latest minute.");
  const more = h("p", { class: "quiet" });
  const element = h("section", { class: "panel" }, h("div", { class: "section-head" }, h("h2", {}, "Failures by exception")), list, none, more);
  const lines = [];
  const update = (row) => {
    const kinds = failuresOf(row);
    const shown = kinds.slice(0, MOST);
    while (lines.length < shown.length) lines.push(failureLine(list));
    while (lines.length > shown.length) lines.pop().element.remove();
    shown.forEach(([kind, failed], at) => lines[at].update(kind, failed, kinds[0][1], row.failed));
    show(none, kinds.length === 0);
    show(more, kinds.length > MOST);
    setText(more, `and ${count(kinds.length - MOST)} more kinds`);
  };
  return { element, update };
}

function failureLine(list) {
  const [name, figure, fill] = [named(""), h("span", { class: "figure" }), h("span", { class: "fill" })];
  const element = h("li", {}, name, figure, h("span", { class: "track", "aria-hidden": "true" }, fill));
  list.append(element);
  const update = (kind, failed, most, all) => {
    rename(name, kind);
    setText(figure, `${count(failed)} · ${percent(all > 0 ? failed / all : null)}`);
    fill.style.width = `${Math.round((failed / most) * 100)}%`;
  };
  return { element, update };
}

export function taskPage(context, route) {
  return subjectPage(context, route, { kind: "task", listTitle: "Tasks", factList: FACTS, before: [failureBars()] });
}
