// Page of the matrix: which worker serves which queue, with slots and load. Rows are workers, hosts, or sets of queues.

import { button, h, setAttribute, setText, show } from "./dom.js";
import { sourceChoice } from "./list_page.js";
import { MatrixGrid } from "./matrix_grid.js";
import { GROUPS, ROW_ORDERS, columnRank, matchingColumns, matchingRows, rowProblems, summaryText } from "./matrix_model.js";
import { queryText, subjectHref } from "./router.js";
import { RowOrder } from "./row_order.js";

const FILTERS = ["q", "queue", "rows", "columns", "set", "source"];

/** @param {Page.Query} query */
const groupOf = ({ group = "" }) => (Object.hasOwn(GROUPS, group) ? group : "queues");

/** @param {string} name @param {Page.Query} changes */
const hrefWith = (name, changes) => `${name}?${queryText(changes)}`;

/** @param {Page.Context} context @param {Page.Route} route @returns {Page.Mounted} */
export function matrixPage(context, route) {
  const { store, router } = context;
  const group = groupOf(route.query);
  const topic = `matrix:${group}`;
  const [rowOrder, columnOrder] = [new RowOrder(), new RowOrder()];
  const sources = sourceChoice(context);
  const groups = segments("What a row is", GROUPS, (name) => router.updateQuery({ group: name === "queues" ? "" : name, set: "" }));
  const search = filterBox("Search workers", "q", router);
  const queueSearch = filterBox("Search queues", "queue", router);
  const rowFilter = toggle("Problem workers", "rows", router);
  const columnFilter = toggle("Problem queues", "columns", router);
  const order = h("select", { "aria-label": "Order of the rows" }, Object.entries(ROW_ORDERS).map(([value, { label }]) => h("option", { value }, label)));
  order.addEventListener("change", () => router.updateQuery({ sort: order.value }));
  const clear = button("Clear filters", () => router.updateQuery(Object.fromEntries(FILTERS.map((name) => [name, ""]))), { class: "plain" });
  const summary = h("p", { class: "summary" });
  const empty = h("p", { class: "quiet" });
  const grid = new MatrixGrid({
    label: "Workers and queues",
    router,
    rowHref: (row) => (row.hostname ? subjectHref("workers", row.source, row.hostname) : hrefWith("matrix", membersOf(row, group))),
    columnHref: (queue) => subjectHref("queues", queue.source, queue.name),
    cellHref: (row, queue) =>
      row.hostname ? subjectHref("workers", row.source, row.hostname) : hrefWith("matrix", { ...membersOf(row, group), queue: queue.name }),
  });
  const tools = h("div", { class: "tools" }, groups.element, search.element, queueSearch.element, rowFilter.element, columnFilter.element, sources.element, order, clear);
  const element = h("div", { class: "page matrix-page" }, h("h1", {}, "Matrix"), tools, summary, empty, grid.element, legend());
  /** @type {Page.Query} */
  let query = {};

  /** @param {Page.Route} latest */
  function onRoute(latest) {
    query = latest.query;
    groups.choose(group);
    for (const part of [search, queueSearch, rowFilter, columnFilter]) part.onRoute(query);
    order.value = Object.hasOwn(ROW_ORDERS, query.sort ?? "") ? (query.sort ?? "") : "";
    sources.onRoute(query);
    for (const one of [rowOrder, columnOrder]) one.release();
  }

  function update() {
    const [allRows, allColumns] = [store.rows(topic, "matrix"), store.rows(topic, "matrix_queues")];
    const at = { now: performance.now() / 1000, isPointed: grid.isUsed };
    const columns = columnOrder.keys(allColumns, matchingColumns(query), { column: { id: "rank", sortKey: columnRank }, isDescending: true }, at);
    const isFiltered = Boolean(query.queue || query.columns);
    const { isDescending, sortKey } = ROW_ORDERS[order.value];
    const rows = rowOrder.keys(allRows, matchingRows(query, isFiltered ? new Set(columns) : null), { column: { id: order.value || "rank", sortKey }, isDescending }, at);
    grid.update(pairs(rows, allRows), pairs(columns, allColumns));
    show(grid.element, columns.length > 0);
    show(empty, columns.length === 0 || rows.length === 0);
    setText(empty, emptyText(store.has(topic), allColumns.size, columns.length));
    setText(summary, summaryText(allColumns.values(), allRows.values()));
    rowFilter.update([...allRows.values()].filter((row) => rowProblems(row).length > 0).length);
    columnFilter.update([...allColumns.values()].filter((queue) => columnRank(queue) > 0).length);
    show(clear, FILTERS.some((name) => query[name]));
    sources.update();
  }

  return { title: "Matrix", topics: ["fleet", topic], element, onRoute, update };
}

