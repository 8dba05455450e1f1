// List page: a table of all subjects of a kind, with search and filters that the address keeps.

import { button, h, setAttribute, setText, show } from "./dom.js";
import { count, plural } from "./format.js";
import { icon } from "./icon.js";
import { Table } from "./table.js";

/**
 * Returns the filter for a query. Pure.
 * @template {{source: string}} R
 * @param {Page.Query} query @param {{stateOf?: (row: R) => string, textOf: (row: R) => string}} options
 * @returns {(row: R) => boolean}
 */
export function matching({ q = "", state = "", source = "" }, { stateOf, textOf }) {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  /** @param {R} row */
  const hasWords = (row) => {
    const text = textOf(row).toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return (row) =>
    (source === "" || row.source === source) &&
    (state === "" || stateOf?.(row) === state) &&
    (words.length === 0 || hasWords(row));
}

/**
 * @template {{source: string}} R
 * @param {Page.Context} context @param {Page.ListOptions<R>} options
 * @returns {Page.Mounted}
 */
export function listPage(context, options) {
  const { store, router } = context;
  const { title, topic, noun, nothing, states = [], stateOf } = options;
  const table = new Table({ isStale: (row) => context.isStale(row.source), ...options, router, caption: title, empty: "" });
  const search = searchBox(title, (q) => router.updateQuery({ q, page: "" }, { isReplacing: true }));
  const filters = states.length ? ["", ...states].map((state) => stateFilter(state, router)) : [];
  const sources = sourceChoice(context);
  const summary = h("span", { class: "summary" });
  const clear = button("Clear filters", () => router.updateQuery({ q: "", state: "", source: "", page: "" }), { class: "plain" });
  const group = filters.length > 0 && h("div", { class: "segments", role: "group", "aria-label": "Filter by state" }, filters.map(({ element }) => element));
  const tools = h("div", { class: "tools" }, search.element, group, sources.element, table.sortChoice, clear, summary);
  const element = h("div", { class: "page" }, h("h1", {}, title), tools, table.element);
  /** @type {Page.Query} */
  let query = {};

  /** @param {Page.Route} route */
  function onRoute(route) {
    query = route.query;
    search.onRoute(query.q ?? "");
    for (const { state, element: choice } of filters) setAttribute(choice, "aria-pressed", String(state === (query.state ?? "")));
    sources.onRoute(query);
    table.onRoute(route);
  }

  function update() {
    const rows = /** @type {ReadonlyMap<string, any>} */ (store.rows(topic, topic));
    const found = table.update(rows, matching(query, options));
    table.emptyText = !store.has(topic) ? "Loading…" : rows.size === 0 ? nothing : `No ${noun} matches.`;
    setText(summary, found === rows.size ? plural(found, noun) : `${count(found)} of ${plural(rows.size, noun)}`);
    show(clear, Boolean(query.q || query.state || query.source));
    sources.update();
    countStates(rows);
  }

  /** @param {ReadonlyMap<string, R>} rows */
  function countStates(rows) {
    if (filters.length === 0 || !stateOf) return;
    const matches = matching({ ...query, state: "" }, options);
    const found = [...rows.values()].filter(matches).map(stateOf);
    const counts = new Map([["", found.length]]);
    for (const state of found) counts.set(state, (counts.get(state) ?? 0) + 1);
    for (const filter of filters) filter.update(counts.get(filter.state) ?? 0, query.state);
  }

  return { title, topics: ["fleet", topic], element, onRoute, update };
}

/** @param {string} title @param {(text: string) => void} onText */
function searchBox(title, onText) {
  const search = h("input", {
    type: "search",
    class: "search",
    placeholder: "Filter",
    "aria-label": `Filter ${title.toLowerCase()}`,
    "aria-keyshortcuts": "f",
    autocomplete: "off",
    spellcheck: "false",
  });
  search.addEventListener("input", () => onText(search.value.trim()));
  const element = h("span", { class: "search-box" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "f"));
  // Not if the text is the same: the cursor would jump, and a space just typed would be removed.
  /** @param {string} q */
  const onRoute = (q) => search.value.trim() === q || (search.value = q);
  return { element, onRoute };
}

/** @param {string} state @param {Page.Context["router"]} router */
function stateFilter(state, router) {
  const number = h("span", { class: "count" });
  const element = button(state || "all", () => router.updateQuery({ state, page: "" }));
  element.append(" ", number);
  /** @param {number} found @param {string} [chosen] */
  const update = (found, chosen) => {
    setText(number, count(found));
    show(element, found > 0 || state === "" || state === chosen);
  };
  return { state, element, update };
}

/** Chooses one of the sources; hidden if there is only one. @param {Page.Context} context */
export function sourceChoice({ store, router }) {
  const choice = h("select", { "aria-label": "Broker" });
  const element = h("span", { hidden: true }, choice);
  let known = "";
  let chosen = "";
  choice.addEventListener("change", () => router.updateQuery({ source: choice.value, page: "" }));
  /** @param {Page.Query} query */
  const onRoute = (query) => {
    chosen = query.source ?? "";
    choice.value = chosen;
  };
  const update = () => {
    const sources = [...store.rows("fleet", "sources").values()].map(({ source, label }) => [source, label]);
    show(element, sources.length > 1);
    if (known === JSON.stringify(sources)) return;
    known = JSON.stringify(sources);
    choice.replaceChildren(...[["", "All brokers"], ...sources].map(([value, label]) => h("option", { value }, label)));
    choice.value = chosen;
  };
  return { element, onRoute, update };
}
