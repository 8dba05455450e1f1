// Command dialog: asks for the values of a command, lists the workers that it will be sent to, sends it to exactly these, and
// shows their answers and the outcome that the next reports confirm.

import { answersText, fetchActivity, forWorkers, namesText, outcomeText, sendCommand } from "./command.js";
import { close, openDialog } from "./dialog.js";
import { button, h, setText, show } from "./dom.js";
import { errorText, plural } from "./format.js";
import { printable } from "./printable.js";

const PREVIEW_DELAY = 200; // milliseconds after the last key
const POLL_INTERVAL = 700; // milliseconds between two looks at the outcome
const MAX_REASONS = 4;

/** A label with an input, for the fields of a dialog. @param {string} label @param {HTMLElement} input @param {string} [hint] */
export const field = (label, input, hint) => h("label", { class: "field" }, h("span", {}, label), input, hint && h("small", {}, hint));

/**
 * `build()` returns the command of the fields, or null while they are not complete. Nothing is sent before the user confirms.
 * @param {Page.Context} context @param {Page.CommandOptions} options
 */
export function openCommand(context, { title, verb, text, fields = [], build }) {
  const targets = h("p", { class: "targets" });
  const refused = h("ul", { class: "refused" });
  const status = h("p", { class: "outcome", role: "status" });
  const send = h("button", { type: "submit", class: "primary", disabled: true }, verb);
  const cancel = button("Cancel", close);
  const inputs = h("fieldset", {}, fields);
  const form = h("form", { class: "command-form" }, text && h("p", {}, h("bdi", {}, text)), fields.length > 0 && inputs, targets, refused, status, h("p", { class: "dialog-buttons" }, cancel, send));
  const dialog = openDialog(title, form);
  /** @type {{command: Row.Command, reply: Row.ControlReply} | null} */
  let checked = null;
  let [number, timer, isSent] = [0, 0, false];

  form.addEventListener("input", () => {
    number += 1; // a reply that is on its way is about the former values
    checked = null;
    send.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(preview, PREVIEW_DELAY);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (checked && !isSent) perform(checked);
  });
  dialog.addEventListener("close", () => clearTimeout(timer));

  async function preview() {
    const own = ++number;
    const command = form.checkValidity() ? build() : null;
    show(targets, command !== null);
    refused.replaceChildren();
    if (!command) return setText(status, "");
    try {
      const reply = await sendCommand(context.config(), command, { isPreview: true });
      if (own !== number || isSent) return;
      checked = { command, reply };
      setText(status, "");
      showTargets(reply);
      send.disabled = false;
    } catch (error) {
      if (own !== number) return;
      show(targets, false);
      setText(status, errorText(error));
    }
  }

  /** @param {Row.ControlReply} reply */
  function showTargets({ asked, refused: reasons }) {
    show(targets, asked.length > 0);
    setText(targets, `${plural(asked.length, "worker")}: ${namesText(asked)}`);
    const lines = Object.entries(reasons ?? {});
    refused.replaceChildren(...lines.slice(0, MAX_REASONS).map(([host, reason]) => h("li", {}, `Not ${printable(host)}: ${printable(reason)}`)));
    if (lines.length > MAX_REASONS) refused.append(h("li", {}, `and ${lines.length - MAX_REASONS} others`));
  }

  /** @param {{command: Row.Command, reply: Row.ControlReply}} confirmed */
  async function perform({ command, reply: { asked } }) {
    isSent = true;
    send.disabled = inputs.disabled = true;
    setText(status, "sending…");
    try {
      const reply = await sendCommand(context.config(), forWorkers(command, asked));
      showTargets(reply);
      await follow(reply.activity ?? 0);
    } catch (error) {
      finish(errorText(error));
    }
  }

  /** @param {number} activity */
  async function follow(activity) {
    show(send, false);
    setText(cancel, "Close");
    cancel.focus();
    for (;;) {
      const latest = await fetchActivity(activity);
      if (!latest) return finish("the server no longer knows this command");
      const answers = answersText(latest);
      const known = [outcomeText(latest), answers && `Answer: ${answers}`].filter(Boolean).join(". ");
      if (latest.outcome !== "waiting") return finish(known, latest.outcome);
      setText(status, known);
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
      if (!dialog.open) return;
    }
  }

  /** @param {string} result @param {string} outcome */
  function finish(result, outcome = "failed") {
    setText(status, result);
    status.dataset.outcome = outcome;
    show(send, false);
    setText(cancel, "Close");
    if (dialog.open) cancel.focus();
    else context.announce(`${title}: ${result}`);
  }

  preview();
  return dialog;
}

/**
 * A button that opens a dialog for the latest row.
 * @template R
 * @param {string} label @param {(row: R) => boolean} isShown @param {(row: R) => void} onOpen
 * @returns {Page.Part<[R]>}
 */
export function opener(label, isShown, onOpen) {
  /** @type {R | null} */
  let row = null;
  const element = button(label, () => row && onOpen(row), { class: "command-button", "aria-haspopup": "dialog" });
  /** @param {R} latest */
  const update = (latest) => {
    row = latest;
    show(element, isShown(latest));
  };
  return { element, update };
}
