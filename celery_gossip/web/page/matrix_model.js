// Matrix model: order, filters and texts of the matrix of workers and queues. Pure.

import { count, percent, plural } from "./format.js";
import { printable } from "./printable.js";
import { WORKER_STATES, queueState } from "./state.js";

/** `{name in the address: label}` of what a row is. */
export const GROUPS = { queues: "Same queues", host: "Host", worker: "Worker" };
const FULL_MEMORY = 0.9; // share of a limit
const LATE = 1; // seconds of loop lag
const WORST_FIRST = WORKER_STATES.filter((state) => state !== "online").reverse();

/** @typedef {readonly [number, number, number, number, number]} Figures workers, paused, slots, active, reserved */

/** Returns the state of a column: that of its queue, or "full" if tasks wait for a slot. @param {Row.MatrixQueue} queue */
export function columnState(queue) {
  const state = queueState(queue);
  const waits = queue.reserved > 0 || (queue.backlog ?? 0) > 0;
  return state === "running" && queue.slots > 0 && queue.free_slots === 0 && waits ? "full" : state;
}

const COLUMN_RANKS = ["running", "full", "partly paused", "paused", "no consumers"];

/** Returns how urgent a column is; 0: not at all. @param {Row.MatrixQueue} queue */
export const columnRank = (queue) => COLUMN_RANKS.indexOf(columnState(queue));

/** @type {WeakMap<Row.MatrixRow, string[]>} */
const problems = new WeakMap(); // a sort of a thousand rows asks for them 20,000 times

/** Returns what is wrong with the workers of a row, in a few words, the worst first. @param {Row.MatrixRow} row */
export function rowProblems(row) {
  const known = problems.get(row) ?? findProblems(row);
  problems.set(row, known);
  return known;
}

/** @param {Row.MatrixRow} row */
function findProblems({ states, slots, active, memory_share, lag }) {
  const bad = WORST_FIRST.filter((state) => states[state] > 0);
  return [
    ...bad.map((state) => `${states[state] > 1 ? `${count(states[state])} ` : ""}${state}`),
    slots > 0 && active >= slots ? "full" : "",
    memory_share !== null && memory_share >= FULL_MEMORY ? `memory ${percent(memory_share)}` : "",
    lag >= LATE && !states.stalled ? "event loop late" : "",
  ].filter(Boolean);
}

/** Returns the icon of what is wrong; empty if nothing is. @param {Row.MatrixRow} row */
export function rowIcon(row) {
  const worst = WORST_FIRST.find((state) => row.states[state] > 0);
  return worst ?? (rowProblems(row).length > 0 ? "suspect" : "");
}

/** @param {Row.MatrixRow} row */
const loadOf = (row) => (row.slots > 0 ? (row.active + row.reserved) / row.slots : row.active > 0 ? Infinity : 0);

/** Orders of the rows. @type {Record<string, {label: string, isDescending: boolean, sortKey: (row: Row.MatrixRow) => Page.SortKey}>} */
export const ROW_ORDERS = {
  "": { label: "Problems first", isDescending: true, sortKey: (row) => rowProblems(row).length * 1e6 + Math.min(loadOf(row), 1e5) },
  load: { label: "Load", isDescending: true, sortKey: loadOf },
  name: { label: "Name", isDescending: false, sortKey: (row) => row.name },
  workers: { label: "Workers", isDescending: true, sortKey: (row) => row.workers },
};

/** @param {string} text */
const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

/** Returns the filter of the columns. @param {Page.Query} query @returns {(queue: Row.MatrixQueue) => boolean} */
export function matchingColumns({ queue = "", columns = "", source = "" }) {
  const words = wordsOf(queue);
  return (one) =>
    (source === "" || one.source === source) &&
    (columns !== "problems" || columnRank(one) > 0) &&
    words.every((word) => one.name.toLowerCase().includes(word));
}

/**
 * Returns the filter of the rows; `shown`: keys of the columns if those are filtered, so that only their workers are shown.
 * @param {Page.Query} query @param {ReadonlySet<string> | null} shown
 * @returns {(row: Row.MatrixRow) => boolean}
 */
export function matchingRows({ q = "", rows = "", set = "", source = "" }, shown) {
  const words = wordsOf(q);
  return (row) => {
    const text = words.length > 0 ? `${row.name} ${row.hostnames.join(" ")}`.toLowerCase() : "";
    return (
      (source === "" || row.source === source) &&
      (set === "" || row.queue_set === set) &&
      (rows !== "problems" || rowProblems(row).length > 0) &&
      words.every((word) => text.includes(word)) &&
      (shown === null || row.queues.some((name) => shown.has(`${row.source}/${name}`)))
    );
  };
}

