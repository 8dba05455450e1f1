// States: the words for workers and queues, their symbols and tones, and how they are ranked.

import { h, setText } from "./dom.js";
import { icon, redraw } from "./icon.js";

/** The most welcome first. */
export const WORKER_STATES = ["online", "draining", "stalled", "suspect", "conflict", "offline", "lost"];
export const QUEUE_STATES = ["running", "partly paused", "paused", "no consumers"];

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
};
const SYMBOLS = { "partly paused": "paused", "no consumers": "none" };

export function queueState(queue) {
  if (queue.workers === 0) return "no consumers";
  return { partly: "partly paused", yes: "paused" }[queue.paused] ?? "running";
}

/** Of a worker, or of a check. */
export const isGone = ({ state }) => state === "offline" || state === "lost";

export function stateLabel() {
  const symbol = icon();
  const word = h("span");
  const element = h("span", { class: "state" }, symbol, word);
  const update = (state) => {
    redraw(symbol, SYMBOLS[state] ?? state);
    setText(word, state);
    element.dataset.tone = TONES[state] ?? "gone";
  };
  return { element, update };
}
