// Worker sections: parts of the page of one worker: configuration, registered tasks, and its end.

import { countColumn, linkCell } from "./column.js";
import { fromRow, h, nameLabel, setText, show } from "./dom.js";
import { age, bytes, count, duration, plural, rate } from "./format.js";
import { icon } from "./icon.js";
import { printable } from "./printable.js";
import { subjectHref } from "./router.js";
import { lastRunsSection, tableSection } from "./subject_page.js";
import { Table } from "./table.js";
import { ageLabel } from "./ticker.js";

/** @typedef {{name: string, value: string}} Setting */

/**
 * Makes a section with a table of rows that are part of the worker's row.
 * @template R
 * @param {Page.Context} context
 * @param {{title: string, name: string, columns: Page.Column<R>[], empty: string, pageSize: number, href?: (row: R) => string,
 *   contents: (row: Row.Worker) => unknown, rowsOf: (row: Row.Worker) => Map<string, R>, search?: (row: R) => string}} options
 * @returns {Page.Part<[Row.Worker]>}
 */
function ownTable({ router }, { title, name, columns, empty, pageSize, href, contents, rowsOf, search: textOf }) {
  const table = new Table({ columns, defaultSort: columns[0].id, empty, caption: title, router, parameter: `${name}_`, pageSize, href });
  const summary = h("span", { class: "summary" });
  const box = h("input", { type: "search", class: "search own-search", placeholder: "Filter", "aria-label": `Filter ${title.toLowerCase()}`, autocomplete: "off", spellcheck: "false" });
  box.addEventListener("input", () => router.updateQuery({ [`${name}_q`]: box.value.trim(), [`${name}_page`]: "" }, { isReplacing: true }));
  const head = h("div", { class: "section-head" }, h("h2", {}, title), textOf && box, summary);
  const element = h("section", { class: "panel" }, head, table.element);
  let shown = /** @type {unknown} */ (undefined);
  let rows = /** @type {Map<string, R>} */ (new Map());
  let wanted = "";

  /** @param {Row.Worker} row */
  function update(row) {
    if (shown !== contents(row)) rows = rowsOf(row);
    shown = contents(row);
    const found = table.update(rows, (one) => wanted === "" || !textOf || textOf(one).toLowerCase().includes(wanted));
    setText(summary, found === rows.size ? count(found) : `${count(found)} of ${count(rows.size)}`);
    show(summary, rows.size > 0);
    show(box, rows.size > pageSize);
  }

  /** @param {Page.Route} route */
  function onRoute(route) {
    const text = route.query[`${name}_q`] ?? "";
    if (box.value.trim() !== text) box.value = text;
    wanted = text.toLowerCase();
    table.onRoute(route);
  }

  return { element, update, onRoute };
}

/** Returns a setting as text: an unset limit is "none". Pure. @param {boolean | number | string} value */
export const settingText = (value) => (typeof value === "boolean" ? (value ? "yes" : "no") : String(value));

/** @type {Page.Column<Setting>[]} */
const SETTING_COLUMNS = [
  { id: "setting", label: "Setting", sortKey: (row) => row.name, makeCell: fromRow(() => nameLabel("code"), (row) => [row.name]) },
  { id: "value", label: "Value", width: 190, makeCell: fromRow(() => nameLabel("code"), (row) => [row.value]) },
];

/** Lists the settings with which the worker runs. @param {Page.Context} context */
export const configurationSection = (context) =>
  ownTable(context, {
    title: "Configuration",
    name: "settings",
    columns: SETTING_COLUMNS,
    empty: "Unknown. A worker reports its settings at its start, and then every two minutes, if its celery-gossip is new enough.",
    pageSize: 60,
    contents: (row) => row.configuration,
    rowsOf: ({ configuration }) =>
      new Map(Object.entries(configuration).map(([name, value]) => [name, { name, value: settingText(value) }])),
  });

/** Lists the registered tasks. @param {Page.Context} context @param {string} source */
export function taskNamesSection(context, source) {
  /** @param {{name: string}} row */
  const href = ({ name }) => subjectHref("tasks", source, name);
  return ownTable(context, {
    title: "Registered tasks",
    name: "names",
    columns: [{ id: "task", label: "Task", sortKey: (row) => row.name, makeCell: linkCell((row) => row.name, href) }],
    empty: "Unknown. A worker reports their names in parts, at its start and then every two minutes, if its celery-gossip is new enough.",
    pageSize: 15,
    href,
    contents: (row) => row.task_names,
    rowsOf: ({ task_names }) => new Map(task_names.map((name) => [name, { name }])),
    search: (row) => row.name,
  });
}