/** @type {WeakMap<Row.MatrixRow, Map<string, Figures>>} */
const figures = new WeakMap();

/** Returns the figures of a queue in a row; undefined if no worker of the row has it. @param {Row.MatrixRow} row @param {Row.MatrixQueue} queue */
export function cellOf(row, queue) {
  if (row.source !== queue.source) return undefined;
  let known = figures.get(row);
  if (!known) {
    known = new Map(row.queues.map((name, at) => [name, row.cells[at]]));
    figures.set(row, known);
  }
  return known.get(queue.name);
}

/**
 * Returns what a cell shows: `value` and `detail`, `share` of its slots that run tasks of the queue, a `level` for the style,
 * and a `label` that says the same in words.
 * @param {Figures | undefined} cell @param {string} where @param {boolean} isFull the slots of the row are all in use
 */
export function cellView(cell, where, isFull) {
  if (!cell) return { value: "", detail: "", share: 0, level: "none", label: `${where}: not served` };
  const [workers, paused, slots, active, reserved] = cell;
  if (workers === 0) return { value: "–", detail: "gone", share: 0, level: "gone", label: `${where}: its workers are gone` };
  const tasks = `${plural(active, "running task")}, ${count(reserved)} reserved`;
  if (paused >= workers) return { value: active > 0 ? String(active) : "–", detail: "paused", share: 0, level: "paused", label: `${where}: paused, ${tasks}` };
  const partly = paused > 0 ? `${count(paused)} of ${count(workers)} paused` : "";
  return {
    value: `${count(active)}/${count(slots)}`,
    detail: partly ? `${count(paused)} paused` : reserved > 0 ? `+${count(reserved)}` : isFull ? "full" : "",
    share: slots > 0 ? Math.min(1, active / slots) : 0,
    level: partly ? "partly" : isFull ? "full" : active > 0 ? "busy" : "idle",
    label: `${where}: ${tasks}, ${plural(slots, "slot")}${isFull ? ", all in use" : ""}${partly ? `, ${partly}` : ""}`,
  };
}

/** Returns the line below the name of a row. @param {Row.MatrixRow} row */
export function rowDetail(row) {
  const workers = row.workers > 1 ? plural(row.workers, "worker") : "";
  const slots = `${count(row.active)}/${count(row.slots)} busy`;
  const waiting = row.reserved > 0 ? `+${count(row.reserved)}` : "";
  return [...rowProblems(row), workers, slots, waiting].filter(Boolean).join(" · ");
}

/** Returns the line below the name of a column. @param {Row.MatrixQueue} queue */
export function columnDetail(queue) {
  const state = columnState(queue);
  const waiting = queue.backlog ? `${count(queue.backlog)} wait` : "";
  const shown = state === "running" ? `${count(queue.active)}/${count(queue.slots)}` : state === "no consumers" ? "no worker" : state;
  return [shown, waiting].filter(Boolean).join(", ");
}

/**
 * Returns the sentence above the matrix.
 * @param {Iterable<Row.MatrixQueue>} queues @param {Iterable<Row.MatrixRow>} rows
 */
export function summaryText(queues, rows) {
  const states = [...queues].map(columnState);
  /** @param {string[]} wanted */
  const some = (...wanted) => states.filter((state) => wanted.includes(state)).length;
  let [workers, full] = [0, 0];
  for (const row of rows) {
    workers += row.workers;
    full += row.slots > 0 && row.active >= row.slots ? 1 : 0;
  }
  const wrong = [
    some("no consumers") ? `${count(some("no consumers"))} without a worker` : "",
    some("paused", "partly paused") ? `${count(some("paused", "partly paused"))} paused` : "",
    some("full") ? `${count(some("full"))} full` : "",
  ].filter(Boolean);
  return `${plural(states.length, "queue")}${wrong.length > 0 ? ` (${wrong.join(", ")})` : ""}, ${plural(workers, "worker")}${full > 0 ? `, ${plural(full, "row")} without a free slot` : ""}`;
}

/** @param {Row.MatrixRow} row @param {Row.MatrixQueue} queue */
export const whereText = (row, queue) => `${printable(queue.name)} on ${printable(row.name)}`;
