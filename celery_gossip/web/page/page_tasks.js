// The page of all tasks by name.

import { IN_A_MINUTE, failureShare, figure, link, pace, timing } from "./column.js";
import { nameLabel, painted } from "./dom.js";
import { count } from "./format.js";
import { listPage } from "./list_page.js";
import { subjectHref } from "./router.js";

const NAMED = 3; // kinds of failures that are named in a cell

const hrefOf = (row) => subjectHref("tasks", row.source, row.name);

/** `[[exception, failed]]`, most first. Pure. */
export const failuresOf = (task) => Object.entries(task.failures).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));

function failureWords(task) {
  const kinds = failuresOf(task);
  const told = kinds.slice(0, NAMED).map(([kind, failed]) => `${kind} ${count(failed)}`);
  return told.join(", ") + (kinds.length > NAMED ? ` and ${kinds.length - NAMED} more` : "");
}

const minute = (id, label, width, priority) => figure(id, label, { width, priority, hint: IN_A_MINUTE });

const COLUMNS = [
  { id: "name", label: "Task", by: (row) => row.name, paint: link((row) => row.name, hrefOf) },
  pace(),
  minute("received", "Received", 88, 4),
  minute("succeeded", "Succeeded", 100, 3),
  minute("failed", "Failures", 84, 2),
  minute("retried", "Retried", 80, 3),
  failureShare(),
  {
    id: "failures",
    label: "Failures by exception",
    width: 250,
    priority: 4,
    isDescending: true,
    by: (row) => Object.keys(row.failures).length,
    paint: painted(nameLabel, (row) => [failureWords(row)]),
  },
  timing("runtime", "Run", { priority: 2 }),
  timing("wait", "Wait", { priority: 3 }),
];

export const tasksPage = (context) =>
  listPage(context, {
    title: "Tasks",
    topic: "tasks",
    noun: "task",
    nothing: "No task has been heard of in the latest minute.",
    columns: COLUMNS,
    defaultSort: "-rate",
    href: hrefOf,
    textOf: (row) => `${row.name} ${Object.keys(row.failures).join(" ")}`,
  });
