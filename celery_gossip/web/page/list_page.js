// List page: a table of all subjects of a kind, with search and filters, all of which the address keeps.

import { button, h, setAttribute, setText, show } from "./dom.js";
import { count, plural } from "./format.js";
import { icon } from "./icon.js";
import { Table } from "./table.js";

/** What the filters leave: `(row) => boolean`. Pure. `options`: `{stateOf(row), textOf(row)}`. */
export function matching({ q = "", state = "", source = "" }, { stateOf, textOf }) {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  const says = (row) => {
    const text = textOf(row).toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return (row) =>
    (source === "" || row.source === source) &&
    (state === "" || stateOf(row) === state) &&
    (words.length === 0 || says(row));
}

/** `options`: of the Table, and `title, topic, noun, nothing, states, stateOf(row), textOf(row)`. */
export function listPage(context, options) {
  const { store, router } = context;
  const { title, topic, noun, nothing, states = [], stateOf } = options;
  const table = new Table({ isStale: (row) => context.isStale(row.source), ...options, router, caption: title, empty: "" });
  const search = searchBox(title, (q) => router.look({ q, page: "" }, { isMinor: true }));
  const filters = states.length ? ["", ...states].map((state) => stateFilter(state, router)) : [];
  const sources = sourceChoice(context);
  const told = h("span", { class: "told" });
  const clear = button("Clear filters", () => router.look({ q: "", state: "", source: "", page: "" }), { class: "plain" });
  const group = filters.length > 0 && h("div", { class: "segments", role: "group", "aria-label": "Filter by state" }, filters.map(({ element }) => element));
  const tools = h("div", { class: "tools" }, search.element, group, sources.element, table.sortChoice, clear, told);
  const element = h("div", { class: "page" }, h("h1", {}, title), tools, table.element);
  let query = {};

  function routed(route) {
    query = route.query;
    search.routed(query.q ?? "");
    for (const { state, element: choice } of filters) setAttribute(choice, "aria-pressed", String(state === (query.state ?? "")));
    sources.routed(query);
    table.routed(route);
  }

  function update() {
    const rows = store.rows(topic, topic);
    const found = table.update(rows, matching(query, options));
    table.emptyText = !store.isTold(topic) ? "Loading…" : rows.size === 0 ? nothing : `No ${noun} matches.`;
    setText(told, found === rows.size ? plural(found, noun) : `${count(found)} of ${plural(rows.size, noun)}`);
    show(clear, Boolean(query.q || query.state || query.source));
    sources.update();
    countStates(rows);
  }

  function countStates(rows) {
    if (filters.length === 0) return;
    const matches = matching({ ...query, state: "" }, options);
    const found = [...rows.values()].filter(matches).map(stateOf);
    const counts = new Map([["", found.length]]);
    for (const state of found) counts.set(state, (counts.get(state) ?? 0) + 1);
    for (const filter of filters) filter.update(counts.get(filter.state) ?? 0, query.state);
  }

  return { title, topics: ["fleet", topic], element, routed, update };
}

function searchBox(title, onText) {
  const search = h("input", {
    type: "search",
    class: "search",
    placeholder: "Search",
    "aria-label": `Search ${title.toLowerCase()}`,
    "aria-keyshortcuts": "/",
    autocomplete: "off",
    spellcheck: "false",
  });
  search.addEventListener("input", () => onText(search.value.trim()));
  const element = h("span", { class: "search-box" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/"));
  // Not while it says so already: the cursor would jump, and a space just typed would vanish.
  const routed = (q) => search.value.trim() === q || (search.value = q);
  return { element, routed };
}

function stateFilter(state, router) {
  const number = h("span", { class: "count" });
  const element = button(state || "all", () => router.look({ state, page: "" }));
  element.append(" ", number);
  const update = (found, chosen) => {
    setText(number, count(found));
    show(element, found > 0 || state === "" || state === chosen);
  };
  return { state, element, update };
}

/** Of the apps that are watched; hidden where there is one. */
export function sourceChoice({ store, router }) {
  const choice = h("select", { "aria-label": "App" });
  const element = h("span", { hidden: true }, choice);
  let known = "";
  let chosen = "";
  choice.addEventListener("change", () => router.look({ source: choice.value, page: "" }));
  const routed = (query) => {
    chosen = query.source ?? "";
    choice.value = chosen;
  };
  const update = () => {
    const sources = [...store.rows("fleet", "sources").values()].map(({ source, app }) => [source, `${app} (${source})`]);
    show(element, sources.length > 1);
    if (known === JSON.stringify(sources)) return;
    known = JSON.stringify(sources);
    choice.replaceChildren(...[["", "All apps"], ...sources].map(([value, label]) => h("option", { value }, label)));
    choice.value = chosen;
  };
  return { element, routed, update };
}
