// The page of all tasks by name.

import { failureShare, figure, pace, timing } from "./column.js";
import { h, rename } from "./dom.js";
import { count } from "./format.js";
import { ListPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { linkCell } from "./table.js";

const taskHref = (row) => subjectHref("tasks", row.source, row.name);

const IN_A_MINUTE = "In the latest minute";
const NAMED = 3; // kinds of failures that are named in a cell

/** `[[exception, failed]]`, most first. */
export const failuresOf = (task) => Object.entries(task.failures).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));

function failureWords(task) {
  const kinds = failuresOf(task);
  const named = kinds.slice(0, NAMED).map(([kind, failed]) => `${kind} ${count(failed)}`);
  const more = kinds.length - NAMED;
  return named.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

const COLUMNS = [
  { id: "name", label: "Task", class: "wide", by: (row) => row.name, paint: linkCell((row) => row.name, taskHref) },
  pace(),
  figure("received", "Received", { width: 88, priority: 4, hint: IN_A_MINUTE }),
  figure("succeeded", "Succeeded", { width: 98, priority: 3, hint: IN_A_MINUTE }),
  figure("failed", "Failures", { width: 84, priority: 2, hint: IN_A_MINUTE }),
  figure("retried", "Retried", { width: 80, priority: 3, hint: IN_A_MINUTE }),
  failureShare(),
  {
    id: "failures",
    label: "Failures by exception",
    width: 250,
    priority: 4,
    isDescending: true,
    by: (row) => Object.keys(row.failures).length,
    paint: () => {
      const element = h("bdi", { class: "name" });
      return { nodes: element, update: (row) => rename(element, failureWords(row)) };
    },
  },
  timing("runtime", "Run p50 · p95", { width: 136, priority: 2 }),
  timing("wait", "Wait p50 · p95", { width: 136, priority: 3 }),
];

export function tasksPage(context) {
  return new ListPage(context, {
    title: "Tasks",
    topic: "tasks",
    noun: "task",
    nothing: "No task has been heard of in the latest minute.",
    columns: COLUMNS,
    defaultSort: "-rate",
    href: taskHref,
    textOf: (row) => `${row.name} ${Object.keys(row.failures).join(" ")}`,
  });
}
