// Router: what the address says, and addresses of pages. The path names the page and its subject, the query how it is
// looked at. parse(), subjectHref() and queryText() are pure.

const SUBJECTS = { queues: "queue", workers: "worker", tasks: "task" };

/** `{page, source, name, query}` of a path below the base. */
export function parse(path, search = "") {
  const query = Object.fromEntries(new URLSearchParams(search));
  const [list, source, name, ...rest] = path.split("/");
  if (list === "") return { page: "overview", query };
  if (!Object.hasOwn(SUBJECTS, list) || rest.length > 0) return { page: "missing", query };
  if (name !== undefined) return { page: SUBJECTS[list], source: decoded(source), name: decoded(name), query };
  return { page: source ? "missing" : list, query };
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

/** Without what is empty, and sorted, so that equal views have equal addresses. */
export function queryText(query) {
  const told = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  told.sort();
  return String(told);
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
    scrollTo(0, 0);
  }

  /** Merge into the query; `isMinor`: the back button need not undo it. */
  look(changes, { isMinor = false } = {}) {
    const text = queryText({ ...this.route().query, ...changes });
    const href = location.pathname + (text && `?${text}`);
    if (href === location.pathname + location.search) return;
    history[isMinor ? "replaceState" : "pushState"](null, "", href);
    this.#onRoute(this.route());
  }

  #clicked(event) {
    const link = event.target.closest?.("a[href]");
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !isPlain || event.defaultPrevented || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(this.#base) || link.pathname.startsWith(`${this.#base}api/`)) return;
    event.preventDefault();
    // The base would lead a bare hash to the overview.
    if (link.hash) document.getElementById(link.hash.slice(1))?.focus();
    else this.go(link.href);
  }
}
