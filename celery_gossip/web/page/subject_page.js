// Subject page: what the pages of one queue, one worker and one task have in common: head, figures, charts, sections.

import { ChartSet } from "./chart_set.js";
import { h, named, show } from "./dom.js";
import { facts } from "./facts.js";
import { figure } from "./column.js";
import { subjectHref } from "./router.js";
import { Table, linkCell } from "./table.js";
import { ageLabel } from "./ticker.js";

/**
 * `kind`, `listTitle`, `label`: {element, update(row)} beside the name, `factList`, `control`: {element, update(row)},
 * `sections`: [{element, routed(route), update(row)}], `before`: likewise, above the charts.
 */
export function subjectPage(context, route, { kind, listTitle, label, factList, control, before = [], sections = [] }) {
  const topic = `${kind}:${route.source}/${route.name}`;
  const headline = facts(factList, "Figures");
  const charts = new ChartSet(context);
  const missing = h("p", { class: "quiet missing", hidden: true }, `This ${kind} is not in the view: it is gone, or was never heard.`);
  const parts = [label, control, headline, ...before, ...sections].filter(Boolean);
  const body = h("div", { class: "page" }, headline.element, before.map(elementOf), charts.element, h("div", { class: "columns" }, sections.map(elementOf)));
  const head = h("div", { class: "subject-head" }, h("h1", {}, named(route.name)), label?.element, control?.element);
  const crumb = h("nav", { class: "crumb", "aria-label": "Breadcrumb" }, h("a", { href: listTitle.toLowerCase() }, listTitle), h("span", { "aria-hidden": "true" }, "/"));
  const element = h("div", { class: "page" }, h("div", {}, crumb, head), missing, body);

  function update() {
    const { store } = context;
    const row = store.only(topic, kind);
    show(missing, row === null && store.isTold(topic));
    show(body, row !== null);
    for (const part of [label, control]) if (part) show(part.element, row !== null);
    if (row === null) return;
    body.classList.toggle("stale", context.isStale(route.source) || Boolean(row.silent_since));
    for (const part of parts) part.update(row);
    charts.update(store.rows(topic, "steps"), store.now());
  }

  function routed(latest) {
    charts.routed(latest);
    for (const part of parts) part.routed?.(latest);
  }

  return { title: `${route.name} · ${listTitle}`, topics: ["fleet", topic], element, routed, update };
}

const elementOf = ({ element }) => element;

/** A section with a table of its own: `title`, `table` of the topic, options of the Table. */
export function tableSection(context, { title, topic, table: name, ...options }) {
  const table = new Table({ ...options, router: context.router, parameter: `${name}_`, caption: title, pageSize: 20 });
  const heading = h("h2", {}, title);
  const count = h("span", { class: "count" });
  const element = h("section", { class: "panel" }, h("div", { class: "section-head" }, h("h2", {}, title), table.sortChoice), table.element);
  heading.append(count);
  return { element, routed: (route) => table.routed(route), update: () => table.update(context.store.rows(topic, name)) };
}

const HREFS = {
  hostname: (row) => subjectHref("workers", row.source, row.hostname),
  queue: (row) => subjectHref("queues", row.source, row.queue),
};
const LABELS = { hostname: "Worker", queue: "Queue" };

/** A column that names the other side of a check or of a run: `field` hostname or queue. */
export const other = (field, options = {}) => ({
  id: field,
  label: LABELS[field],
  by: (row) => row[field],
  paint: linkCell((row) => row[field], HREFS[field], options.below),
  ...options,
});

export const otherHref = (field) => HREFS[field];

/** Tasks that run; `field`: where they do, hostname or queue. */
export function runsSection(context, topic, field) {
  return tableSection(context, {
    title: "Running tasks",
    topic,
    table: "runs",
    columns: [
      { id: "id", label: "Task id", class: "code", by: (row) => row.id, paint: idCell },
      other(field, { width: 170, priority: 2 }),
      { id: "since", label: "Running for", width: 120, isNumber: true, by: (row) => -row.seen_since, paint: () => sinceCell(context) },
    ],
    defaultSort: "-since",
    empty: "No task runs.",
  });
}

function idCell() {
  const element = named("");
  return { nodes: element, update: (row) => nameAgain(element, row.id) };
}

function nameAgain(element, text) {
  if (element.title === text) return;
  element.textContent = text;
  element.title = text;
}

function sinceCell(context) {
  const { element, update } = ageLabel(() => context.store.now());
  return { nodes: element, update: (row) => update(row.seen_since, { before: row.is_older ? "over " : "" }) };
}

/** Figures of a check that both its pages show. */
export const CHECK_FIGURES = [
  figure("active", "Running", { width: 78 }),
  figure("reserved", "Reserved", { width: 82, priority: 2 }),
  figure("scheduled", "Scheduled", { width: 88, priority: 3 }),
];

/** Since when the worker consumes the queue. */
export const consumingSince = (context) => ({
  id: "consuming",
  label: "Consuming for",
  width: 116,
  priority: 4,
  isNumber: true,
  by: (row) => -row.consuming_since,
  paint: () => {
    const { element, update } = ageLabel(() => context.store.now());
    return { nodes: element, update: (row) => update(row.is_paused ? null : row.consuming_since, { none: "paused" }) };
  },
});
