// State: states of workers and queues with their order, symbols and colors.

import { h, setText } from "./dom.js";
import { icon, redraw } from "./icon.js";

/** From healthy to lost. */
export const WORKER_STATES = ["online", "draining", "stalled", "suspect", "conflict", "offline", "lost"];
export const QUEUE_STATES = ["running", "partly paused", "paused", "no consumers"];

export const BEAT_STATES = ["online", "standby", "stalled", "suspect", "conflict", "offline", "lost"];
/** Of an entry of a schedule. */
export const ENTRY_STATES = ["scheduled", "unknown", "overdue", "failing", "stopped"];

/** @type {Record<string, string>} */
const TONES = {
  online: "good",
  running: "good",
  draining: "busy",
  stalled: "warn",
  suspect: "warn",
  "partly paused": "warn",
  paused: "warn",
  "no consumers": "bad",
  conflict: "bad",
  lost: "bad",
  standby: "busy",
  scheduled: "good",
  overdue: "warn",
  failing: "bad",
  stopped: "bad",
  reserved: "busy",
  limited: "warn",
  confirmed: "good",
  answered: "good",
  "waiting for reports": "busy",
  "not confirmed": "warn",
  failed: "bad",
};
/** @type {Record<string, string>} */
const SYMBOLS = {
  "partly paused": "paused",
  "no consumers": "none",
  standby: "paused",
  scheduled: "good",
  unknown: "offline",
  overdue: "suspect",
  failing: "critical",
  stopped: "lost",
  reserved: "paused",
  limited: "stalled",
  failed: "critical",
  seen: "offline",
  confirmed: "good",
  answered: "online",
  "waiting for reports": "draining",
  "not confirmed": "suspect",
  full: "suspect",
};

/** Returns the name of the icon of a state. @param {string} state */
export const symbolOf = (state) => SYMBOLS[state] ?? state;

/** @param {Pick<Row.Queue, "workers" | "paused">} queue */
export function queueState(queue) {
  if (queue.workers === 0) return "no consumers";
  if (queue.paused === "partly") return "partly paused";
  return queue.paused === "yes" ? "paused" : "running";
}

/** Returns whether a worker, or the worker of a check, is offline or lost. @param {{state: string}} row */
export const isGone = ({ state }) => state === "offline" || state === "lost";

export function stateLabel() {
  const symbol = icon();
  const text = h("span");
  const element = h("span", { class: "state" }, symbol, text);
  /** @param {string} state */
  const update = (state) => {
    redraw(symbol, SYMBOLS[state] ?? state);
    setText(text, state);
    element.dataset.tone = TONES[state] ?? "gone";
  };
  return { element, update };
}