/** @type {Record<string, string>} */
const TITLES = { lost: "Before it was lost", offline: "Before it shut down", replaced: "The instance before this one" };

/**
 * Shows the last report of a worker that is gone, or of the instance before it that ended with tasks: what it ran, its last
 * minute, and what was wrong with it.
 * @param {Page.Context} context @param {string} topic
 * @returns {Page.Part<[Row.Worker]>}
 */
export function endingPanel(context, topic) {
  const { store } = context;
  const runs = lastRunsSection(context, topic, () => shown?.at ?? 0);
  const [title, text, at] = [h("h2", {}), h("p", { class: "ending-text" }), ageLabel()];
  const findings = h("ul", { class: "ending-findings" });
  const head = h("div", { class: "section-head" }, title, h("span", { class: "summary" }, at.element));
  const reports = reportsSection(context, topic, () => shown?.at ?? 0);
  const element = h("section", { class: "stack ending" }, head, text, findings, runs.element, reports.element);
  let shown = /** @type {Row.Ending | null} */ (null);

  function update() {
    const ending = store.singleRow(topic, "ending");
    show(element, ending !== null);
    if (ending === null) return;
    if (shown !== ending) write(ending);
    for (const part of [runs, reports]) part.update();
  }

  /** @param {Row.Ending} ending */
  function write(ending) {
    shown = ending;
    setText(title, TITLES[ending.state] ?? "Its last report");
    at.update(ending.at, { before: "last report ", after: " ago" });
    setText(text, endingText(ending));
    findings.replaceChildren(
      ...ending.findings.map((one) =>
        h("li", { "data-tone": one.severity === "critical" ? "bad" : "warn" }, icon(one.severity === "critical" ? "critical" : "suspect"), h("b", {}, one.kind.replaceAll("_", " ")), " ", h("bdi", {}, printable(one.text))),
      ),
    );
    show(findings, ending.findings.length > 0);
  }

  return { element, update, onRoute: (route) => [runs, reports].forEach((part) => part.onRoute?.(route)) };
}

/**
 * Lists the last reports of an instance, the latest first.
 * @param {Page.Context} context @param {string} topic @param {() => number} until
 */
function reportsSection(context, topic, until) {
  /** @type {Page.Column<Row.Sample>[]} */
  const columns = [
    { id: "at", label: "Before the end", sortKey: (row) => row.at, text: (row) => (until() - row.at < 0.05 ? "last report" : `${age(until() - row.at)} before`) },
    countColumn("active", "Running", { width: 90 }),
    countColumn("reserved", "Reserved", { width: 94, priority: 2 }),
    { id: "memory", label: "Memory", hint: "Counts towards the limit of its container, or resident; in every fifth report", width: 110, isNumber: true, sortKey: memoryOf, text: (row) => bytes(memoryOf(row)) },
    { id: "lag", label: "Loop lag", hint: "Delay of its event loop", width: 94, isNumber: true, sortKey: (row) => row.lag, text: (row) => (row.lag < 0.01 ? "<10 ms" : duration(row.lag)) },
    countColumn("lost", "Lost processes", { width: 124, priority: 3, hint: "Processes of its pool that were lost since its start" }),
  ];
  return tableSection(context, { title: "Last reports", topic, table: "last_reports", columns, defaultSort: "-at", empty: "No report is recorded.", pageSize: 10 });
}

/** @param {Row.Sample} row */
const memoryOf = ({ memory_used, rss }) => memory_used ?? rss;

/** Returns what an instance did in its last report. Pure. @param {Row.Ending} ending */
export function endingText({ active, listed, concurrency, reserved, scheduled, queues, stalled_for, loop_lag, findings }) {
  const parts = [
    `It ran ${plural(active, "task")}${listed < active ? ` (${count(listed)} are listed)` : ""} in ${plural(concurrency, "slot")}, with ${count(reserved)} reserved and ${count(scheduled)} scheduled.`,
    queues.length > 0 ? `Queues: ${queues.map(printable).join(", ")}.` : "",
    stalled_for > 0 ? `Its event loop had been blocked for ${count(stalled_for)} s.` : loop_lag >= 1 ? `Its event loop was ${rate(loop_lag)} s late.` : "",
    findings.length > 0 ? "" : "No finding was raised for it in the minute before.",
  ];
  return parts.filter(Boolean).join(" ");
}
