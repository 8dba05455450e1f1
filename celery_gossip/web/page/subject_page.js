// Subject page: the common layout of the pages of one queue, worker or task: head, figures, charts and sections.

import { chartSet } from "./chart_set.js";
import { countColumn, linkCell } from "./column.js";
import { runControl, runsControl } from "./control.js";
import { fromRow, h, nameElement, setAttribute, setName, show } from "./dom.js";
import { age, count, duration } from "./format.js";
import { statList } from "./stat_list.js";
import { queryText, subjectHref } from "./router.js";
import { Table } from "./table.js";
import { runHref } from "./sighting.js";
import { ageLabel } from "./ticker.js";
import { printable } from "./printable.js";

/**
 * @template {"queue" | "worker" | "task"} K
 * @param {Page.Context} context @param {Page.SubjectRoute} route @param {Page.SubjectOptions<K>} options
 * @returns {Page.Mounted}
 */
export function subjectPage(context, route, { kind, list, stats, label, control, before, sections = [] }) {
  const { store } = context;
  const topic = `${kind}:${route.source}/${route.name}`;
  const headline = statList(stats);
  const charts = chartSet(context, topic);
  const aside = [label, control].filter((part) => !!part);
  const parts = [...aside, headline, before, ...sections].filter((part) => !!part);
  const missing = h("p", { class: "quiet", hidden: true }, `This ${kind} is not in the view: it was removed or never reported.`);
  const columns = sections.length > 0 && h("div", { class: "columns" }, sections.map((one) => one.element));
  const body = h("div", { class: "page" }, headline.element, before?.element, charts.element, columns);
  const failures = h("a", { href: `failures?${queryText({ q: route.name })}` }, "Failures");
  const crumb = h("nav", { class: "crumb", "aria-label": "Breadcrumb" }, h("a", { href: list.toLowerCase() }, list));
  const head = h("div", { class: "subject-head" }, h("h1", {}, nameElement(route.name)), aside.map((one) => one.element), failures);
  const element = h("div", { class: "page" }, h("div", {}, crumb, head), missing, body);

  function update() {
    const row = store.singleRow(topic, kind);
    show(missing, row === null && store.has(topic));
    for (const one of [body, ...aside.map((part) => part.element)]) show(one, row !== null);
    if (row === null) return;
    body.classList.toggle("stale", context.isStale(route.source) || ("silent_since" in row && Boolean(row.silent_since)));
    for (const part of parts) part.update(row);
    charts.update(route.source);
  }

  /** @param {Page.Route} latest */
  function onRoute(latest) {
    for (const part of [charts, ...parts]) part.onRoute?.(latest);
  }

  return { title: `${printable(route.name)} · ${list}`, topics: ["fleet", topic], element, onRoute, update };
}

/**
 * Makes a section with a table of the topic.
 * @template {keyof Row.Tables} T
 * @param {Page.Context} context @param {Page.SectionOptions<T>} options
 * @returns {Page.Part}
 */
export function tableSection(context, { title, more, topic, table: name, control, pageSize = 20, ...options }) {
  const table = new Table({ ...options, router: context.router, parameter: `${name}_`, caption: title, pageSize });
  const head = h("div", { class: "section-head" }, h("h2", {}, title), more, control, table.sortChoice);
  const element = h("section", { class: "panel wide" }, head, table.element);
  return { element, onRoute: (route) => table.onRoute(route), update: () => table.update(context.store.rows(topic, name)) };
}

const LINKS = {
  hostname: { label: "Worker", href: (/** @type {Page.Linked} */ row) => subjectHref("workers", row.source, row.hostname) },
  queue: { label: "Queue", href: (/** @type {Page.Linked} */ row) => subjectHref("queues", row.source, row.queue) },
};

/**
 * Makes the column that links a check or a running task to its worker or queue.
 * @template {Page.Linked} R
 * @param {keyof typeof LINKS} field @param {((row: R) => string) | null} stateOf @param {Partial<Page.Column<R>>} [options]
 * @returns {Page.Column<R>}
 */
const linkColumn = (field, stateOf, options) => ({
  id: field,
  label: LINKS[field].label,
  sortKey: (row) => row[field],
  makeCell: linkCell((row) => row[field], LINKS[field].href, stateOf),
  ...options,
});

/**
 * @template R
 * @param {string} id @param {string} label @param {(row: R) => number} startOf
 * @param {(row: R) => [number | null, Page.AgeTexts?]} argumentsOf @param {Partial<Page.Column<R>>} options
 * @returns {Page.Column<R>}
 */
const ageColumn = (id, label, startOf, argumentsOf, options) => ({
  id,
  label,
  isNumber: true,
  sortKey: (row) => -startOf(row),
  makeCell: fromRow(ageLabel, argumentsOf),
  ...options,
});

/**
 * Makes the table of checks, linked by `field`; `state`: the column of their state.
 * @param {Page.Context} context @param {string} topic
 * @param {{field: keyof typeof LINKS, title: string, empty: string, state: Page.Column<Row.Check>,
 *   stateOf: (row: Row.Check) => string, control: Page.Column<Row.Check> | false}} options
 */
