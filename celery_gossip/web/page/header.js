// Header: name, navigation, search, state of the connection, theme and help. Created once.

import { openHelp } from "./dialog.js";
import { button, h, nameLabel, setAttribute, setText, show, svg } from "./dom.js";
import { count } from "./format.js";
import { icon, redraw } from "./icon.js";
import { searchBox } from "./search.js";

const LINKS = {
  overview: "./",
  queues: "queues",
  workers: "workers",
  matrix: "matrix",
  tasks: "tasks",
  runs: "runs",
  failures: "failures",
  schedule: "schedule",
  activity: "activity",
};
/** @type {Partial<Record<Page.Name, string>>} */
const PARENTS = { queue: "queues", worker: "workers", task: "tasks", failure: "failures", run: "runs" };
const THEMES = ["auto", "dark", "light"];

/** @param {HTMLElement} place @param {import("./router.js").Router} router @param {() => void} onAccount */
export function header(place, router, onAccount) {
  const [number, link] = [h("span"), h("span")];
  const badge = h("span", { class: "badge", hidden: true }, number, h("span", { class: "visually-hidden" }, " critical"));
  const links = Object.entries(LINKS).map(([page, href]) => /** @type {const} */ ([page, h("a", { href }, page[0].toUpperCase() + page.slice(1))]));
  links[0][1].append(badge);
  const activity = links[links.length - 1][1];
  show(activity, false);
  const linkState = h("span", { class: "link-state", role: "status" }, h("i"), link);
  const help = button("?", openHelp, { class: "round", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)" });
  const user = nameLabel();
  const account = button(user.element, onAccount, { class: "account", hidden: true });
  const brand = h("a", { class: "brand", href: "./" }, mark(), h("span", {}, "Celery Gossip"));
  const pages = h("nav", { class: "pages", "aria-label": "Pages" }, links.map(([, element]) => element));
  place.append(brand, pages, searchBox(router).element, h("div", { class: "header-end" }, linkState, account, themeButton(), help));

  let current = links[0][1];
  /** Scrolls the navigation of narrow screens to the current page. */
  const reveal = () => (pages.scrollLeft = current.offsetLeft - pages.offsetLeft - pages.clientWidth / 2);

  /** @param {Page.Route} route */
  function onRoute({ page }) {
    for (const [name, element] of links) {
      const isCurrent = name === (PARENTS[page] ?? page);
      setAttribute(element, "aria-current", isCurrent && "page");
      if (isCurrent) current = element;
    }
    reveal();
  }

  /**
   * `state`: of the stream; `critical`: number of critical findings; `isControlled`: whether users can send commands;
   * `userName`: of the session, empty without one.
   * @param {{state: string, critical: number, isControlled: boolean, userName: string}} view
   */
  function update({ state, critical, isControlled, userName }) {
    if (activity.hidden === isControlled) {
      show(activity, isControlled);
      reveal();
    }
    show(account, userName !== "");
    user.update(userName);
    setAttribute(account, "aria-label", `Account: ${userName}`);
    linkState.dataset.state = state;
    setText(link, state === "lost" ? "connection lost" : state);
    show(badge, critical > 0);
    setText(number, count(critical));
  }

  return { onRoute, update };
}

function mark() {
  const dots = [[16, 9.5], [9.5, 21.5], [22.5, 21.5]].map(([cx, cy]) => svg("circle", { cx, cy, r: 3.6 }));
  const box = svg("rect", { width: 32, height: 32, rx: 8 });
  return svg("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true" }, box, svg("path", { d: "M9.5 21.5 16 9.5l6.5 12z" }), dots);
}

/** Switches between auto, dark and light; the browser stores the choice. */
function themeButton() {
  const symbol = icon();
  const root = document.documentElement;
  const face = button(symbol, () => choose(THEMES[(THEMES.indexOf(current()) + 1) % THEMES.length]), { class: "round" });
  const current = () => root.dataset.theme ?? "auto";
  const update = () => {
    redraw(symbol, current());
    for (const name of ["aria-label", "title"]) setAttribute(face, name, `Theme: ${current()}`);
  };
  /** @param {string} theme */
  const choose = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    update();
    try {
      localStorage.setItem("gossip-theme", theme);
    } catch {
      // Storage may be forbidden; then the choice lasts until the page is closed.
    }
  };
  update();
  return face;
}
