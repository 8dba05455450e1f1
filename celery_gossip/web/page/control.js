// Control: buttons that send commands to workers. A command is done when the next reports show its effect; until then
// the button shows that it is waiting, and afterwards if no report confirmed it.

import { replyText, sendCommand } from "./command.js";
import { field, openCommand, opener } from "./command_dialog.js";
import { button, h, setText, show } from "./dom.js";
import { count, errorText, plural } from "./format.js";
import { isGone } from "./state.js";

const CONFIRM_TIMEOUT = 15_000; // milliseconds
const MAX_IDS = 100; // of tasks in one command
/** Pools whose size is fixed, and which cannot end a task; see celery_gossip/control/ability.py. */
const FIXED_POOLS = new Set(["solo", "threads"]);
/** Pools that cannot be restarted. */
const LASTING_POOLS = new Set(["eventlet", "gevent", "solo", "threads"]);
const SIGNALS = ["TERM", "KILL", "QUIT", "ABRT"];

/** Returns whether the user has this permission. @param {Page.Context} context @param {string} permission */
export const may = (context, permission) => context.config().permissions.includes(permission);

/**
 * `busy`: label while waiting, "pausing…"; `isDone(row, before)`: whether the row shows the effect, `before` being the row at
 * the click.
 * @template R
 * @param {Page.Context} context
 * @param {{label: string, busy: string, command: (row: R) => Row.Command, isShown: (row: R) => boolean,
 *   isDone: (row: R, before: R) => boolean}} options
 * @returns {Page.Part<[R]>}
 */
