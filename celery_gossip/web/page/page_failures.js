// Page of the last failures, grouped by task, exception and code line.

import { countColumn, linkCell } from "./column.js";
import { fromRow, h, nameElement, nameLabel, setName, setText } from "./dom.js";
import { count, plural } from "./format.js";
import { listPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { sparkline } from "./sparkline.js";
import { ageLabel } from "./ticker.js";

/** @param {Row.FailureGroup} row */
const hrefOf = (row) => subjectHref("failures", row.source, row.key);

/** Returns what the list leaves out, in a sentence; empty if that is nothing. Pure. @param {Iterable<Pick<Row.FailureTotals, "displaced" | "unlisted">>} totals */
export function incompleteText(totals) {
  let [displaced, unlisted] = [0, 0];
  for (const one of totals) [displaced, unlisted] = [displaced + one.displaced, unlisted + one.unlisted];
  const parts = [
    displaced && `${plural(displaced, "older failure")} dropped for newer ones`,
    unlisted && `at least ${plural(unlisted, "failure")} in no report, because they came too fast or reports were lost`,
  ];
  const text = parts.filter(Boolean).join("; ");
  return text && `Not listed: ${text}. The counts on the pages of tasks are complete.`;
}

/** The sparkline shows the last hour. */
function trend() {
  const line = sparkline();
  const text = h("span");
  const element = h("span", { class: "rate" }, line.element, text);
  /** @param {Row.FailureGroup} row */
  const update = (row) => {
    line.update(row.trend);
    setText(text, count(row.last_hour));
  };
  return { element, update };
}

/** Shows the exception below the task where its own column is hidden. */
function taskCell() {
  const task = linkCell((/** @type {Row.FailureGroup} */ row) => row.task || "–", hrefOf)();
  const exception = nameElement();
  task.element.append(h("span", { class: "below narrow-only" }, exception));
  /** @param {Row.FailureGroup} row */
  const update = (row) => {
    task.update(row);
    setName(exception, row.exception);
  };
  return { element: task.element, update };
}

/** @type {Page.Column<Row.FailureGroup>[]} */
const COLUMNS = [
  { id: "task", label: "Task", sortKey: (row) => row.task, makeCell: taskCell },
  { id: "exception", label: "Exception", width: 190, priority: 2, sortKey: (row) => row.exception, makeCell: fromRow(nameLabel, (row) => [row.exception]) },
  { id: "cause", label: "Message, or code line", width: 380, priority: 3, makeCell: fromRow(nameLabel, (row) => [row.message || row.line || "–"]) },
  countColumn("count", "Failures", { width: 84, isDescending: true, hint: "Of those that this server keeps" }),
  {
    id: "trend",
    label: "Last hour",
    width: 140,
    priority: 3,
    isNumber: true,
    isDescending: true,
    sortKey: (row) => row.last_hour,
    makeCell: trend,
  },
  { id: "first", label: "First", width: 118, priority: 4, isNumber: true, sortKey: (row) => -row.first_at, makeCell: fromRow(ageLabel, (row) => [row.first_at, { after: " ago" }]) },
  { id: "last", label: "Last", width: 104, isNumber: true, sortKey: (row) => -row.last_at, makeCell: fromRow(ageLabel, (row) => [row.last_at, { after: " ago" }]) },
];

/** @param {Page.Context} context @returns {Page.Mounted} */
export function failuresPage(context) {
  const page = listPage(context, {
    title: "Failures",
    topic: "failures",
    noun: "group",
    nothing: "No task has failed since this server began to listen.",
    columns: COLUMNS,
    defaultSort: "last",
    href: hrefOf,
    textOf: (row) => [row.task, row.exception, row.line, row.message ?? "", ...row.queues, ...row.hostnames].join(" "),
  });
  const note = h("p", { class: "quiet" });
  page.element.append(note);
  const update = () => {
    page.update();
    setText(note, incompleteText(context.store.rows("failures", "failure_totals").values()));
  };
  return { ...page, update };
}
