// States: the words for workers and queues, their symbols, and how they are ranked. Pure but for the label it makes.

import { h, setText } from "./dom.js";
import { icon, redraw } from "./icon.js";

/** The most welcome first. */
export const WORKER_STATES = ["online", "draining", "stalled", "suspect", "conflict", "offline", "lost"];

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
  offline: "gone",
};
const SYMBOLS = { "partly paused": "paused", "no consumers": "none" };

export const QUEUE_STATES = ["running", "partly paused", "paused", "no consumers"];

/** Of a Queue: one of QUEUE_STATES. */
export function queueState(queue) {
  if (queue.workers === 0) return "no consumers";
  return { no: "running", partly: "partly paused", yes: "paused" }[queue.paused] ?? "running";
}

export const isGone = (worker) => worker.state === "offline" || worker.state === "lost";

export const toneOf = (state) => TONES[state] ?? "gone";

/** `{element, update(state)}`: symbol and word. */
export function stateLabel(first = "") {
  const symbol = icon("");
  const word = h("span", {});
  const element = h("span", { class: "state" }, symbol, word);
  const update = (state) => {
    redraw(symbol, SYMBOLS[state] ?? state);
    setText(word, state);
    element.dataset.tone = toneOf(state);
  };
  if (first) update(first);
  return { element, update };
}