function commandButton(context, { label, busy, command, isShown, isDone }) {
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
    if (!row) return;
    const asked = row;
    before = asked;
    face.disabled = true;
    setText(face, busy);
    setText(status, "");
    timer = setTimeout(() => reset("not confirmed"), CONFIRM_TIMEOUT);
    try {
      const reply = await sendCommand(context.config(), command(asked));
      if (reply.errors?.length) reset(replyText(reply));
      else if (before) setText(status, replyText(reply));
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

/** @template R @param {string} className @param {(Page.Part<[R]> | false)[]} parts @returns {Page.Part<[R]> | false} */
function group(className, parts) {
  const shown = parts.filter((part) => part !== false);
  if (shown.length === 0) return false;
  const element = h("div", { class: className }, shown.map((part) => part.element));
  return { element, update: (row) => shown.forEach((part) => part.update(row)) };
}

/** The column of a table of checks: pauses or resumes this queue on this worker. @param {Page.Context} context @returns {Page.Column<Row.Check> | false} */
export function checkControl(context) {
  if (!may(context, "pause")) return false;
  /** @param {string} label @param {string} busy @param {"pause" | "resume"} act @param {boolean} isPaused @returns {Page.Part<[Row.Check]>} */
  const make = (label, busy, act, isPaused) =>
    commandButton(context, {
      label,
      busy,
      command: ({ source, queue, hostname }) => ({ act, source, queue, hostname }),
      isShown: (check) => check.is_paused !== isPaused && !isGone(check),
      isDone: (check) => check.is_paused === isPaused,
    });
  const makeCell = () => /** @type {Page.Part<[Row.Check]>} */ (group("cell-control", [make("Pause", "pausing…", "pause", true), make("Resume", "resuming…", "resume", false)]));
  return { id: "control", label: "Control", width: 128, isNumber: true, makeCell };
}

/** Commands to all workers of a queue. @param {Page.Context} context @returns {Page.Part<[Row.Queue]> | false} */
export function queueControl(context) {
  /** @param {"pause" | "resume"} act @param {string} verb @param {string} target @param {string} text @returns {Page.Part<[Row.Queue]>} */
  const make = (act, verb, target, text) =>
    opener(verb, (queue) => queue.workers > 0 && queue.paused !== target, ({ source, name }) =>
      openCommand(context, { title: `${verb}: ${name}`, verb, text, build: () => ({ act, source, queue: name }) }),
    );
  const isPausing = may(context, "pause");
  return group("control", [
    isPausing && make("pause", "Pause all", "yes", "Tasks that the workers have reserved still run; others wait on the broker."),
    isPausing && make("resume", "Resume all", "no", "The workers consume the queue again."),
    may(context, "purge") && opener("Purge…", () => true, (/** @type {Row.Queue} */ queue) => openPurge(context, queue)),
  ]);
}

/** @param {Page.Context} context @param {Row.Queue} queue */
function openPurge(context, { source, name, backlog }) {
  const typed = h("input", { type: "text", autocomplete: "off", spellcheck: "false", required: true, autofocus: true });
  const waiting = backlog === null ? "The number of messages that wait is not known." : `${plural(backlog, "message")} waited at the last look.`;
  return openCommand(context, {
    title: `Purge ${name}`,
    verb: "Delete the messages",
    text: `The broker deletes all messages that wait in this queue, and nothing brings them back. ${waiting} Messages that workers have reserved remain.`,
    fields: [field("Type the name of the queue", typed)],
    build: () => (typed.value === name ? { act: "purge", source, queue: name, confirm: typed.value } : null),
  });
}

/** Returns the number of slots in a text, between 1 and 100. Pure. @param {string} text */
export const slotsIn = (text) => Math.max(1, Math.min(100, Math.round(Number(text)) || 1));

/** Commands to one worker. @param {Page.Context} context @returns {Page.Part<[Row.Worker]> | false} */
export function workerControl(context) {
  /** @param {Row.Worker} worker */
  const isLive = (worker) => !isGone(worker);
  /** @param {Row.Worker} worker */
  const isResizable = (worker) => isLive(worker) && !FIXED_POOLS.has(worker.pool);
  const scale = may(context, "scale");
  return group("control", [
    ...(scale ? poolControl(context, isResizable) : []),
    scale && opener("Autoscale…", isResizable, (worker) => openAutoscale(context, worker)),
    may(context, "add_consumer") && opener("Add consumer…", isLive, (worker) => openConsumer(context, worker)),
    may(context, "pool_restart") &&
      opener("Restart pool…", (worker) => isLive(worker) && !LASTING_POOLS.has(worker.pool), ({ source, hostname }) =>
        openCommand(context, {
          title: "Restart the pool",
          verb: "Restart",
          text: "Celery replaces each process after its next task. The worker needs the setting worker_pool_restarts.",
          build: () => ({ act: "pool_restart", source, hostname }),
        }),
      ),
    may(context, "shutdown") &&
      opener("Shut down…", isLive, ({ source, hostname, active }) =>
        openCommand(context, {
          title: "Shut down the worker",
          verb: "Shut down",
          text: `A warm shutdown: the worker finishes the tasks that run (${count(active)}), and then ends. Whether it is started again is up to what supervises it.`,
          build: () => ({ act: "shutdown", source, hostname }),
        }),
      ),
  ]);
}

/** Grows or shrinks the pool of a worker. @param {Page.Context} context @param {(worker: Row.Worker) => boolean} isShown @returns {Page.Part<[Row.Worker]>[]} */
function poolControl(context, isShown) {
  const number = h("input", { type: "number", min: "1", max: "100", value: "1" });
  const choice = h("label", {}, "Slots ", number);
  /** @param {string} label @param {string} busy @param {"grow" | "shrink"} act @returns {Page.Part<[Row.Worker]>} */
  const make = (label, busy, act) =>
    commandButton(context, {
      label,
      busy,
      command: ({ source, hostname }) => ({ act, source, hostname, n: slotsIn(number.value) }),
      isShown,
      isDone: (worker, before) => worker.concurrency !== before.concurrency,
    });
  return [{ element: choice, update: (worker) => show(choice, isShown(worker)) }, make("Grow", "growing…", "grow"), make("Shrink", "shrinking…", "shrink")];
}

/** @param {Page.Context} context @param {Row.Worker} worker */
function openAutoscale(context, { source, hostname, concurrency }) {
  const least = h("input", { type: "number", min: "0", max: "10000", value: "1", required: true });
  const most = h("input", { type: "number", min: "1", max: "10000", value: String(concurrency), required: true, autofocus: true });
  return openCommand(context, {
    title: "Autoscale",
    verb: "Set limits",
    text: "The worker must run with --autoscale. Its pool keeps between these numbers of slots.",
    fields: [field("Most slots", most), field("Least slots", least)],
    build: () => ({ act: "autoscale", source, hostname, max: Number(most.value), min: Number(least.value) }),
  });
}

/** @param {Page.Context} context @param {Row.Worker} worker */
function openConsumer(context, { source, hostname }) {
  const names = [...context.store.rows("queues", "queues").values()].filter((queue) => queue.source === source).map((queue) => queue.name);
  const list = h("datalist", { id: "queue-names" }, names.map((name) => h("option", { value: name })));
  const typed = h("input", { type: "text", maxlength: "255", list: "queue-names", autocomplete: "off", spellcheck: "false", required: true, autofocus: true });
  return openCommand(context, {
    title: "Add a consumer",
    verb: "Add consumer",
    text: "The worker consumes one more queue until it ends. One that its settings do not name is declared with a direct exchange of the same name.",
    fields: [field("Queue", typed), list],
    build: () => ({ act: "add_consumer", source, hostname, queue: typed.value }),
  });
}

/** Limits of the tasks of a name. @param {Page.Context} context @returns {Page.Part<[Row.Task]> | undefined} */
export function taskControl(context) {
  const parts = group("control", [
    may(context, "rate_limit") && opener("Rate limit…", () => true, (/** @type {Row.Task} */ task) => openRateLimit(context, task)),
    may(context, "time_limit") && opener("Time limits…", () => true, (/** @type {Row.Task} */ task) => openTimeLimits(context, task)),
  ]);
  return parts || undefined;
}

/** @param {string} hostname */
const workersOf = (hostname) => (hostname === "" ? {} : { hostname });

/** @param {Page.Context} context @param {string} source */
function workerChoice(context, source) {
  const names = [...context.store.rows("workers", "workers").values()].filter((worker) => worker.source === source && !isGone(worker)).map((worker) => worker.hostname);
  return h("select", {}, h("option", { value: "" }, "All workers"), names.sort().map((name) => h("option", { value: name }, name)));
}

/** @param {Page.Context} context @param {Row.Task} task */
function openRateLimit(context, { source, name }) {
  const rate = h("input", { type: "text", maxlength: "20", pattern: "([0-9]{1,9}([.][0-9]{1,3})?(/[smh])?)?", autocomplete: "off", autofocus: true });
  const place = workerChoice(context, source);
  return openCommand(context, {
    title: `Rate limit of ${name}`,
    verb: "Set limit",
    text: "Each worker starts at most so many of these tasks, until it is started again. Empty: no limit.",
    fields: [field("Tasks per s, m or h", rate, "such as 10/m"), field("Workers", place)],
    build: () => ({ act: "rate_limit", source, task: name, rate_limit: rate.value, ...workersOf(place.value) }),
  });
}

/** @param {Page.Context} context @param {Row.Task} task */
function openTimeLimits(context, { source, name }) {
  const [soft, hard] = [0, 1].map((at) => h("input", { type: "number", min: "0.1", max: "31536000", step: "any", autofocus: at === 0 }));
  const place = workerChoice(context, source);
  /** @param {HTMLInputElement} input */
  const seconds = (input) => (input.value === "" ? null : Number(input.value));
  return openCommand(context, {
    title: `Time limits of ${name}`,
    verb: "Set limits",
    text: "Empty: that of the worker's pool, if it has one. Celery uses new limits after the worker has reconnected to its broker or restarted its pool.",
    fields: [field("Soft, seconds", soft), field("Hard, seconds", hard), field("Workers", place)],
    build: () => ({ act: "time_limit", source, task: name, soft: seconds(soft), hard: seconds(hard), ...workersOf(place.value) }),
  });
}

/** Returns whether the user may revoke or terminate. @param {Page.Context} context */
const mayEnd = (context) => may(context, "revoke") || may(context, "terminate");

/**
 * The column of a table of tasks: revokes or terminates this one.
 * @template {{source: string, id: string}} T
 * @param {Page.Context} context @returns {Page.Column<T>[]}
 */
export function runControl(context) {
  if (!mayEnd(context)) return [];
  const makeCell = () =>
    /** @type {Page.Part<[T]>} */ (group("cell-control", [opener("Revoke…", () => true, (/** @type {T} */ row) => openRevoke(context, row.source, [row.id]))]));
  return [{ id: "control", label: "Control", width: 112, isNumber: true, makeCell }];
}

/**
 * A button for the tasks of a table or a page: revokes those that `listed()` returns, at most 100.
 * @param {Page.Context} context @param {() => Iterable<{source: string, id: string}>} listed
 */
export function runsControl(context, listed, label = "Revoke all…") {
  if (!mayEnd(context)) return null;
  const face = button(label, onClick, { class: "command-button", "aria-haspopup": "dialog" });
  function onClick() {
    const rows = [...listed()];
    const source = rows[0]?.source;
    const ids = [...new Set(rows.filter((row) => row.source === source).map((row) => row.id))];
    if (ids.length > 0) openRevoke(context, source, ids.slice(0, MAX_IDS), ids.length - MAX_IDS);
  }
  return face;
}

/** @param {Page.Context} context @param {string} source @param {string[]} ids @param {number} others */
export function openRevoke(context, source, ids, others = 0) {
  const modes = [
    ...(may(context, "terminate") ? [["terminate", "Terminate: end those that run"]] : []),
    ...(may(context, "revoke") ? [["revoke", "Revoke: do not start them; those that run continue"]] : []),
  ];
  const mode = h("select", { autofocus: true }, modes.map(([value, label]) => h("option", { value }, label)));
  const signal = h("select", {}, SIGNALS.map((name) => h("option", { value: name }, name)));
  const choice = field("Signal", signal, "for processes; greenlets are killed whatever it is");
  const update = () => show(choice, mode.value === "terminate");
  mode.addEventListener("input", update);
  update();
  const list = h("ul", { class: "ids code", tabindex: "0", "aria-label": "Task ids" }, ids.map((id) => h("li", {}, h("bdi", {}, id))));
  const more = others > 0 && h("p", {}, `The first ${count(ids.length)}; ${count(others)} others are not included.`);
  return openCommand(context, {
    title: ids.length === 1 ? "Revoke a task" : `Revoke ${plural(ids.length, "task")}`,
    verb: "Send",
    text: "The workers that report now remember these ids until they end. A worker that starts later may still run such a task.",
    fields: [list, more, field("Command", mode), choice].filter((part) => part !== false),
    build: () => (mode.value === "terminate" ? { act: "terminate", source, ids, signal: /** @type {Row.Terminate["signal"]} */ (signal.value) } : { act: "revoke", source, ids }),
  });
}
