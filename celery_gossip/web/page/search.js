// Search: the box in the header that finds a task by its id, and tasks, queues and workers by their names.
// A combobox with a list of results; the arrow keys choose one, Enter opens it, or the first.

import { h, nameElement, setAttribute, show } from "./dom.js";
import { errorText } from "./format.js";
import { icon } from "./icon.js";
import { printable } from "./printable.js";
import { subjectHref } from "./router.js";
import { coverageText, runHref, stateText } from "./sighting.js";
import { serverUrl } from "./url.js";

const PAUSE = 150; // milliseconds without a key after which the search begins
const MAX_SHOWN = 6; // results of one kind
const MAX_TEXT = 255;
const MIN_ID = 8; // characters from which on a text may be an id that nothing is known about
/** @type {Record<string, Page.List>} */
const LISTS = { task: "tasks", queue: "queues", worker: "workers" };

/**
 * Returns `{kind, name, note, href}` of the results, in order. Pure.
 * @param {Row.SearchResult} answer @param {string} text @returns {Page.Found[]}
 */
export function resultsOf(answer, text) {
  const several = answer.coverage.length > 1;
  /** @param {string} source */
  const label = (source) => (several ? ` · broker ${source}` : "");
  const first = answer.sightings.filter((row, at, all) => all.findIndex((one) => one.id === row.id && one.source === row.source) === at);
  const found = first.slice(0, MAX_SHOWN).map((row) => ({
    kind: "run",
    name: row.id,
    note: `${row.name || "unknown task"} on ${row.hostname} ${stateText(row, answer.now)}${label(row.source)}`,
    href: runHref(row),
  }));
  for (const kind of Object.keys(LISTS)) {
    const names = answer.names.filter((one) => one.kind === kind).slice(0, MAX_SHOWN);
    found.push(...names.map((one) => ({ kind, name: one.name, note: `${kind}${label(one.source)}`, href: subjectHref(LISTS[kind], one.source, one.name) })));
  }
  if (found.length || text.length < MIN_ID || !answer.coverage.length) return found;
  const { source } = answer.coverage[0];
  return [{ kind: "none", name: text, note: coverageText(answer.coverage, answer.now), href: runHref({ source, id: text }) }];
}

/** @param {string} text @param {AbortSignal} signal @returns {Promise<Row.SearchResult>} */
async function ask(text, signal) {
  const response = await fetch(serverUrl(`api/search?${new URLSearchParams({ q: text })}`), { cache: "no-store", signal });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `status ${response.status}`);
  return answer;
}

/** @param {{go: (href: string) => void}} router */
export function searchBox(router) {
  const input = h("input", {
    type: "search",
    class: "search",
    role: "combobox",
    placeholder: "Find a task, queue or worker",
    "aria-label": "Find a task by its id, or a task, queue or worker by its name",
    "aria-keyshortcuts": "/",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": "found",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: MAX_TEXT,
  });
  const list = h("ul", { id: "found", class: "found", role: "listbox", "aria-label": "Results", hidden: true });
  const status = h("p", { class: "found quiet", role: "status", hidden: true });
  const element = h("search", { class: "search-box finder" }, icon("search"), input, h("kbd", { "aria-hidden": "true" }, "/"), list, status);
  /** @type {Page.Found[]} */
  let found = [];
  let chosen = -1;
  let [asked, isOpening] = ["", false];
  let request = new AbortController();
  let timer = 0;

  function close() {
    clearTimeout(timer);
    request.abort();
    [asked, isOpening, found, chosen] = ["", false, [], -1];
    show(list, false);
    show(status, false);
    setAttribute(input, "aria-expanded", "false");
    setAttribute(input, "aria-activedescendant", null);
  }

  /** @param {string} text */
  function say(text) {
    status.textContent = text;
    show(status, text !== "");
  }

  /** @param {Page.Found} one */
  function open({ href }) {
    close();
    input.value = "";
    input.blur();
    router.go(href);
  }

  /** @param {number} at */
  function choose(at) {
    chosen = at;
    [...list.children].forEach((option, index) => {
      setAttribute(option, "aria-selected", String(index === at));
      if (index === at) option.scrollIntoView({ block: "nearest" });
    });
    setAttribute(input, "aria-activedescendant", at < 0 ? null : `found-${at}`);
  }

  /** @param {Page.Found} one @param {number} at */
  function option(one, at) {
    const name = nameElement(one.name, one.kind === "run" || one.kind === "none" ? "code" : "");
    const item = h("li", { id: `found-${at}`, role: "option", "aria-selected": "false" }, name, h("span", { class: "summary" }, printable(one.note)));
    item.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus, which closes the list when lost
    item.addEventListener("click", () => open(one));
    return item;
  }

  async function search() {
    clearTimeout(timer);
    const text = input.value.trim();
    if (text === "") return close();
    if (text === asked) return;
    asked = text;
    request.abort();
    request = new AbortController();
    const { signal } = request;
    try {
      const answer = await ask(text, signal);
      if (!signal.aborted) useAnswer(resultsOf(answer, text));
    } catch (error) {
      if (signal.aborted) return;
      asked = "";
      isOpening = false;
      show(list, false);
      say(`Cannot search: ${errorText(error)}`);
    }
  }

  /** @param {Page.Found[]} latest */
  function useAnswer(latest) {
    found = latest;
    list.replaceChildren(...found.map(option));
    show(list, found.length > 0);
    say(found.length ? "" : "Nothing has this name, and no task this id.");
    setAttribute(input, "aria-expanded", String(found.length > 0));
    choose(-1);
    if (isOpening && found.length) open(found[0]);
    isOpening = false;
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) choose((chosen + step + found.length + (chosen < 0 && step < 0 ? 1 : 0)) % found.length);
    else if (event.key === "Enter" && input.value.trim() === asked && found.length) open(found[Math.max(0, chosen)]);
    else if (event.key === "Enter") {
      isOpening = true;
      search();
    } else if (event.key === "Escape") close();
    if (step || event.key === "Enter") event.preventDefault();
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    isOpening = false;
    timer = setTimeout(search, PAUSE);
  });
  input.addEventListener("keydown", onKey);
  input.addEventListener("focus", search);
  input.addEventListener("blur", close);
  return { element };
}
