// Main: fetches the configuration, opens the stream, and mounts the page that the address names.
// Events update the store immediately; the page is rendered once per frame, for all events of the frame.

import { openAccount } from "./account.js";
import { banners } from "./banner.js";
import { h } from "./dom.js";
import { errorText } from "./format.js";
import { header } from "./header.js";
import { listenToKeys } from "./keyboard.js";
import { activityPage } from "./page_activity.js";
import { failurePage } from "./page_failure.js";
import { failuresPage } from "./page_failures.js";
import { matrixPage } from "./page_matrix.js";
import { overviewPage } from "./page_overview.js";
import { schedulePage } from "./page_schedule.js";
import { queuePage } from "./page_queue.js";
import { queuesPage } from "./page_queues.js";
import { runPage } from "./page_run.js";
import { runsPage } from "./page_runs.js";
import { taskPage } from "./page_task.js";
import { tasksPage } from "./page_tasks.js";
import { workerPage } from "./page_worker.js";
import { workersPage } from "./page_workers.js";
import { Router } from "./router.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { startTicker, writeAges } from "./ticker.js";
import { serverUrl } from "./url.js";

/**
 * Another subject gets a new page, another query does not.
 * @type {Record<Page.Name, (context: Page.Context, route: Page.SubjectRoute) => Page.Mounted>}
 */
const PAGES = {
  overview: overviewPage,
  queues: queuesPage,
  workers: workersPage,
  matrix: matrixPage,
  tasks: tasksPage,
  schedule: schedulePage,
  queue: queuePage,
  worker: workerPage,
  task: taskPage,
  failures: failuresPage,
  failure: failurePage,
  runs: runsPage,
  run: runPage,
  activity: activityPage,
  missing: missingPage,
};
const KEPT = ["queues", "workers", "tasks"]; // kept in the store, so that these pages open without a delay

/** Elements of index.html. @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const main = byId("main");
const store = new Store();
const router = new Router(onRoute);
const stream = new Stream({ onTables, onState: scheduleRender, isSignedOut });
const top = header(byId("top"), router, () => openAccount(config));
const notices = banners(byId("banners"));
const context = { store, router, config: () => config, isStale, announce };
const CONFIG_INTERVAL = 5000; // milliseconds between two attempts
/** @type {ReturnType<Page.Context["config"]>} */
let config = { boot: "", permissions: [], is_controlled: false, csrf: "", task_url: "", user: "", session: null };
let configError = "";
let configFetchedAt = 0;
/** @type {Page.Mounted | null} */
let page = null;
let mounted = "";
let frame = 0;

/** Returns whether the figures of this source are frozen. @param {string} source */
function isStale(source) {
  const known = store.rows("fleet", "sources").get(source);
  return known !== undefined && (known.isolated_since !== null || !known.is_connected);
}

/** @param {string} text */
function announce(text) {
  byId("announcer").textContent = text;
}

/** Returns the HTTP status, 0 without a response. Sets `configError` to the reason why controls are not available. */
async function fetchConfig() {
  configFetchedAt = Date.now();
  try {
    const response = await fetch(serverUrl("api/config"), { cache: "no-store" });
    configError = response.ok ? "" : `status ${response.status}`;
    if (response.ok) useConfig(await response.json());
    return response.status;
  } catch (error) {
    configError = errorText(error);
    return 0;
  }
}

/** Mounts the page again if the right to control has changed, because a page is built with or without controls. @param {Row.Config} latest */
function useConfig(latest) {
  const hasChanged = String(latest.permissions) !== String(config.permissions);
  config = latest;
  if (!page || !hasChanged) return;
  mount(router.route()).onRoute(router.route());
  scheduleRender();
}

async function isSignedOut() {
  return (await fetchConfig()) === 401;
}

/** @param {Page.TablesEvent} data @param {string} boot */
function onTables(data, boot) {
  // A server that was restarted has another token for commands.
  if ((boot !== config.boot || configError) && Date.now() - configFetchedAt > CONFIG_INTERVAL) fetchConfig();
  store.apply(data);
  scheduleRender();
}

function scheduleRender() {
  if (!document.hidden) frame ||= requestAnimationFrame(render);
}

function render() {
  cancelAnimationFrame(frame);
  frame = 0;
  if (!page) return;
  const findings = [...store.rows("fleet", "findings").values()];
  const critical = findings.filter((finding) => finding.severity === "critical").length;
  document.documentElement.dataset.link = stream.state;
  document.title = `${critical ? `(${critical}) ` : ""}${page.title} · Celery Gossip`;
  top.update({ state: stream.state, critical, isControlled: config.is_controlled, userName: config.session ? config.user : "" });
  notices.update({ stream, store, configError });
  page.update();
  writeAges(store.now());
}

/** @param {Page.Route} route */
function onRoute(route) {
  const subject = JSON.stringify([route.page, route.source, route.name, route.page === "overview" && route.query.source, route.page === "matrix" && route.query.group]);
  const isFirst = mounted === "";
  const isOther = subject !== mounted;
  const current = page && !isOther ? page : mount(route);
  mounted = subject;
  current.onRoute(route);
  watch(current);
  render();
  if (!isOther || isFirst) return;
  main.focus({ preventScroll: true });
  announce(current.title);
}

/** @param {Page.Route} route */
function mount(route) {
  page = PAGES[route.page](context, /** @type {Page.SubjectRoute} */ (route));
  watch(page);
  main.replaceChildren(page.element);
  top.onRoute(route);
  return page;
}

/** The topics of a page may depend on the query. @param {Page.Mounted} mounted */
function watch({ topics }) {
  store.keepOnly([...topics, ...KEPT]);
  stream.watch(topics);
}

function missingPage() {
  const back = h("p", {}, "This address does not exist. ", h("a", { href: "./" }, "Go to the overview"));
  return { title: "Page not found", topics: ["fleet"], element: h("div", { class: "page" }, h("h1", {}, "Page not found"), back), onRoute() {}, update() {} };
}

function tick() {
  stream.check();
  writeAges(store.now());
}

await fetchConfig();
listenToKeys(router);
onRoute(router.route());
startTicker(tick);
