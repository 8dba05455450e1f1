// Main: starts the page: asks for its configuration, opens the stream, and mounts the page that the address names.
// Events change the store at once; what is shown is brought up to it once a frame, for all events of the frame.

import { banners } from "./banner.js";
import { h } from "./dom.js";
import { header } from "./header.js";
import { listenToKeys } from "./key.js";
import { overviewPage } from "./page_overview.js";
import { queuePage } from "./page_queue.js";
import { queuesPage } from "./page_queues.js";
import { taskPage } from "./page_task.js";
import { tasksPage } from "./page_tasks.js";
import { workerPage } from "./page_worker.js";
import { workersPage } from "./page_workers.js";
import { Router } from "./router.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { startTicker, writeAges } from "./ticker.js";

/** A page: `{title, topics, element, routed(route), update()}`; made anew for another subject, not for another look. */
const PAGES = {
  overview: overviewPage,
  queues: queuesPage,
  workers: workersPage,
  tasks: tasksPage,
  queue: queuePage,
  worker: workerPage,
  task: taskPage,
  missing: missingPage,
};
const KEPT = ["queues", "workers", "tasks"]; // shown at once when the reader comes back, until they are told anew

const main = document.getElementById("main");
const store = new Store();
const router = new Router(routed);
const stream = new Stream({ onTables, onState: paint, isSignedOut });
const top = header(document.getElementById("top"));
const notes = banners(document.getElementById("banners"));
const context = { store, router, config: () => config, isStale, announce };
let config = { boot: "", may_control: false, csrf: "" };
let page = null;
let mounted = "";
let frame = 0;

/** Whether what is shown of this source is frozen. */
function isStale(source) {
  const known = store.rows("fleet", "sources").get(source);
  return Boolean(known) && (known.isolated_since !== null || !known.is_connected);
}

function announce(text) {
  document.getElementById("announcer").textContent = text;
}

async function fetchConfig() {
  try {
    const response = await fetch(new URL("api/config", document.baseURI), { cache: "no-store" });
    if (response.ok) config = await response.json();
    return response.status;
  } catch {
    return 0;
  }
}

async function isSignedOut() {
  return (await fetchConfig()) === 401;
}

function onTables(told, boot) {
  // A server that was started anew has another token for acts.
  if (boot !== config.boot) fetchConfig();
  store.apply(told);
  paint();
}

function paint() {
  if (!document.hidden) frame ||= requestAnimationFrame(paintNow);
}

function paintNow() {
  cancelAnimationFrame(frame);
  frame = 0;
  const findings = [...store.rows("fleet", "findings").values()];
  const critical = findings.filter((finding) => finding.severity === "critical").length;
  document.documentElement.dataset.link = stream.state;
  document.title = `${critical ? `(${critical}) ` : ""}${page.title} · Celery Gossip`;
  top.update({ state: stream.state, critical });
  notes.update({ stream, store });
  page.update();
  writeAges(store.now());
}

function routed(route) {
  const subject = JSON.stringify([route.page, route.source, route.name, route.page === "overview" && route.query.source]);
  if (subject !== mounted) mount(route);
  const isFirst = mounted === "";
  const isOther = subject !== mounted;
  mounted = subject;
  page.routed(route);
  paintNow();
  if (!isOther || isFirst) return;
  main.focus({ preventScroll: true });
  announce(page.title);
}

function mount(route) {
  page = PAGES[route.page](context, route);
  store.keep([...page.topics, ...KEPT]);
  stream.watch(page.topics);
  main.replaceChildren(page.element);
  top.routed(route);
}

function missingPage() {
  const back = h("p", {}, "There is no such page. ", h("a", { href: "./" }, "To the overview"));
  return { title: "Not here", topics: ["fleet"], element: h("div", { class: "page" }, h("h1", {}, "Not here"), back), routed() {}, update() {} };
}

function tick() {
  stream.check();
  writeAges(store.now());
}

await fetchConfig();
listenToKeys(router);
routed(router.route());
startTicker(tick);
