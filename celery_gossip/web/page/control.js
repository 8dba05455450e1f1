// Control: buttons that send commands to workers. A command is done when the next reports show its effect; until then
// the button shows that it is waiting, and afterwards if no report confirmed it.

import { confirmed } from "./dialog.js";
import { button, h, setText, show } from "./dom.js";
import { errorText } from "./format.js";
import { isGone } from "./state.js";
import { serverUrl } from "./url.js";

const CONFIRM_TIMEOUT = 15_000; // milliseconds

/**
 * Throws an Error with the server's message.
 * @param {Pick<Row.Config, "csrf">} config @param {Row.Command} command
 * @returns {Promise<Row.ControlReply>}
 */
export async function sendCommand(config, command) {
  const headers = { "Content-Type": "application/json", "X-Gossip-CSRF": config.csrf };
  const response = await fetch(serverUrl("api/control"), { method: "POST", headers, body: JSON.stringify(command) });
  const reply = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(reply.error || `refused with status ${response.status}`);
  return reply;
}

/** Summarizes the replies that have arrived. Pure. @param {Row.ControlReply} reply */
export function replyText({ asked, answers }) {
  const replies = Object.values(answers);
  return asked.length === 1 ? (replies[0] ?? "no reply yet") : `${replies.length} of ${asked.length} workers replied`;
}

/**
 * `busy`: label while waiting, "pausing…"; `isDone(row, before)`: whether the row shows the effect, `before` being the row at
 * the click; `question(row)`: asks for confirmation first.
 * @template R
 * @param {Page.Context} context
 * @param {{label: string, busy: string, command: (row: R) => Row.Command, isShown: (row: R) => boolean,
 *   isDone: (row: R, before: R) => boolean, question?: (row: R) => string}} options
 * @returns {Page.Part<[R]>}
 */
function commandButton(context, { label, busy, command, isShown, isDone, question }) {
  const face = button(label, onClick, { class: "command-button" });
  const status = h("span", { class: "command-status", role: "status" });
  const element = h("span", { class: "command" }, face, status);
  /** @type {R | null} */
  let row = null;
  /** @type {R | null} */
  let before = null; // set while waiting
  let timer = 0;

  /** @param {string} text */
  function reset(text) {
    clearTimeout(timer);
    before = null;
    face.disabled = false;
    setText(face, label);
    setText(status, text);
  }

  async function onClick() {
    if (!row || (question && !(await confirmed(question(row), label)))) return;
    const asked = row;
    before = asked;
    face.disabled = true;
    setText(face, busy);
    setText(status, "");
    timer = setTimeout(() => reset("not confirmed"), CONFIRM_TIMEOUT);
    try {
      const reply = await sendCommand(context.config(), command(asked));
      if (before) setText(status, replyText(reply));
    } catch (error) {
      reset(errorText(error));
    }
  }

  /** @param {R} latest */
  const update = (latest) => {
    row = latest;
    if (before && isDone(latest, before)) {
      reset("");
      context.announce(`${label}: done`);
    }
    show(face, before !== null || isShown(latest));
  };
  return { element, update };
}

/** @template R @param {string} className @param {Page.Part<[R]>[]} parts @returns {Page.Part<[R]>} */
function group(className, parts) {
  const element = h("div", { class: className }, parts.map((part) => part.element));
  return { element, update: (row) => parts.forEach((part) => part.update(row)) };
}

/** The column of a table of checks: pauses or resumes this queue on this worker. @param {Page.Context} context @returns {Page.Column<Row.Check>} */
export function checkControl(context) {
  /** @param {string} label @param {string} busy @param {"pause" | "resume"} act @param {boolean} isPaused @returns {Page.Part<[Row.Check]>} */
  const make = (label, busy, act, isPaused) =>
    commandButton(context, {
      label,
      busy,
      command: ({ source, queue, hostname }) => ({ act, source, queue, hostname }),
      isShown: (check) => check.is_paused !== isPaused && !isGone(check),
      isDone: (check) => check.is_paused === isPaused,
    });
  const makeCell = () => group("cell-control", [make("Pause", "pausing…", "pause", true), make("Resume", "resuming…", "resume", false)]);
  return { id: "control", label: "Control", width: 128, isNumber: true, makeCell };
}

/** Pauses or resumes a queue on all its workers. @param {Page.Context} context */
export function queueControl(context) {
  /**
   * @param {string} label @param {string} busy @param {"pause" | "resume"} act @param {string} target
   * @param {(row: Row.Queue) => string} [question]
   * @returns {Page.Part<[Row.Queue]>}
   */
  const make = (label, busy, act, target, question) =>
    commandButton(context, {
      label,
      busy,
      command: ({ source, name }) => ({ act, source, queue: name, hostname: null }),
      isShown: (queue) => queue.workers > 0 && queue.paused !== target,
      isDone: (queue) => queue.paused === target,
      question,
    });
  /** @param {Row.Queue} queue */
  const question = ({ name, workers }) => `Pause ${name} on all its workers (${workers})? Tasks that they have reserved still run; others wait on the broker.`;
  return group("control", [make("Pause all", "pausing…", "pause", "yes", question), make("Resume all", "resuming…", "resume", "no")]);
}

/** Returns the number of slots in a text, between 1 and 100. Pure. @param {string} text */
export const slotsIn = (text) => Math.max(1, Math.min(100, Math.round(Number(text)) || 1));

/** Grows or shrinks the pool of a worker. @param {Page.Context} context */
export function poolControl(context) {
  const number = h("input", { type: "number", min: "1", max: "100", value: "1" });
  const n = () => slotsIn(number.value);
  const choice = h("label", {}, "Slots ", number);
  /** @param {string} label @param {string} busy @param {"grow" | "shrink"} act @returns {Page.Part<[Row.Worker]>} */
  const make = (label, busy, act) =>
    commandButton(context, {
      label,
      busy,
      command: ({ source, hostname }) => ({ act, source, hostname, n: n() }),
      isShown: (worker) => !isGone(worker),
      isDone: (worker, before) => worker.concurrency !== before.concurrency,
    });
  /** @type {Page.Part<[Row.Worker]>} */
  const amount = { element: choice, update: (worker) => show(choice, !isGone(worker)) };
  return group("control", [amount, make("Grow", "growing…", "grow"), make("Shrink", "shrinking…", "shrink")]);
}
