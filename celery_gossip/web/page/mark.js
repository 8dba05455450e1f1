// Mark: restarts, releases and times without reports, in words. The texts are pure.

import { h, setText, show } from "./dom.js";
import { age, clockTime, plural } from "./format.js";
import { printable } from "./printable.js";

const MAX_SHOWN = 8;

/** @param {Row.Mark} mark */
export function markText({ kind, at, until, count, release, previous, hostnames }) {
  if (kind === "outage") return until === null ? "no reports since then" : `no reports for ${age(until - at)}`;
  const who = count === 1 ? printable(hostnames[0] ?? "one worker") : plural(count, "worker");
  if (kind === "restart") return `${who} restarted`;
  return `release ${printable(release)} on ${who}${previous ? ` (was ${printable(previous)})` : ""}`;
}

/** Returns the text of the mark that is nearest to a time, not further than `within` seconds; empty if there is none. @param {readonly Row.Mark[]} marks @param {number} time @param {number} within */
export function markAt(marks, time, within) {
  /** @type {Row.Mark | undefined} */
  let nearest;
  for (const mark of marks) {
    if (mark.kind === "outage" && mark.at <= time && (mark.until ?? Infinity) >= time) return markText(mark);
    const distance = Math.abs(mark.at - time);
    if (distance <= within && distance < Math.abs((nearest?.at ?? Infinity) - time)) nearest = mark;
  }
  return nearest ? markText(nearest) : "";
}

/** Lists the marks of a period below its charts, the latest first. */
export function markList() {
  const lines = Array.from({ length: MAX_SHOWN }, markLine);
  const more = h("li", { class: "when", hidden: true });
  const element = h("ul", { class: "marks", "aria-label": "Restarts and releases in this period", hidden: true }, lines.map((line) => line.element), more);
  /** @param {readonly Row.Mark[]} marks */
  const update = (marks) => {
    const latest = [...marks].sort((one, other) => other.at - one.at);
    show(element, marks.length > 0);
    lines.forEach((line, at) => line.update(latest[at]));
    show(more, marks.length > MAX_SHOWN);
    setText(more, `and ${marks.length - MAX_SHOWN} earlier`);
  };
  return { element, update };
}

function markLine() {
  const [when, text] = [h("time", { class: "when" }), h("bdi")];
  const element = h("li", {}, h("i", { class: "flag" }), when, " ", text);
  /** @param {Row.Mark | undefined} mark */
  const update = (mark) => {
    show(element, mark !== undefined);
    if (!mark) return;
    element.dataset.kind = mark.kind;
    setText(when, clockTime(mark.at));
    setText(text, markText(mark));
  };
  return { element, update };
}
