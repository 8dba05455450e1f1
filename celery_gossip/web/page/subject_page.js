// Subject page: what the pages of one queue, one worker and one task have in common: head, figures, charts, sections.

import { chartSet } from "./chart_set.js";
import { figure, link } from "./column.js";
import { h, nameLabel, named, painted, show } from "./dom.js";
import { facts } from "./facts.js";
import { subjectHref } from "./router.js";
import { Table } from "./table.js";
import { ageLabel } from "./ticker.js";

/**
 * `kind`, `list`: its title, `factList`, and parts `{element, update(row), routed(route)}`: `label` and `control`
 * beside the name, `before` the charts, and `sections` below them.
 */
export function subjectPage(context, route, { kind, list, factList, label, control, before, sections = [] }) {
  const { store } = context;
  const topic = `${kind}:${route.source}/${route.name}`;
  const headline = facts(factList);
  const charts = chartSet(context);
  const aside = [label, control].filter(Boolean);
  const parts = [...aside, headline, before, ...sections].filter(Boolean);
  const missing = h("p", { class: "quiet", hidden: true }, `This ${kind} is not in the view: it is gone, or was never heard.`);
  const columns = sections.length > 0 && h("div", { class: "columns" }, sections.map((one) => one.element));
  const body = h("div", { class: "page" }, headline.element, before?.element, charts.element, columns);
  const crumb = h("nav", { class: "crumb", "aria-label": "Breadcrumb" }, h("a", { href: list.toLowerCase() }, list));
  const head = h("div", { class: "subject-head" }, h("h1", {}, named(route.name)), aside.map((one) => one.element));
  const element = h("div", { class: "page" }, h("div", {}, crumb, head), missing, body);

  function update() {
    const row = store.only(topic, kind);
    show(missing, row === null && store.isTold(topic));
    for (const one of [body, ...aside.map((part) => part.element)]) show(one, row !== null);
    if (row === null) return;
    body.classList.toggle("stale", context.isStale(route.source) || Boolean(row.silent_since));
    for (const part of parts) part.update(row);
    charts.update(store.rows(topic, "steps"), route.source);
  }

  function routed(latest) {
    for (const part of [charts, ...parts]) part.routed?.(latest);
  }

  return { title: `${route.name} · ${list}`, topics: ["fleet", topic], element, routed, update };
}

/** A section with a table of its own: `title`, `topic`, `table` of the topic, and options of the Table. */
export function tableSection(context, { title, topic, table: name, ...options }) {
  const table = new Table({ ...options, router: context.router, parameter: `${name}_`, caption: title, pageSize: 20 });
  const head = h("div", { class: "section-head" }, h("h2", {}, title), table.sortChoice);
  const element = h("section", { class: "panel" }, head, table.element);
  return { element, routed: (route) => table.routed(route), update: () => table.update(context.store.rows(topic, name)) };
}

const OTHERS = {
  hostname: { label: "Worker", href: (row) => subjectHref("workers", row.source, row.hostname) },
  queue: { label: "Queue", href: (row) => subjectHref("queues", row.source, row.queue) },
};

/** A column that names where a check or a run belongs: `field` is hostname or queue. */
const other = (field, stateOf, options) => ({
  id: field,
  label: OTHERS[field].label,
  by: (row) => row[field],
  paint: link((row) => row[field], OTHERS[field].href, stateOf),
  ...options,
});

const since = (id, label, startOf, argumentsOf, options) => ({
  id,
  label,
  isNumber: true,
  by: (row) => -startOf(row),
  paint: painted(ageLabel, argumentsOf),
  ...options,
});

/** The checks of a subject, by the other side's `field`; `state`: their column of it. */
export const checksSection = (context, topic, { field, title, empty, state, stateOf, control }) =>
  tableSection(context, {
    title,
    topic,
    table: "checks",
    columns: [
      other(field, stateOf),
      state,
      figure("active", "Running", { width: 82 }),
      figure("reserved", "Reserved", { width: 88, priority: 2 }),
      figure("scheduled", "Scheduled", { width: 94, priority: 3 }),
      since("consuming", "Consuming for", (row) => row.consuming_since, (row) => [row.is_paused ? null : row.consuming_since], { width: 124, priority: 4 }),
      ...(control ? [control] : []),
    ],
    defaultSort: field,
    empty,
    href: OTHERS[field].href,
  });

/** Tasks that run, by `field`: where they do. */
export const runsSection = (context, topic, field) =>
  tableSection(context, {
    title: "Running tasks",
    topic,
    table: "runs",
    columns: [
      { id: "id", label: "Task id", by: (row) => row.id, paint: painted(() => nameLabel("code"), (row) => [row.id]) },
      other(field, null, { width: 180, priority: 2 }),
      since("since", "Running for", (row) => row.seen_since, (row) => [row.seen_since, { before: row.is_older ? "over " : "" }], { width: 138 }),
    ],
    defaultSort: "-since",
    empty: "No task runs.",
  });
