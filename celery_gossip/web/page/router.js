// Router: what the address says, and addresses of pages. Pure but for the Router, which moves through the history.
// The path names the page and its subject, the query how it is looked at.

const PAGES = ["queues", "workers", "tasks"];
const SUBJECTS = { queues: "queue", workers: "worker", tasks: "task" };

/** `{page, source, name, query}` of a path below the base; page "" is the overview, "missing" one that is none. */
export function parse(path, search = "") {
  const query = Object.fromEntries(new URLSearchParams(search));
  const [list = "", source, ...rest] = path.replace(/^\//, "").split("/");
  if (list === "") return { page: "overview", query };
  if (!PAGES.includes(list)) return { page: "missing", query };
  if (source === undefined || (source === "" && rest.length === 0)) return { page: list, query };
  if (rest.length !== 1) return { page: "missing", query };
  return { page: SUBJECTS[list], source: decoded(source), name: decoded(rest[0]), query };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Relative to the base. */
export const subjectHref = (list, source, name) => `${list}/${encodeURIComponent(source)}/${encodeURIComponent(name)}`;

/** The query without what is empty; sorted, so that equal views have equal addresses. */
export function queryText(query) {
  const told = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return new URLSearchParams(told.sort(([a], [b]) => (a < b ? -1 : 1))).toString();
}

export class Router {
  #base = new URL(document.baseURI).pathname;
  #onRoute;

  /** `onRoute(route)` whenever the address has changed. */
  constructor(onRoute) {
    this.#onRoute = onRoute;
    addEventListener("popstate", () => onRoute(this.route()));
    document.addEventListener("click", (event) => this.#clicked(event));
  }

  route() {
    return parse(location.pathname.slice(this.#base.length), location.search);
  }

  go(href) {
    history.pushState(null, "", new URL(href, document.baseURI));
    this.#onRoute(this.route());
  }

  /** Merge into the query; `isMinor`: the back button need not undo it. */
  look(changes, { isMinor = false } = {}) {
    const text = queryText({ ...this.route().query, ...changes });
    const href = location.pathname + (text ? `?${text}` : "");
    if (href === location.pathname + location.search) return;
    if (isMinor) history.replaceState(null, "", href);
    else history.pushState(null, "", href);
    this.#onRoute(this.route());
  }

  #clicked(event) {
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    const link = event.target.closest?.("a[href]");
    if (!isPlain || !link || event.defaultPrevented || link.target || link.origin !== location.origin) return;
    // A hash in the page is the browser's own matter, save that the base would lead it elsewhere.
    if (link.getAttribute("href").startsWith("#")) {
      event.preventDefault();
      document.getElementById(link.hash.slice(1))?.focus();
      return;
    }
    if (!link.pathname.startsWith(this.#base) || link.pathname.startsWith(`${this.#base}api/`)) return;
    event.preventDefault();
    this.go(link.href);
  }
}