/** Returns the query that shows the workers of a row. @param {Row.MatrixRow} row @param {string} group */
const membersOf = ({ key, queue_set, source }, group) => ({ group: "worker", source, ...(group === "host" ? { q: `@${key}` } : { set: queue_set }) });

/** @template R @param {string[]} keys @param {ReadonlyMap<string, R>} rows @returns {[string, R][]} */
const pairs = (keys, rows) => keys.map((key) => [key, /** @type {R} */ (rows.get(key))]);

/** @param {boolean} isLoaded @param {number} queues @param {number} found */
function emptyText(isLoaded, queues, found) {
  if (!isLoaded) return "Loading…";
  if (queues === 0) return "No worker has reported yet. A worker must run with celery-gossip and use this broker.";
  return found === 0 ? "No queue matches." : "No worker serves these queues, or none matches.";
}

/** @param {string} label @param {Record<string, string>} choices @param {(name: string) => void} onChoice */
function segments(label, choices, onChoice) {
  const buttons = Object.entries(choices).map(([name, text]) => ({ name, face: button(text, () => onChoice(name)) }));
  const element = h("div", { class: "segments", role: "group", "aria-label": label }, buttons.map(({ face }) => face));
  /** @param {string} chosen */
  const choose = (chosen) => buttons.forEach(({ name, face }) => setAttribute(face, "aria-pressed", String(name === chosen)));
  return { element, choose };
}

/** @param {string} label @param {string} name @param {Page.Context["router"]} router */
function filterBox(label, name, router) {
  const element = h("input", { type: "search", class: "search matrix-search", placeholder: label, "aria-label": label, autocomplete: "off", spellcheck: "false" });
  element.addEventListener("input", () => router.updateQuery({ [name]: element.value.trim() }, { isReplacing: true }));
  /** @param {Page.Query} query */
  const onRoute = (query) => element.value.trim() === (query[name] ?? "") || (element.value = query[name] ?? "");
  return { element, onRoute };
}

/** @param {string} label @param {string} name @param {Page.Context["router"]} router */
function toggle(label, name, router) {
  const number = h("span", { class: "count" });
  const element = button(`${label} `, () => router.updateQuery({ [name]: element.getAttribute("aria-pressed") === "true" ? "" : "problems" }), { class: "toggle" });
  element.append(number);
  /** @param {Page.Query} query */
  const onRoute = (query) => setAttribute(element, "aria-pressed", String(query[name] === "problems"));
  /** @param {number} found */
  const update = (found) => setText(number, String(found));
  return { element, onRoute, update };
}

function legend() {
  const items = [
    ["idle", "0/8", "slots, none busy with the queue"],
    ["busy", "3/8", "busy with the queue, of the slots"],
    ["full", "5/8", "no slot of the row is free"],
    ["partly", "3/4", "paused on some workers"],
    ["paused", "–", "paused"],
    ["gone", "–", "its workers are gone"],
  ];
  const parts = items.map(([level, text, label]) => h("li", {}, h("span", { class: "matrix-sample", "data-level": level, "aria-hidden": true }, text), label));
  return h("ul", { class: "matrix-legend", "aria-label": "Legend" }, parts, h("li", {}, "+12: reserved tasks, which wait for a slot"));
}
