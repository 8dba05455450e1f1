// Router: parses and writes addresses. The path names the page and its subject, the query its filters and sort order.
// parse(), subjectHref() and queryText() are pure.

import { RANGE_PARAMETERS } from "./range.js";

const DOTS = new Set([".", ".."]);
/** @type {Record<string, Page.Name>} */
const SUBJECTS = { queues: "queue", workers: "worker", tasks: "task", failures: "failure", runs: "run" };

/** Returns the route of a path below the base. @param {string} path @returns {Page.Route} */
export function parse(path, search = "") {
  const query = Object.fromEntries(new URLSearchParams(search));
  const [list, source, name, ...rest] = path.split("/");
  if (list === "") return { page: "overview", query };
  if (path === "schedule" || path === "activity" || path === "matrix") return { page: path, query };
  if (!Object.hasOwn(SUBJECTS, list) || rest.length > 0) return { page: "missing", query };
  if (name === "" && DOTS.has(query.name)) return { page: SUBJECTS[list], source: decoded(source), name: query.name, query };
  if (name !== undefined) return { page: SUBJECTS[list], source: decoded(source), name: decoded(name), query };
  return { page: source ? "missing" : /** @type {Page.List} */ (list), query };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Returns an address relative to the base. A URL cannot contain a segment "." or "..", even percent-encoded, because
 * browsers and proxies resolve it; such a name is put into the query.
 * @param {Page.List} list @param {string} source @param {string} name
 */
export function subjectHref(list, source, name) {
  const path = `${list}/${encodeURIComponent(source)}/`;
  return DOTS.has(name) ? `${path}?name=${name}` : path + encodeURIComponent(name);
}

/** Returns the query without empty values, sorted, so that equal views have equal addresses. @param {Page.Query} query */
export function queryText(query) {
  const params = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  params.sort();
  return String(params);
}

/** Returns the query `search` with the period of the charts in `query`, unless it names one itself. @param {string} search @param {Page.Query} query */
export function withRange(search, query) {
  const own = Object.fromEntries(new URLSearchParams(search));
  if (RANGE_PARAMETERS.some((name) => own[name])) return search;
  const kept = RANGE_PARAMETERS.filter((name) => query[name]).map((name) => [name, query[name]]);
  return kept.length > 0 ? queryText({ ...own, ...Object.fromEntries(kept) }) : search;
}

export class Router {
  #base = new URL(document.baseURI).pathname;
  #onRoute;

  /** Calls `onRoute(route)` whenever the address has changed. @param {(route: Page.Route) => void} onRoute */
  constructor(onRoute) {
    this.#onRoute = onRoute;
    addEventListener("popstate", () => onRoute(this.route()));
    document.addEventListener("click", (event) => this.#onClick(event));
  }

  route() {
    return parse(location.pathname.slice(this.#base.length), location.search);
  }

  /** Opens an address; it keeps the period of the charts. @param {string} href */
  go(href) {
    const url = new URL(href, document.baseURI);
    url.search = withRange(url.search, this.route().query);
    history.pushState(null, "", url);
    this.#onRoute(this.route());
    scrollTo(0, 0);
  }

  /** Merges changes into the query; `isReplacing`: without a new entry in the history. @param {Page.Query} changes */
  updateQuery(changes, { isReplacing = false } = {}) {
    const text = queryText({ ...this.route().query, ...changes });
    const href = location.pathname + (text && `?${text}`);
    if (href === location.pathname + location.search) return;
    history[isReplacing ? "replaceState" : "pushState"](null, "", href);
    this.#onRoute(this.route());
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const link = /** @type {HTMLAnchorElement | null} */ (/** @type {Element} */ (event.target).closest?.("a[href]"));
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !isPlain || event.defaultPrevented || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(this.#base) || link.pathname.startsWith(`${this.#base}api/`)) return;
    event.preventDefault();
    // Because of the base element, a bare hash would lead to the overview.
    if (link.hash) document.getElementById(link.hash.slice(1))?.focus();
    else this.go(link.href);
  }
}
