// Header: the name, the way to the pages, whether the page is live, the theme, and help. Made once.

import { openHelp } from "./dialog.js";
import { h, setAttribute, setText, show, svg } from "./dom.js";
import { count } from "./format.js";
import { icon, redraw } from "./icon.js";

const LINKS = [
  ["overview", "", "Overview"],
  ["queues", "queues", "Queues"],
  ["workers", "workers", "Workers"],
  ["tasks", "tasks", "Tasks"],
];
const PARENTS = { queue: "queues", worker: "workers", task: "tasks" };
const LINK_WORDS = { connecting: "connecting", live: "live", lost: "connection lost", "signed-out": "signed out", idle: "resting" };
const THEMES = ["auto", "dark", "light"];

export function header(place) {
  const badge = h("span", { class: "badge", hidden: true });
  const links = new Map(LINKS.map(([page, href, title]) => [page, h("a", { href: href || "./" }, title, page === "overview" && badge)]));
  const link = h("span", { class: "link-state", role: "status" }, h("i", {}), h("span", {}));
  const help = h("button", { type: "button", class: "round", "aria-label": "Keys and help", title: "Keys (?)", on: { click: openHelp } }, "?");
  const brand = h("a", { class: "brand", href: "./", "aria-label": "Celery Gossip, overview" }, mark(), h("span", {}, "Celery Gossip"));
  place.append(brand, h("nav", { class: "pages", "aria-label": "Pages" }, [...links.values()]), h("div", { class: "ends" }, link, themeButton(), help));

  /** `page` of the route. */
  function routed({ page }) {
    for (const [name, element] of links) setAttribute(element, "aria-current", name === (PARENTS[page] ?? page) ? "page" : null);
  }

  function update({ state, critical }) {
    link.dataset.state = state;
    setText(link.lastChild, LINK_WORDS[state]);
    show(badge, critical > 0);
    setText(badge, count(critical));
    setAttribute(badge, "aria-label", `${critical} critical findings`);
  }

  return { routed, update };
}

function mark() {
  const dots = ["16 9.5", "9.5 21.5", "22.5 21.5"].map((at) => at.split(" ")).map(([cx, cy]) => svg("circle", { cx, cy, r: 3.6 }));
  return svg("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true" }, svg("rect", { width: 32, height: 32, rx: 8 }), svg("path", { d: "M9.5 21.5 16 9.5l6.5 12z" }), ...dots);
}

/** Auto, dark, light in turn; kept in this browser. */
function themeButton() {
  const symbol = icon("auto");
  const button = h("button", { type: "button", class: "round" }, symbol);
  const show = (theme) => {
    redraw(symbol, theme);
    setAttribute(button, "aria-label", `Theme: ${theme}`);
    setAttribute(button, "title", `Theme: ${theme}`);
  };
  const current = () => document.documentElement.dataset.theme ?? "auto";
  button.addEventListener("click", () => {
    const theme = THEMES[(THEMES.indexOf(current()) + 1) % THEMES.length];
    choose(theme);
    show(theme);
  });
  show(current());
  return button;
}

function choose(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("gossip-theme", theme);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}
