// Page of the schedule: beat processes, and the entries that they send; problems first.

import { countColumn, linkCell, stateColumn } from "./column.js";
import { fromRow, h, nameLabel, setText, show } from "./dom.js";
import { count, duration, plural } from "./format.js";
import { listPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { BEAT_STATES, ENTRY_STATES } from "./state.js";
import { Table } from "./table.js";
import { ageLabel, dueLabel } from "./ticker.js";

const UNIT = 1e11; // more than any Unix time in seconds

/** @param {Row.Entry} row */
const hrefOf = (row) => subjectHref("tasks", row.source, row.task);
/** @param {Row.Entry} row */
const stateOf = (row) => row.state;

/** Sorts by state, and within a state by the time at which the entry is due. Pure. @param {Pick<Row.Entry, "state" | "due_at">} row */
export const urgencyOf = ({ state, due_at: dueAt }) => Math.max(0, ENTRY_STATES.indexOf(state)) * UNIT - (dueAt ?? UNIT / 2);

/** Returns why an entry is not sent. Pure. @param {Pick<Row.Entry, "state" | "error">} row */
export function reasonOf({ state, error }) {
  if (state === "failing") return error ? `could not be sent: ${error}` : "could not be sent";
  return state === "stopped" ? "its beat does not send" : "";
}

/**
 * Returns the latest sends in a few words: "20 in 12 min, up to 40 ms late, 2 failed". Pure.
 * @param {Pick<Row.Entry, "history">} row
 */
export function historyText({ history }) {
  if (history.length === 0) return "–";
  const total = (/** @type {"sends" | "errors"} */ field) => history.reduce((sum, send) => sum + send[field], 0);
  const [sends, errors] = [total("sends"), total("errors")];
  const span = history[history.length - 1].at - history[0].at;
  const late = Math.max(-1, ...history.map((send) => send.late ?? -1));
  const parts = [
    span > 0 ? `${count(sends)} in ${duration(span)}` : count(sends),
    late < 0 ? "" : late < 0.01 ? "on time" : `up to ${duration(late)} late`,
    errors ? `${count(errors)} failed` : "",
  ];
  return parts.filter(Boolean).join(", ");
}

/** Returns the state of a beat process, or that it waits for a lock. Pure. @param {Pick<Row.Beat, "state" | "is_standby">} row */
export const beatStateOf = ({ state, is_standby: isStandby }) => (isStandby && state === "online" ? "standby" : state);

/** @param {Row.Beat} row */
const detailOf = (row) => [row.app, row.is_embedded ? "in a worker" : "", row.instances > 1 ? `${row.instances} instances` : ""].filter(Boolean).join(" · ");

/**
 * @template R
 * @param {string} id @param {string} label @param {(row: R) => number | null} timeOf @param {Partial<Page.Column<R>>} options
 * @returns {Page.Column<R>}
 */
const dueColumn = (id, label, timeOf, options) => ({
  id,
  label,
  width: 128,
  isNumber: true,
  isDescending: false,
  sortKey: timeOf,
  makeCell: fromRow(dueLabel, (row) => [timeOf(row)]),
  ...options,
});

/**
 * @template {{sent_at: number | null}} R
 * @param {Partial<Page.Column<R>>} options
 * @returns {Page.Column<R>}
 */
const sentColumn = (options) => ({
  id: "sent",
  label: "Last sent",
  width: 132,
  isNumber: true,
  isDescending: true,
  sortKey: (row) => row.sent_at,
  makeCell: fromRow(ageLabel, (row) => [row.sent_at, { after: " ago" }]),
  ...options,
});

/** @type {Page.Column<Row.Entry>[]} */
const COLUMNS = [
  { id: "name", label: "Entry", sortKey: (row) => row.name, makeCell: linkCell((row) => row.name, hrefOf, stateOf, (row) => reasonOf(row) || row.task) },
  { ...stateColumn(stateOf, ENTRY_STATES), sortKey: urgencyOf },
  dueColumn("due", "Due", (row) => row.due_at, {}),
  sentColumn({ width: 124, priority: 2 }),
  {
    id: "late",
    label: "Late",
    hint: "Time by which the latest send was late",
    width: 76,
    priority: 3,
    isNumber: true,
    sortKey: (row) => row.late,
    text: (row) => (row.late === null ? "–" : duration(row.late)),
  },
  { id: "history", label: "Latest sends", width: 210, priority: 4, sortKey: (row) => row.history.length, text: historyText },
  countColumn("sends", "Sent", { width: 70, priority: 4, hint: "Since the start of its beat" }),
  countColumn("errors", "Errors", { width: 80, priority: 3, hint: "Times that it could not be sent" }),
  { id: "schedule", label: "Schedule", width: 160, priority: 3, sortKey: (row) => row.schedule, makeCell: fromRow(nameLabel, (row) => [row.schedule]) },
  { id: "beat", label: "Beat", width: 140, priority: 5, sortKey: (row) => row.hostname, makeCell: fromRow(nameLabel, (row) => [row.hostname]) },
];

function beatName() {
  const [name, detail] = [nameLabel(), nameLabel()];
  const element = h("span", {}, name.element, h("span", { class: "below" }, detail.element));
  /** @param {Row.Beat} row */
  const update = (row) => {
    name.update(row.hostname);
    detail.update(detailOf(row));
  };
  return { element, update };
}

/** @type {Page.Column<Row.Beat>[]} */
const BEAT_COLUMNS = [
  { id: "hostname", label: "Beat", sortKey: (row) => row.hostname, makeCell: beatName },
  { ...stateColumn(beatStateOf, BEAT_STATES), priority: 1 },
  countColumn("entries", "Entries", { width: 84, priority: 2 }),
  dueColumn("next", "Next due", (row) => row.due_at, { priority: 3 }),
  sentColumn({ priority: 2 }),
  countColumn("sends", "Sent", { width: 76, priority: 4, hint: "Since its start" }),
  countColumn("errors", "Errors", { width: 80, priority: 3, hint: "Times that an entry could not be sent" }),
  {
    id: "scheduler",
    label: "Scheduler",
    width: 170,
    priority: 4,
    sortKey: (row) => row.scheduler,
    makeCell: fromRow(nameLabel, (row) => [row.scheduler.replace(/^.*:/, "")]),
  },
  {
    id: "heard",
    label: "Last report",
    hint: "Time of the last report, if the next one is late",
    width: 132,
    priority: 4,
    isNumber: true,
    isDescending: false,
    sortKey: (row) => row.silent_since ?? Infinity,
    makeCell: fromRow(ageLabel, (row) => [row.silent_since, { after: " ago", none: "on time" }]),
  },
];

/** @param {Page.Context} context */
export function schedulePage(context) {
  const { store, router } = context;
  const list = listPage(context, {
    title: "Schedule",
    topic: "schedule",
    noun: "entry",
    nothing: "No beat has reported an entry. `celery beat` must run with celery-gossip and use this broker.",
    columns: COLUMNS,
    defaultSort: "-state",
    href: hrefOf,
    states: ENTRY_STATES,
    stateOf,
    textOf: (row) => `${row.name} ${row.task} ${row.queue} ${row.hostname} ${row.schedule}`,
  });
  const caption = "Beat processes";
  const table = new Table({
    columns: BEAT_COLUMNS,
    defaultSort: "-state",
    empty: "No beat reports.",
    caption,
    router,
    parameter: "beat_",
    pageSize: 10,
    isStale: (row) => row.silent_since !== null || context.isStale(row.source),
  });
  const summary = h("span", { class: "summary" });
  const panel = h("section", { class: "panel" }, h("div", { class: "section-head" }, h("h2", {}, caption), summary), table.element);
  list.element.querySelector("h1")?.after(panel);

  /** @param {Page.Route} route */
  function onRoute(route) {
    list.onRoute(route);
    table.onRoute(route);
  }

  function update() {
    const found = table.update(store.rows("schedule", "beats"));
    show(panel, found > 0);
    setText(summary, plural(found, "process"));
    list.update();
  }

  return { ...list, onRoute, update };
}
