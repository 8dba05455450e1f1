// Control: buttons that ask something of workers. An act counts as done only when the next gossip shows it, so that a
// button tells what it waits for, and says so when that does not come.

import { confirmed } from "./dialog.js";
import { button, h, setText, show } from "./dom.js";
import { isGone } from "./state.js";

const UNCONFIRMED = 15_000; // milliseconds

/** Answers `{asked, answers}`; throws an Error in words. */
async function ask(config, act) {
  const headers = { "Content-Type": "application/json", "X-Gossip-CSRF": config.csrf };
  const response = await fetch(new URL("api/control", document.baseURI), { method: "POST", headers, body: JSON.stringify(act) });
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(told.error || `refused with status ${response.status}`);
  return told;
}

function answerWords({ asked, answers }) {
  const told = Object.values(answers);
  return asked.length === 1 ? (told[0] ?? "no answer yet") : `${told.length} of ${asked.length} workers answered`;
}

/**
 * `label`, `busy` ("pausing…"), `act(row)`: what is asked, `isShown(row)`, `isDone(row, before)`: whether the row shows
 * it, `before` being the row at the click; `question(row)`: to be confirmed first.
 */
function actButton(context, { label, busy, act, isShown, isDone, question }) {
  const face = button(label, click, { class: "act" });
  const words = h("span", { class: "act-words", role: "status" });
  const element = h("span", { class: "acting" }, face, words);
  let row = null;
  let before = null; // while it waits
  let timer = 0;

  function rest(text) {
    clearTimeout(timer);
    before = null;
    face.disabled = false;
    setText(face, label);
    setText(words, text);
  }

  async function click() {
    if (question && !(await confirmed(question(row), label))) return;
    before = row;
    face.disabled = true;
    setText(face, busy);
    setText(words, "");
    timer = setTimeout(() => rest("not confirmed"), UNCONFIRMED);
    try {
      const told = await ask(context.config(), act(before));
      if (before) setText(words, answerWords(told));
    } catch (error) {
      rest(error.message);
    }
  }

  const update = (latest) => {
    row = latest;
    if (before && isDone(row, before)) {
      rest("");
      context.announce(`${label}: done`);
    }
    show(face, before !== null || isShown(row));
  };
  return { element, update };
}

function group(className, parts) {
  const element = h("div", { class: className }, parts.map((part) => part.element));
  return { element, update: (row) => parts.forEach((part) => part.update(row)) };
}

/** The column of a table of checks: pause or resume this queue on this worker. */
export function checkControl(context) {
  const made = (label, busy, name, isPaused) =>
    actButton(context, {
      label,
      busy,
      act: ({ source, queue, hostname }) => ({ act: name, source, queue, hostname }),
      isShown: (check) => check.is_paused !== isPaused && !isGone(check),
      isDone: (check) => check.is_paused === isPaused,
    });
  const paint = () => group("cell-control", [made("Pause", "pausing…", "pause", true), made("Resume", "resuming…", "resume", false)]);
  return { id: "control", label: "Control", width: 128, isNumber: true, paint };
}

/** Of a queue, on all its workers. */
export function queueControl(context) {
  const made = (label, busy, act, aim, question) =>
    actButton(context, {
      label,
      busy,
      act: ({ source, name }) => ({ act, source, queue: name, hostname: null }),
      isShown: (queue) => queue.workers > 0 && queue.paused !== aim,
      isDone: (queue) => queue.paused === aim,
      question,
    });
  const question = ({ name, workers }) => `Pause ${name} on all of its workers (${workers})? What they have reserved still runs; the rest waits on the broker.`;
  return group("control", [made("Pause all", "pausing…", "pause", "yes", question), made("Resume all", "resuming…", "resume", "no")]);
}

/** Of a worker's pool. */
export function poolControl(context) {
  const number = h("input", { type: "number", min: "1", max: "100", value: "1" });
  const n = () => Math.max(1, Math.min(100, Math.round(Number(number.value)) || 1));
  const choice = h("label", {}, "Slots ", number);
  const made = (label, busy, act) =>
    actButton(context, {
      label,
      busy,
      act: ({ source, hostname }) => ({ act, source, hostname, n: n() }),
      isShown: (worker) => !isGone(worker),
      isDone: (worker, before) => worker.concurrency !== before.concurrency,
    });
  const amount = { element: choice, update: (worker) => show(choice, !isGone(worker)) };
  return group("control", [amount, made("Grow", "growing…", "grow"), made("Shrink", "shrinking…", "shrink")]);
}