export function checksSection(context, topic, { field, title, empty, state, stateOf, control }) {
  /** @type {Page.Column<Row.Check>[]} */
  const columns = [
    linkColumn(field, stateOf),
    state,
    countColumn("active", "Running", { width: 82 }),
    countColumn("reserved", "Reserved", { width: 88, priority: 2 }),
    countColumn("scheduled", "Scheduled", { width: 94, priority: 3 }),
    ageColumn("consuming", "Consuming for", (row) => row.consuming_since, (row) => [row.is_paused ? null : row.consuming_since], { width: 124, priority: 4 }),
    ...(control ? [control] : []),
  ];
  return tableSection(context, { title, topic, table: "checks", columns, defaultSort: field, empty, href: LINKS[field].href });
}

/** Returns what is unusual about a running task, in a few words. Pure. @param {Row.RunningTask} task */
export function taskNotes({ retries, is_redelivered, soft_time_limit, time_limit }) {
  const limit = time_limit ?? soft_time_limit;
  const tried = retries ? `${count(retries)} ${retries === 1 ? "retry" : "retries"}` : "";
  return [tried, is_redelivered ? "redelivered" : "", limit === null ? "" : `limit ${duration(limit)}`].filter(Boolean).join(", ");
}

/** @param {() => number} until @returns {Page.Column<Row.RunningTask>} */
const ranColumn = (until) => ({
  id: "since",
  label: "Ran for",
  width: 138,
  isNumber: true,
  sortKey: (row) => -row.since,
  text: (row) => (row.is_older ? "unknown" : age(until() - row.since)),
});

/** @param {Row.RunningTask} row */
const taskHref = (row) => subjectHref("tasks", row.source, row.name);

/** @type {Page.Column<Row.RunningTask>} */
const taskNameColumn = { id: "name", label: "Task", width: 260, priority: 2, sortKey: (row) => row.name, makeCell: linkCell((row) => row.name || "–", taskHref) };

/** Links the id; shows the name of the task below it where it has no column. @param {boolean} isNamed */
function taskIdCell(isNamed) {
  const [id, name] = [nameElement("", "code"), nameElement()];
  const link = h("a", { class: "open" }, id);
  const element = h("span", {}, link, isNamed && h("span", { class: "below narrow-only" }, name));
  /** @param {Row.RunningTask} row */
  const update = (row) => {
    setName(id, row.id);
    setName(name, row.name || "–");
    setAttribute(link, "href", runHref(row));
  };
  return { element, update };
}

/** Returns a link to all tasks that run or wait there. @param {string} topic "queue:SOURCE/NAME" */
function moreRuns(topic) {
  const kind = topic.slice(0, topic.indexOf(":"));
  const [source, name] = [topic.slice(kind.length + 1, topic.indexOf("/")), topic.slice(topic.indexOf("/") + 1)];
  return h("a", { href: `runs?${queryText({ source, [kind]: name })}` }, "With those that wait");
}

/**
 * Makes the table of running tasks with these columns of names: the task's, and links to its worker or its queue.
 * @param {Page.Context} context @param {string} topic @param {("name" | keyof typeof LINKS)[]} names
 */
export function runsSection(context, topic, names) {
  /** @type {Page.Column<Row.RunningTask>[]} */
  const columns = [
    { id: "id", label: "Task id", sortKey: (row) => row.id, makeCell: () => taskIdCell(names.includes("name")) },
    ...names.map((name) => (name === "name" ? taskNameColumn : linkColumn(name, null, { width: 180, priority: 2 }))),
    ageColumn("since", "Running for", (row) => row.since, (row) => [row.since, { before: row.is_older ? "over " : "" }], { width: 138 }),
    { id: "notes", label: "Notes", width: 190, priority: 3, sortKey: (row) => row.retries, isDescending: true, text: taskNotes },
    ...runControl(context),
  ];
  const control = runsControl(context, () => context.store.rows(topic, "runs").values());
  return tableSection(context, { title: "Running tasks", more: moreRuns(topic), topic, table: "runs", columns, control, defaultSort: "-since", empty: "No task is running.", href: runHref });
}

/**
 * Makes the table of the tasks that ran in the last report of an instance; `until`: the time of it.
 * @param {Page.Context} context @param {string} topic @param {() => number} until
 */
export function lastRunsSection(context, topic, until) {
  /** @type {Page.Column<Row.RunningTask>[]} */
  const columns = [
    { id: "id", label: "Task id", sortKey: (row) => row.id, makeCell: () => taskIdCell(true) },
    taskNameColumn,
    linkColumn("queue", null, { width: 180, priority: 2 }),
    ranColumn(until),
    { id: "notes", label: "Notes", width: 190, priority: 3, sortKey: (row) => row.retries, isDescending: true, text: taskNotes },
  ];
  return tableSection(context, { title: "Was running", topic, table: "last_tasks", columns, defaultSort: "-since", empty: "No task was running.", href: runHref });
}
