// Command: sends commands to workers, and texts about their answers and outcomes.

import { count, plural } from "./format.js";
import { printable } from "./printable.js";
import { serverUrl } from "./url.js";

export const MAX_HOSTNAMES = 1000; // that one command may name
const MAX_LISTED = 8; // names in a dialog

/**
 * With `isPreview` nothing is sent; the reply names the workers that would be asked. Throws an Error with the server's message.
 * @param {Pick<Row.Config, "csrf">} config @param {Row.Command} command
 * @returns {Promise<Row.ControlReply>}
 */
export async function sendCommand(config, command, { isPreview = false } = {}) {
  const headers = { "Content-Type": "application/json", "X-Gossip-CSRF": config.csrf };
  const url = serverUrl(`api/control${isPreview ? "?preview=true" : ""}`);
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(command) });
  const reply = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(reply.error || `refused with status ${response.status}`);
  return reply;
}

/** Returns the command's entry in the log of the server; null if it is no longer there. @param {number} number @returns {Promise<Row.Activity | null>} */
export async function fetchActivity(number) {
  const response = await fetch(serverUrl(`api/activity?number=${number}`), { cache: "no-store" });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.json()).activity[0] ?? null;
}

/** Returns the command for exactly these workers. Pure. @param {Row.Command} command @param {readonly string[]} hostnames @returns {Row.Command} */
export function forWorkers(command, hostnames) {
  if (command.act === "purge" || hostnames.length === 0 || hostnames.length > MAX_HOSTNAMES) return command;
  return { ...command, hostname: null, hostnames };
}

/** Summarizes the replies that have arrived. Pure. @param {Row.ControlReply} reply */
export function replyText({ asked, answers }) {
  const replies = Object.values(answers);
  return asked.length === 1 ? (replies[0] ?? "no reply yet") : `${replies.length} of ${asked.length} workers replied`;
}

/** Returns the first names, and how many more there are. Pure. @param {readonly string[]} names */
export function namesText(names, most = MAX_LISTED) {
  const rest = names.length - most;
  return names.slice(0, most).map(printable).join(", ") + (rest > 0 ? ` and ${count(rest)} more` : "");
}

/** @type {Record<Row.Activity["outcome"], string>} */
const OUTCOMES = {
  confirmed: "confirmed",
  answered: "answered",
  waiting: "waiting for reports",
  unknown: "unknown",
  not_confirmed: "not confirmed",
  failed: "failed",
};

/** Returns the outcome as the page names it. Pure. @param {Pick<Row.Activity, "outcome">} activity */
export const outcomeOf = ({ outcome }) => OUTCOMES[outcome] ?? outcome;
export const OUTCOME_NAMES = Object.values(OUTCOMES);

/**
 * Returns what is known of the outcome, in a sentence that claims no more. Pure.
 * @param {Pick<Row.Activity, "outcome" | "counts" | "workers" | "detail" | "seconds">} activity
 */
export function outcomeText({ outcome, counts, workers, detail, seconds }) {
  const parts = Object.entries(counts).map(([name, number]) => `${count(number)} ${OUTCOMES[/** @type {Row.Activity["outcome"]} */ (name)] ?? name}`);
  const text = workers > 1 ? `${plural(workers, "worker")}: ${parts.join(", ")}` : OUTCOMES[outcome];
  const after = outcome === "confirmed" && seconds !== null ? ` after ${seconds.toFixed(1)} s` : "";
  return [`${text}${after}`, detail].filter(Boolean).join(". ");
}

/** Returns the answers, or the first of them if there are many. Pure. @param {Pick<Row.Activity, "answers">} activity */
export function answersText({ answers }) {
  const texts = [...new Set(Object.values(answers))];
  const rest = texts.length - 2;
  return texts.slice(0, 2).map(printable).join("; ") + (rest > 0 ? `; and ${count(rest)} others` : "");
}
