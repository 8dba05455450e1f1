// Page of the tasks that run, or wait in workers. The server applies the filters, which the address keeps, because a large
// fleet has more tasks than a page can hold: it lists those that run or wait for longest.

import { stateColumn } from "./column.js";
import { runControl, runsControl } from "./control.js";
import { copyButton } from "./copy.js";
import { button, fromRow, h, nameElement, nameLabel, setAttribute, setName, setText, show } from "./dom.js";
import { count, plural } from "./format.js";
import { icon } from "./icon.js";
import { sourceChoice } from "./list_page.js";
import { queryText, subjectHref } from "./router.js";
import { LISTED_STATES, runHref, truncatedText, unlistedText } from "./sighting.js";
import { taskNotes } from "./subject_page.js";
import { Table } from "./table.js";
import { ageLabel, dueLabel } from "./ticker.js";

const FILTERS = ["source", "state", "task", "queue", "worker", "min_age"];
const PAUSE = 300; // milliseconds without a key after which a filter applies
const AGES = { "": "any age", 10: "over 10 s", 60: "over 1 min", 600: "over 10 min", 3600: "over 1 h", 86400: "over 1 d" };

const MAX_TEXT = 100; // characters of a filter
const MAX_TOPIC = 1024;

/** Returns the topic of a query: its filters as far as the server accepts them. Pure. @param {Page.Query} query */
export function topicOf({ source = "", state = "", min_age = "", ...query }) {
  const choices = { source: source.slice(0, MAX_TEXT), state: LISTED_STATES.includes(state) ? state : "", min_age: /^\d{1,10}(\.\d{1,3})?$/.test(min_age) ? min_age : "" };
  const texts = Object.fromEntries(["task", "queue", "worker"].map((name) => [name, (query[name] ?? "").slice(0, MAX_TEXT)]));
  const topic = `runs:${queryText({ ...choices, ...texts })}`;
  return topic.length <= MAX_TOPIC ? topic : `runs:${queryText(choices)}`;
}

/** Shows the id with a link and a copy button; below it, on narrow screens, the task. @param {Page.Context} context */
const idCell = (context) => () => {
  const [name, task, copy] = [nameElement("", "code"), nameElement(), copyButton(context.announce)];
  const link = h("a", { class: "open" }, name);
  const element = h("span", { class: "with-copy" }, h("span", {}, link, h("span", { class: "below narrow-only" }, task)), copy.element);
  /** @param {Row.ListedTask} row */
  const update = (row) => {
    setName(name, row.id);
    setName(task, row.name);
    setAttribute(link, "href", runHref(row));
    copy.update(row.id);
  };
  return { element, update };
};

/**
 * @param {Page.List} list @param {"name" | "hostname" | "queue"} field
 * @returns {() => Page.Part<[Row.ListedTask]>}
 */
const nameCell = (list, field) => () => {
  const name = nameElement();
  const element = h("a", {}, name);
  /** @param {Row.ListedTask} row */
  const update = (row) => {
    setName(name, row[field] || "–");
    setAttribute(element, "href", row[field] ? subjectHref(list, row.source, row[field]) : null);
  };
  return { element, update };
};

/** @param {Page.Context} context @returns {Page.Column<Row.ListedTask>[]} */
const columns = (context) => [
  { id: "id", label: "Task id", sortKey: (row) => row.id, makeCell: idCell(context) },
  { id: "name", label: "Task", width: 220, priority: 2, sortKey: (row) => row.name, makeCell: nameCell("tasks", "name") },
  stateColumn((row) => row.state, LISTED_STATES, { width: 114, priority: 1 }),
  { id: "queue", label: "Queue", width: 130, priority: 3, sortKey: (row) => row.queue, makeCell: nameCell("queues", "queue") },
  { id: "hostname", label: "Worker", width: 180, priority: 3, sortKey: (row) => row.hostname, makeCell: nameCell("workers", "hostname") },
  {
    id: "since",
    label: "For",
    hint: "Of a task that waits: since its worker has it, at least",
    width: 118,
    isNumber: true,
    sortKey: (row) => -row.since,
    makeCell: fromRow(ageLabel, (row) => [row.since, { before: row.is_older ? "over " : "" }]),
  },
  { id: "due", label: "ETA", width: 124, priority: 4, isNumber: true, sortKey: (row) => row.due_at, makeCell: fromRow(dueLabel, (row) => [row.due_at]) },
  { id: "notes", label: "Notes", width: 150, priority: 5, sortKey: (row) => row.retries, isDescending: true, makeCell: fromRow(nameLabel, (row) => [taskNotes(row)]) },
  ...runControl(context),
];

