// Sighting: what is known about one task, as text. Pure.

import { age, count, due, plural } from "./format.js";
import { subjectHref } from "./router.js";

/** Of tasks in the lists, from those that run to those that wait for longest. */
export const LISTED_STATES = ["running", "reserved", "limited", "scheduled"];
/** @type {Record<string, string>} */
const VERBS = { running: "runs", reserved: "waits for a slot", limited: "waits for its rate limit", scheduled: "waits for its ETA" };
/** @type {Record<string, string>} */
const PAST = { running: "was running", reserved: "was reserved", limited: "waited for its rate limit", scheduled: "was scheduled" };

/** @param {Pick<Row.Sighting, "source" | "id">} row */
export const runHref = (row) => subjectHref("runs", row.source, row.id);

/** Returns where a task is and since when, without its worker's name. @param {Row.Sighting} row @param {number} now */
export function stateText(row, now) {
  const since = row.since === null ? "" : ` for ${age(now - row.since)}`;
  const seen = `${age(now - row.seen_at)} ago`;
  if (row.state === "scheduled" && row.due_at !== null) return `${VERBS.scheduled}, ${due(row.due_at - now)}`;
  if (Object.hasOwn(VERBS, row.state)) return `${VERBS[row.state]}${since}`;
  if (row.state === "failed") return `failed with ${row.exception} ${seen}`;
  const was = PAST[row.was] ?? "was listed";
  if (row.state === "lost") return `${was} when its worker was lost, last report ${seen}`;
  if (row.state === "stopped") return `${was} when its worker shut down, ${seen}`;
  if (row.has_ended) return `has ended: it ran in the report ${seen}, and does not run any more`;
  return `${was} ${seen}, and is not listed any more`;
}

/** Returns what a search that finds nothing can say. @param {Iterable<Row.Coverage>} coverages @param {number} now */
export function coverageText(coverages, now) {
  const all = [...coverages];
  const known = all.every((one) => one.since !== null);
  const since = Math.max(...all.map((one) => one.since ?? 0));
  const sentence = all.length && known ? `Not seen in the last ${age(now - since)}` : "Not in the latest report of any worker";
  return `${[sentence, unlistedText(all)].filter(Boolean).join("; ")}.${all.some((one) => one.is_frozen) ? " The view is frozen, because the listener is cut off." : ""}`;
}

/** @param {Iterable<{unlisted_running: number, unlisted_waiting: number}>} rows */
export function unlistedText(rows) {
  let [running, waiting] = [0, 0];
  for (const one of rows) [running, waiting] = [running + one.unlisted_running, waiting + one.unlisted_waiting];
  const parts = [running && `${count(running)} running`, waiting && `${count(waiting)} waiting`].filter(Boolean);
  return parts.length ? `${parts.join(" and ")} ${running + waiting === 1 ? "task is" : "tasks are"} in no list` : "";
}

/** @param {number} listed @param {number} total */
export const truncatedText = (listed, total) => (listed < total ? `The ${plural(listed, "task")} that run or wait for longest, of ${count(total)}.` : "");
