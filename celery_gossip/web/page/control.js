// Control: buttons that ask something of workers. An act counts as done only when the next gossip shows it, so that a
// button tells what it waits for, and says so when that does not come.

import { h, setText, show } from "./dom.js";
import { confirmed } from "./dialog.js";

const UNCONFIRMED = 15_000; // milliseconds

/** Throws an Error in words. Answers `{asked, answers}`. */
async function ask(config, act) {
  const headers = { "Content-Type": "application/json", "X-Gossip-CSRF": config.csrf };
  const url = new URL("api/control", document.baseURI);
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(act) });
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(told.error || `refused with status ${response.status}`);
  return told;
}

function answerWords({ asked = [], answers = {} }) {
  const told = Object.entries(answers);
  if (asked.length === 1) return told[0]?.[1] ?? "no answer yet";
  return `${told.length} of ${asked.length} workers answered`;
}

/**
 * `{element, update(row)}`. `label`, `busy` ("pausing…"), `act(row)`: what is asked, `isShown(row)`,
 * `doneWhen(row)`: of the row as it is at the click, makes `isDone(row)`; `question(row)`: to be confirmed first.
 */
export function actButton(context, { label, busy, act, isShown = () => true, doneWhen, question = null }) {
  const button = h("button", { type: "button", class: "act" }, label);
  const words = h("span", { class: "act-words", role: "status" });
  const element = h("span", { class: "acting" }, button, words);
  let row = null;
  let isDone = null;
  let timer = 0;

  function rest(text = "") {
    clearTimeout(timer);
    isDone = null;
    button.disabled = false;
    setText(button, label);
    setText(words, text);
  }

  async function click() {
    if (question && !(await confirmed(question(row), label))) return;
    isDone = doneWhen(row);
    button.disabled = true;
    setText(button, busy);
    setText(words, "");
    timer = setTimeout(() => rest("not confirmed"), UNCONFIRMED);
    try {
      const told = await ask(context.config(), act(row));
      if (isDone) setText(words, answerWords(told));
    } catch (error) {
      if (isDone) rest(error.message);
    }
  }

  button.addEventListener("click", click);
  const update = (latest) => {
    row = latest;
    if (isDone?.(row)) {
      rest();
      context.announce(`${label}: done`);
    }
    show(button, isDone !== null || isShown(row));
  };
  return { element, update };
}

/** The column of a table of checks: pause or resume this queue on this worker. */
export function checkControl(context) {
  const made = (label, busy, name, isPaused) => () =>
    actButton(context, {
      label,
      busy,
      act: (check) => ({ act: name, source: check.source, queue: check.queue, hostname: check.hostname }),
      isShown: (check) => check.is_paused !== isPaused && check.state !== "offline" && check.state !== "lost",
      doneWhen: () => (check) => check.is_paused === isPaused,
    });
  const [pause, resume] = [made("Pause", "pausing…", "pause", true), made("Resume", "resuming…", "resume", false)];
  const paint = () => {
    const buttons = [pause(), resume()];
    return { nodes: buttons.map(({ element }) => element), update: (row) => buttons.forEach(({ update }) => update(row)) };
  };
  return { id: "control", label: "Control", width: 132, priority: 1, class: "controls", paint };
}

/** Of a queue, on all its workers. */
export function queueControl(context) {
  const made = (label, busy, act, isShown, isDone, question) =>
    actButton(context, {
      label,
      busy,
      act: (queue) => ({ act, source: queue.source, queue: queue.name, hostname: null }),
      isShown: (queue) => queue.workers > 0 && isShown(queue),
      doneWhen: () => isDone,
      question,
    });
  const words = (queue) => `Pause ${queue.name} on all ${queue.workers} of its workers? What they have reserved still runs; the rest waits on the broker.`;
  return group([
    made("Pause all", "pausing…", "pause", (queue) => queue.paused !== "yes", (queue) => queue.paused === "yes", words),
    made("Resume all", "resuming…", "resume", (queue) => queue.paused !== "no", (queue) => queue.paused === "no", null),
  ]);
}

/** Of a worker's pool. */
export function poolControl(context) {
  const number = h("input", { type: "number", min: "1", max: "100", value: "1", "aria-label": "Slots to add or take" });
  const n = () => Math.max(1, Math.min(100, Math.round(Number(number.value)) || 1));
  const made = (label, busy, act) =>
    actButton(context, {
      label,
      busy,
      act: (worker) => ({ act, source: worker.source, hostname: worker.hostname, n: n() }),
      isShown: (worker) => worker.state !== "offline" && worker.state !== "lost",
      doneWhen: (before) => (worker) => worker.concurrency !== before.concurrency,
    });
  const buttons = group([made("Grow", "growing…", "grow"), made("Shrink", "shrinking…", "shrink")]);
  buttons.element.prepend(h("label", { class: "slots-number" }, "Slots ", number));
  return buttons;
}

function group(buttons) {
  const element = h("div", { class: "control" }, buttons.map((button) => button.element));
  return { element, update: (row) => buttons.forEach(({ update }) => update(row)) };
}
