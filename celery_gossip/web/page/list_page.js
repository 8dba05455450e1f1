// List page: a table of all subjects of a kind, with search and filters, all of which the address keeps.

import { h, setAttribute, setText, show } from "./dom.js";
import { count, plural } from "./format.js";
import { icon } from "./icon.js";
import { Table } from "./table.js";

/** What the filters leave. Pure. `shape`: `{stateOf(row), textOf(row)}`. */
export function matching({ q = "", state = "", source = "" }, { stateOf, textOf }) {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  return (row) =>
    (source === "" || row.source === source) &&
    (state === "" || stateOf(row) === state) &&
    words.every((word) => textOf(row).toLowerCase().includes(word));
}

export class ListPage {
  #context;
  #options;
  #table;
  #parts;
  #query = {};

  /** `options`: of the Table, and `title, topic, noun, nothing, states, stateOf, textOf`. */
  constructor(context, options) {
    this.#context = context;
    this.#options = { states: [], stateOf: () => "", ...options };
    this.title = options.title;
    this.topics = ["fleet", options.topic];
    const isStale = options.isStale ?? ((row) => context.isStale(row.source));
    this.#table = new Table({ ...options, router: context.router, isStale, caption: options.title, empty: "" });
    this.#parts = this.#make();
    this.element = this.#parts.element;
  }

  routed(route) {
    this.#query = route.query;
    const { search, filters, sources } = this.#parts;
    if (document.activeElement !== search) search.value = route.query.q ?? "";
    for (const [state, { button }] of filters) setAttribute(button, "aria-pressed", String(state === (route.query.state ?? "")));
    sources.choice.value = route.query.source ?? "";
    this.#table.routed(route);
  }

  update() {
    const { store } = this.#context;
    const { topic, noun, nothing } = this.#options;
    const rows = store.rows(topic, topic);
    const found = this.#table.update(rows, matching(this.#query, this.#options));
    this.#table.emptyText = !store.isTold(topic) ? "Loading…" : rows.size === 0 ? nothing : `No ${noun} matches.`;
    setText(this.#parts.told, found === rows.size ? plural(found, noun) : `${count(found)} of ${plural(rows.size, noun)}`);
    show(this.#parts.clear, ["q", "state", "source"].some((name) => this.#query[name]));
    this.#countStates(rows);
    this.#parts.sources.update();
  }

  #countStates(rows) {
    const counts = new Map();
    const matches = matching({ ...this.#query, state: "" }, this.#options);
    for (const row of rows.values()) {
      if (!matches(row)) continue;
      const state = this.#options.stateOf(row);
      counts.set(state, (counts.get(state) ?? 0) + 1);
      counts.set("", (counts.get("") ?? 0) + 1);
    }
    for (const [state, { button, number }] of this.#parts.filters) {
      const found = counts.get(state) ?? 0;
      setText(number, count(found));
      show(button, found > 0 || state === "" || state === this.#query.state);
    }
  }

  #make() {
    const { router } = this.#context;
    const search = makeSearch(this.#options.title, (q) => router.look({ q, page: "" }, { isMinor: true }));
    const filters = new Map(["", ...this.#options.states].map((state) => [state, makeFilter(state, router)]));
    const sources = sourceChoice(this.#context);
    const told = h("span", { class: "told" });
    const clear = h("button", { type: "button", class: "plain" }, "Clear filters");
    clear.addEventListener("click", () => {
      search.value = "";
      router.look({ q: "", state: "", source: "", page: "" });
    });
    const group = h("div", { class: "segments", role: "group", "aria-label": "Filter by state" }, [...filters.values()].map(({ button }) => button));
    const tools = h("div", { class: "tools" }, search.parentElement, filters.size > 1 && group, sources.element, this.#table.sortChoice, clear, told);
    const element = h("div", { class: "page" }, h("h1", {}, this.title), tools, this.#table.element);
    return { element, search, filters, sources, told, clear };
  }
}

function makeSearch(title, onText) {
  const search = h("input", { type: "search", class: "search", placeholder: "Search", "aria-label": `Search ${title.toLowerCase()}`, "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false" });
  search.addEventListener("input", () => onText(search.value.trim()));
  h("span", { class: "search-box" }, icon("search"), search, h("kbd", { "aria-hidden": "true" }, "/"));
  return search;
}

function makeFilter(state, router) {
  const number = h("span", { class: "count" });
  const look = () => router.look({ state, page: "" });
  const button = h("button", { type: "button", "aria-pressed": "false", on: { click: look } }, state || "all", " ", number);
  return { button, number };
}

/** `{element, choice, update()}`: of the apps that are watched; hidden where there is one. */
export function sourceChoice({ store, router }) {
  const choice = h("select", {}, h("option", { value: "" }, "All apps"));
  choice.addEventListener("change", () => router.look({ source: choice.value, page: "" }));
  const element = h("label", { class: "source-choice", hidden: true }, h("span", { class: "unseen" }, "App"), choice);
  let known = "";
  const update = () => {
    const sources = [...store.rows("fleet", "sources").values()];
    show(element, sources.length > 1);
    const told = JSON.stringify(sources.map(({ source, app }) => [source, app]));
    if (told === known) return;
    known = told;
    const chosen = router.route().query.source ?? "";
    choice.replaceChildren(h("option", { value: "" }, "All apps"), ...sources.map((one) => h("option", { value: one.source }, `${one.app} (${one.source})`)));
    choice.value = chosen;
  };
  return { element, choice, update };
}
