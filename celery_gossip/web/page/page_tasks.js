// Page of all tasks by name.

import { LAST_MINUTE, countColumn, failureRateColumn, linkCell, rateColumn, timingColumn } from "./column.js";
import { fromRow, nameLabel } from "./dom.js";
import { count } from "./format.js";
import { listPage } from "./list_page.js";
import { subjectHref } from "./router.js";

const MAX_NAMED = 3; // exceptions named in a cell

/** @param {Row.Task} row */
const hrefOf = (row) => subjectHref("tasks", row.source, row.name);

/** Returns `[[exception, failed]]`, most failures first. Pure. @param {Pick<Row.Task, "failures">} task */
export const failuresOf = (task) => Object.entries(task.failures).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));

/** @param {Row.Task} task */
export function failureText(task) {
  const kinds = failuresOf(task);
  const named = kinds.slice(0, MAX_NAMED).map(([kind, failed]) => `${kind} ${count(failed)}`);
  return named.join(", ") + (kinds.length > MAX_NAMED ? ` and ${kinds.length - MAX_NAMED} more` : "");
}

/** @type {<K extends keyof Row.Task>(id: K, label: string, width: number, priority: number) => Page.Column<Record<K, number>>} */
const minuteCount = (id, label, width, priority) => countColumn(id, label, { width, priority, hint: LAST_MINUTE });

/** @type {Page.Column<Row.Task>[]} */
const COLUMNS = [
  { id: "name", label: "Task", sortKey: (row) => row.name, makeCell: linkCell((row) => row.name, hrefOf) },
  countColumn("running", "Running", { width: 82, priority: 2, hint: "As far as the workers list their running tasks" }),
  rateColumn(),
  minuteCount("received", "Received", 88, 4),
  minuteCount("succeeded", "Succeeded", 100, 3),
  minuteCount("failed", "Failures", 84, 2),
  minuteCount("retried", "Retried", 80, 3),
  failureRateColumn(),
  {
    id: "failures",
    label: "Failures by exception",
    width: 250,
    priority: 4,
    isDescending: true,
    sortKey: (row) => Object.keys(row.failures).length,
    makeCell: fromRow(nameLabel, (row) => [failureText(row)]),
  },
  timingColumn("runtime", "Run", { priority: 2 }),
  timingColumn("wait", "Wait", { priority: 3 }),
];

/** @param {Page.Context} context */
export const tasksPage = (context) =>
  listPage(context, {
    title: "Tasks",
    topic: "tasks",
    noun: "task",
    nothing: "No task runs or was counted in the last minute.",
    columns: COLUMNS,
    defaultSort: "-rate",
    href: hrefOf,
    textOf: (row) => `${row.name} ${Object.keys(row.failures).join(" ")}`,
  });