/** A field for a part of a name. @param {string} parameter @param {string} label @param {(changes: Page.Query) => void} onChange */
function textFilter(parameter, label, onChange) {
  const input = h("input", { type: "search", class: "search", placeholder: label, "aria-label": `Filter by ${label.toLowerCase()}`, autocomplete: "off", spellcheck: "false", maxlength: 255 });
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => onChange({ [parameter]: input.value.trim() }), PAUSE);
  });
  const element = h("span", { class: "search-box part" }, icon("search"), input);
  /** Not while the reader types: the cursor would jump. @param {Page.Query} query */
  const onRoute = (query) => {
    const text = query[parameter] ?? "";
    if (input !== document.activeElement && input.value.trim() !== text) input.value = text;
  };
  return { element, onRoute };
}

/** @param {(changes: Page.Query) => void} onChange */
function ageFilter(onChange) {
  const element = h("select", { "aria-label": "Filter by age" }, Object.entries(AGES).sort(([a], [b]) => Number(a) - Number(b)).map(([value, label]) => h("option", { value }, label)));
  const other = h("option");
  element.addEventListener("change", () => onChange({ min_age: element.value }));
  /** An address may name any age. @param {Page.Query} query */
  const onRoute = ({ min_age = "" }) => {
    other.remove();
    if (!Object.hasOwn(AGES, min_age)) {
      other.value = min_age;
      setText(other, `over ${min_age} s`);
      element.append(other);
    }
    element.value = min_age;
  };
  return { element, onRoute };
}

/** @param {string} state @param {(changes: Page.Query) => void} onChange */
function stateFilter(state, onChange) {
  const number = h("span", { class: "count" });
  const element = button(state || "all", () => onChange({ state }));
  element.append(" ", number);
  /** @param {number} found @param {string} chosen */
  const update = (found, chosen) => {
    setText(number, count(found));
    setAttribute(element, "aria-pressed", String(state === chosen));
  };
  return { state, element, update };
}

/** @param {Page.Context} context @returns {Page.Mounted} */
export function runsPage(context) {
  const { store, router } = context;
  /** @param {Page.Query} changes */
  const onChange = (changes) => router.updateQuery({ ...changes, page: "" }, { isReplacing: true });
  const table = new Table({ columns: columns(context), defaultSort: "-since", caption: "Runs", empty: "", router, href: runHref, isStale: (row) => context.isStale(row.source) });
  const texts = [textFilter("task", "Task or id", onChange), textFilter("queue", "Queue", onChange), textFilter("worker", "Worker", onChange)];
  const [ages, sources] = [ageFilter(onChange), sourceChoice(context)];
  const states = ["", ...LISTED_STATES].map((state) => stateFilter(state, onChange));
  const group = h("div", { class: "segments", role: "group", "aria-label": "Filter by state" }, states.map((one) => one.element));
  const clear = button("Clear filters", () => onChange(Object.fromEntries(FILTERS.map((name) => [name, ""]))), { class: "plain" });
  const [summary, note] = [h("span", { class: "summary" }), h("p", { class: "quiet" })];
  const tools = h("div", { class: "tools" }, group, texts.map((one) => one.element), ages.element, sources.element, table.sortChoice, clear, runsControl(context, () => rows.values()), summary);
  const element = h("div", { class: "page" }, h("h1", {}, "Runs"), tools, table.element, note);
  /** @type {Page.Query} */
  let query = router.route().query;
  const mounted = { title: "Runs", topics: ["fleet", topicOf(query)], element, onRoute, update };
  let shown = mounted.topics[1]; // the last topic whose rows have arrived; they stay until those of another filter do
  /** @type {ReadonlyMap<string, Row.ListedTask>} */
  let rows = new Map();
  /** @type {Row.ListTotals | null} */
  let totals = null;

  /** @param {Page.Route} route */
  function onRoute(route) {
    query = route.query;
    mounted.topics = ["fleet", topicOf(query)];
    for (const part of [...texts, ages, sources]) part.onRoute(query);
    table.onRoute(route);
  }

  function update() {
    const topic = mounted.topics[1];
    if (store.has(topic)) {
      shown = topic;
      rows = store.rows(topic, "listed");
      totals = store.singleRow(topic, "list_totals");
    }
    table.update(rows);
    const isFiltered = FILTERS.some((name) => query[name]);
    table.emptyText = !totals ? "Loading…" : isFiltered ? "No task matches." : "No task runs, and none waits in a worker.";
    element.toggleAttribute("aria-busy", shown !== topic);
    show(clear, isFiltered);
    sources.update();
    setText(summary, totals ? plural(totals.total, "task") : "");
    const counts = totals?.states ?? {};
    const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
    for (const one of states) one.update(one.state ? (counts[one.state] ?? 0) : all, query.state ?? "");
    const unlisted = totals ? unlistedText([totals]) : "";
    setText(note, totals ? [truncatedText(rows.size, totals.total), unlisted && `${unlisted}: a worker lists those that run for longest, and what waits from its second report on.`].filter(Boolean).join(" ") : "");
  }

  return mounted;
}
