// Page of one task run, by its id: where it is or was seen last, its error, and what its worker is blocked in.

import { runsControl } from "./control.js";
import { copyButton } from "./copy.js";
import { fromRow, h, nameElement, setAttribute, setName, setText, show } from "./dom.js";
import { count, duration } from "./format.js";
import { taskUrl } from "./page_failure.js";
import { printable } from "./printable.js";
import { subjectHref } from "./router.js";
import { coverageText, stateText } from "./sighting.js";
import { stateLabel } from "./state.js";
import { statList } from "./stat_list.js";
import { ageLabel, dueLabel } from "./ticker.js";

const NEVER_LISTED = "Workers list the tasks that run or wait when they report. A task that ended between two reports, or that waits on the broker, is in no list.";

/** Shows a name as a link, or a dash. @param {Page.List} list @returns {Page.Part<[string, string]>} */
function nameLink(list) {
  const [link, none] = [h("a"), h("span", {}, "–")];
  const element = h("span", { class: "name" }, link, none);
  /** @param {string} source @param {string} name */
  const update = (source, name) => {
    setName(link, name);
    setAttribute(link, "href", subjectHref(list, source, name));
    show(link, name !== "");
    show(none, name === "");
  };
  return { element, update };
}

/** @param {Row.Sighting} row */
const isListed = (row) => row.state === "running" || row.was === "running" || row.state === "failed";

/** @param {Row.Sighting} row */
const limitText = ({ soft_time_limit: soft, time_limit: hard }) => [soft && `${duration(soft)} soft`, hard && duration(hard)].filter(Boolean).join(", ") || "–";

/** @type {Page.Stat<Row.Sighting>[]} */
const STATS = [
  { label: "Task", isWide: true, makeValue: fromRow(() => nameLink("tasks"), (row) => [row.source, row.name]) },
  { label: "Worker", isWide: true, makeValue: fromRow(() => nameLink("workers"), (row) => [row.source, row.hostname]), note: (row) => row.worker_state || "not known any more" },
  { label: "Queue", makeValue: fromRow(() => nameLink("queues"), (row) => [row.source, row.queue]) },
  { label: "Since", hint: "Of a task that waits: since its worker has it, at the latest", makeValue: fromRow(ageLabel, (row) => [row.since, { after: " ago" }]), note: (row) => (isListed(row) ? "started" : "received") },
  { label: "ETA", makeValue: fromRow(dueLabel, (row) => [row.due_at]) },
  { label: "Last report", hint: "That listed it; of a failure the failure itself", makeValue: fromRow(ageLabel, (row) => [row.seen_at, { after: " ago" }]) },
  { label: "Retries", text: (row) => count(row.retries), note: (row) => (row.is_redelivered ? "redelivered" : "") },
  { label: "Time limit", text: limitText },
];

/** @param {string} title @param {string} hint */
function framesPart(title, hint) {
  const list = h("ol", { class: "frames" });
  const element = h("div", {}, h("div", { class: "section-head" }, h("h3", {}, title)), h("p", { class: "quiet" }, hint), list);
  let shown = "";
  /** @param {readonly string[]} frames @param {string} own */
  const update = (frames, own) => {
    show(element, frames.length > 0);
    if (shown === frames.join("\n")) return;
    shown = frames.join("\n");
    list.replaceChildren(...frames.map((frame) => h("li", { class: frame === own && "own" }, h("code", {}, printable(frame)))));
  };
  return { element, update };
}

/** Shows one place where the task is, or was. @param {Page.Context} context @returns {Page.Part<[Row.Sighting]>} */
function place(context) {
  const [label, words, facts] = [stateLabel(), h("span"), statList(STATS)];
  const [message, group] = [h("p", { class: "case-message" }), h("a", {}, "All failures of this kind")];
  const traceback = framesPart("Traceback", "module:function:line, outermost call first");
  const stack = framesPart("Its worker is blocked in", "module:function:line of the event loop of the worker, innermost call first. In a solo pool this is the task.");
  const noDetails = h("p", { class: "quiet" }, "Its worker reports neither message nor traceback: see the setting gossip_failure_details.");
  const head = h("div", { class: "section-head" }, h("h2", {}, label.element, words), group);
  const element = h("section", { class: "panel run" }, head, facts.element, message, traceback.element, noDetails, stack.element);
  /** @param {Row.Sighting} row */
  const update = (row) => {
    label.update(row.state);
    setText(words, stateText(row, context.store.now()));
    facts.update(row);
    const hasDetails = row.message !== null || row.traceback.length > 0;
    show(message, row.state === "failed" && row.message !== null);
    setText(message, printable(row.message || "(no message)"));
    traceback.update(row.traceback, row.line);
    stack.update(row.stack, "");
    show(noDetails, row.state === "failed" && !hasDetails);
    show(group, row.group !== "");
    setAttribute(group, "href", subjectHref("failures", row.source, row.group));
  };
  return { element, update };
}

/** @param {Page.Context} context @param {Page.SubjectRoute} route @returns {Page.Mounted} */
export function runPage(context, route) {
  const { store } = context;
  const topic = `run:${route.source}/${route.name}`;
  const [coverage, loading] = [h("p"), h("p", { class: "quiet" }, "Loading…")];
  const unknown = h("section", { class: "panel quiet" }, coverage, h("p", {}, NEVER_LISTED));
  const copy = copyButton(context.announce);
  copy.update(route.name);
  const crumb = h("nav", { class: "crumb", "aria-label": "Breadcrumb" }, h("a", { href: "runs" }, "Runs"));
  const elsewhere = h("a", { target: "_blank", rel: "noopener noreferrer" }, "Open elsewhere");
  const revoke = runsControl(context, () => [{ source: route.source, id: route.name }], "Revoke…");
  const control = h("div", { class: "control" }, revoke);
  const head = h("div", { class: "subject-head" }, h("h1", {}, nameElement(route.name, "code")), copy.element, elsewhere, control);
  const list = h("div", { class: "page" });
  const element = h("div", { class: "page" }, h("div", {}, crumb, head), loading, unknown, list);
  /** @type {Map<string, Page.Part<[Row.Sighting]>>} */
  const places = new Map();

  function update() {
    const rows = store.rows(topic, "sightings");
    show(loading, !store.has(topic));
    show(unknown, store.has(topic) && rows.size === 0);
    setText(coverage, coverageText(store.rows(topic, "coverage").values(), store.now()));
    const href = taskUrl(context.config().task_url, route.name);
    show(elsewhere, href !== "");
    setAttribute(elsewhere, "href", href || null);
    for (const [key, part] of places) if (!rows.has(key)) places.delete(key) && part.element.remove();
    const order = [...rows.keys()].sort((a, b) => Number(a.slice(a.lastIndexOf("/") + 1)) - Number(b.slice(b.lastIndexOf("/") + 1)));
    order.forEach((key, at) => {
      const part = places.get(key) ?? place(context);
      places.set(key, part);
      part.update(/** @type {Row.Sighting} */ (rows.get(key)));
      if (list.children[at] !== part.element) list.insertBefore(part.element, list.children[at] ?? null);
    });
    list.classList.toggle("stale", context.isStale(route.source));
  }

  return { title: `${printable(route.name)} · Runs`, topics: ["fleet", topic], element, onRoute() {}, update };
}
