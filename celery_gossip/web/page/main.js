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
import { Ticker } from "./ticker.js";

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
const top = header(document.getElementById("top"));
const notes = banners(document.getElementById("banners"), () => store.now());
const stream = new Stream({ onTables, onState: paint, isSignedOut });
const ticker = new Ticker(store);
const context = { store, router, config: () => config, isStale, announce };
let config = { boot: "", may_control: false, csrf: "", sources: [] };
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
  const response = await fetch(new URL("api/config", document.baseURI), { cache: "no-store" });
  if (response.ok) config = await response.json();
  return response.status;
}

async function isSignedOut() {
  return (await fetchConfig().catch(() => 0)) === 401;
}

function onTables(told, boot) {
  // A server that was started anew has another token for acts.
  if (boot && config.boot && boot !== config.boot) fetchConfig().catch(() => 0);
  store.apply(told);
  paint();
}

function paint() {
  if (document.hidden || frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    paintNow();
  });
}

function paintNow() {
  const findings = [...store.rows("fleet", "findings").values()];
  const critical = findings.filter((finding) => finding.severity === "critical").length;
  document.documentElement.dataset.link = stream.state;
  top.update({ state: stream.state, critical });
  notes.update({ stream, store });
  document.title = `${critical ? `(${critical}) ` : ""}${page.title} · Celery Gossip`;
  page.update();
}

function routed(route) {
  const subject = JSON.stringify([route.page, route.source, route.name, route.page === "overview" ? route.query.source : ""]);
  if (subject !== mounted) mount(route, subject);
  page.routed(route);
  paintNow();
}

function mount(route, subject) {
  const isFirst = mounted === "";
  mounted = subject;
  page = PAGES[route.page](context, route);
  store.keep([...page.topics, ...KEPT]);
  stream.watch(page.topics);
  main.replaceChildren(page.element);
  top.routed(route);
  if (isFirst) return;
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
  announce(page.title);
}

function missingPage() {
  const element = h("div", { class: "page" }, h("h1", {}, "Not here"), h("p", { class: "quiet" }, "There is no such page. ", h("a", { href: "./" }, "To the overview")));
  return { title: "Not here", topics: ["fleet"], element, routed() {}, update() {} };
}

async function start() {
  const status = await fetchConfig().catch(() => 0);
  if (status === 401) {
    location.reload();
    return;
  }
  listenToKeys(router);
  routed(router.route());
  ticker.each(() => stream.check());
}

start();
