// Header: name, navigation, state of the connection, theme and help. Created once.

import { openHelp } from "./dialog.js";
import { button, h, nameLabel, setAttribute, setText, show, svg } from "./dom.js";
import { count } from "./format.js";
import { icon, redraw } from "./icon.js";

const LINKS = {
  overview: "./",
  queues: "queues",
  workers: "workers",
  tasks: "tasks",
  failures: "failures",
  schedule: "schedule",
};
/** @type {Partial<Record<Page.Name, string>>} */
const PARENTS = { queue: "queues", worker: "workers", task: "tasks", failure: "failures" };
const THEMES = ["auto", "dark", "light"];

/** @param {HTMLElement} place @param {() => void} onAccount */
export function header(place, onAccount) {
  const [number, link] = [h("span"), h("span")];
  const badge = h("span", { class: "badge", hidden: true }, number, h("span", { class: "visually-hidden" }, " critical"));
  const links = Object.entries(LINKS).map(([page, href]) => /** @type {const} */ ([page, h("a", { href }, page[0].toUpperCase() + page.slice(1))]));
  links[0][1].append(badge);
  const linkState = h("span", { class: "link-state", role: "status" }, h("i"), link);
  const help = button("?", openHelp, { class: "round", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)" });
  const user = nameLabel();
  const account = button(user.element, onAccount, { class: "account", hidden: true });
  const brand = h("a", { class: "brand", href: "./" }, mark(), h("span", {}, "Celery Gossip"));
  const pages = h("nav", { class: "pages", "aria-label": "Pages" }, links.map(([, element]) => element));
  place.append(brand, pages, h("div", { class: "header-end" }, linkState, account, themeButton(), help));

  /** @param {Page.Route} route */
  function onRoute({ page }) {
    for (const [name, element] of links) setAttribute(element, "aria-current", name === (PARENTS[page] ?? page) && "page");
  }

  /**
   * `state`: of the stream; `critical`: number of critical findings; `userName`: of the session, empty without one.
   * @param {{state: string, critical: number, userName: string}} view
   */
  function update({ state, critical, userName }) {
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
