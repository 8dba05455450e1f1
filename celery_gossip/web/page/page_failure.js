// Page of one group of failures: figures, and the latest failures with their messages and tracebacks.

import { fromRow, h, nameElement, setText, show } from "./dom.js";
import { count, duration, plural } from "./format.js";
import { printable } from "./printable.js";
import { subjectHref } from "./router.js";
import { runHref } from "./sighting.js";
import { statList } from "./stat_list.js";
import { ageLabel } from "./ticker.js";

const AGO = { after: " ago" };

/** @param {readonly string[]} names @param {string} noun */
const others = (names, noun) => (names.length > 1 ? `and ${plural(names.length - 1, noun)} more` : "");

/** @type {Page.Stat<Row.FailureGroup>[]} */
const STATS = [
  { label: "Failures", hint: "Of those that this server keeps", text: (row) => count(row.count), note: (row) => `${count(row.last_hour)} in the last hour` },
  { label: "Last", makeValue: fromRow(ageLabel, (row) => [row.last_at, AGO]) },
  { label: "First", makeValue: fromRow(ageLabel, (row) => [row.first_at, AGO]), note: () => "of those kept" },
  { label: "Code line", isWide: true, text: (row) => printable(row.line) || "–", note: (row) => (row.line ? "" : "see the setting gossip_failure_details") },
  { label: "Queue", isWide: true, text: (row) => printable(row.queues[0] ?? "") || "–", note: (row) => others(row.queues, "queue") },
  { label: "Worker", isWide: true, text: (row) => printable(row.hostnames[0] ?? "") || "–", note: (row) => others(row.hostnames, "worker") },
];

/** Returns the address of a task elsewhere; empty without a template. Pure. @param {string} template @param {string} id */
export const taskUrl = (template, id) => template && id && template.replaceAll("{id}", encodeURIComponent(id));

/** Returns what is known about a failure beside its message, in one line. Pure. @param {Pick<Row.Failure, "runtime" | "retries">} row */
export function caseNotes({ runtime, retries }) {
  const ran = runtime === null ? "" : `after ${duration(runtime)}`;
  const tried = retries ? `after ${count(retries)} ${retries === 1 ? "retry" : "retries"}` : "";
  return [ran, tried].filter(Boolean).join(", ");
}

/** `line`: the code line of the group. @param {Row.Failure} row @param {string} line @param {Page.Context} context */
function caseItem(row, line, context) {
  const since = ageLabel();
  since.update(row.at, AGO);
  const href = taskUrl(context.config().task_url, row.id);
  const id = nameElement(row.id || "–", "code");
  const own = row.id ? h("a", { href: runHref(row) }, id) : id;
  const link = href ? h("a", { href, target: "_blank", rel: "noopener noreferrer" }, id) : own;
  const worker = h("a", { href: subjectHref("workers", row.source, row.hostname) }, nameElement(row.hostname));
  const queue = row.queue !== "" && h("a", { href: subjectHref("queues", row.source, row.queue) }, nameElement(row.queue));
  const head = h("div", { class: "case-head" }, since.element, link, worker, queue, h("span", { class: "summary" }, caseNotes(row)));
  const message = row.message !== null && h("p", { class: "case-message" }, h("bdi", {}, printable(row.message) || "(no message)"));
  const frames = row.traceback.length > 0 && h("ol", { class: "frames" }, row.traceback.map((frame) => h("li", { class: frame === line && "own" }, h("code", {}, printable(frame)))));
  return h("li", {}, head, message, frames);
}

/** @param {Page.Context} context */
function caseList(context) {
  const list = h("ul", { class: "cases" });
  const hint = h("p", { class: "quiet" }, "The workers report neither messages nor tracebacks: see the setting gossip_failure_details.");
  const note = h("p", { class: "quiet" }, "Frames are module:function:line, outermost call first.");
  const head = h("div", { class: "section-head" }, h("h2", {}, "Latest failures"));
  const element = h("section", { class: "panel" }, head, hint, list, note);
  let shown = "";
  /** @param {ReadonlyMap<string, Row.Failure>} cases @param {string} line */
  const update = (cases, line) => {
    const rows = [...cases].sort(([, a], [, b]) => b.at - a.at);
    const keys = rows.map(([key]) => key).join("\n");
    if (keys === shown) return;
    shown = keys;
    show(hint, rows.every(([, row]) => row.message === null && row.traceback.length === 0));
    show(note, rows.some(([, row]) => row.traceback.length > 0));
    list.replaceChildren(...rows.map(([, row]) => caseItem(row, line, context)));
  };
  return { element, update };
}

/** @param {Page.Context} context @param {Page.SubjectRoute} route @returns {Page.Mounted} */
export function failurePage(context, route) {
  const { store } = context;
  const topic = `failure:${route.source}/${route.name}`;
  const [headline, cases] = [statList(STATS), caseList(context)];
  const [exception, task] = [h("h1"), h("a")];
  const crumb = h("nav", { class: "crumb", "aria-label": "Breadcrumb" }, h("a", { href: "failures" }, "Failures"));
  const missing = h("p", { class: "quiet", hidden: true }, "No failure of this kind is kept any more.");
  const body = h("div", { class: "page" }, headline.element, cases.element);
  const head = h("div", { class: "subject-head" }, exception, task);
  const element = h("div", { class: "page" }, h("div", {}, crumb, head), missing, body);
  const mounted = { title: "Failure", topics: ["fleet", topic], element, onRoute() {}, update };

  function update() {
    const row = store.singleRow(topic, "failure");
    show(missing, row === null && store.has(topic));
    for (const one of [body, head]) show(one, row !== null);
    if (row === null) return;
    setText(exception, printable(row.exception));
    setText(task, printable(row.task));
    task.href = subjectHref("tasks", row.source, row.task);
    mounted.title = `${printable(row.exception)} in ${printable(row.task)} · Failures`;
    body.classList.toggle("stale", context.isStale(row.source));
    headline.update(row);
    cases.update(store.rows(topic, "cases"), row.line);
  }

  return mounted;
}
