// Page of the commands that users of this server have sent to workers, with their outcome.

import { OUTCOME_NAMES, answersText, namesText, outcomeOf } from "./command.js";
import { fromRow, h, nameElement, nameLabel, setName } from "./dom.js";
import { count, plural } from "./format.js";
import { listPage } from "./list_page.js";
import { stateLabel } from "./state.js";
import { ageLabel } from "./ticker.js";

/** @param {Row.Activity} row */
const placeText = (row) => (row.workers > 1 ? `${plural(row.workers, "worker")}: ${namesText(row.hostnames, 3)}` : namesText(row.hostnames) || "the broker");

/** @param {Row.Activity} row */
const answerText = (row) => [row.detail, answersText(row)].filter(Boolean).join(" · ") || "–";

/** Shows the user and the outcome below the command where they have no columns. */
function commandCell() {
  const [text, user, label] = [nameElement(), nameElement(), stateLabel()];
  const below = h("span", { class: "below narrow-only" }, label.element, user);
  /** @param {Row.Activity} row */
  const update = (row) => {
    setName(text, row.text);
    setName(user, row.user);
    label.update(outcomeOf(row));
  };
  return { element: h("span", {}, text, below), update };
}

/** @type {Page.Column<Row.Activity>[]} */
const COLUMNS = [
  { id: "text", label: "Command", sortKey: (row) => row.text, makeCell: commandCell },
  { id: "outcome", label: "Outcome", width: 156, priority: 2, sortKey: (row) => outcomeOf(row), makeCell: fromRow(stateLabel, (row) => [outcomeOf(row)]) },
  { id: "user", label: "User", width: 110, priority: 3, sortKey: (row) => row.user, makeCell: fromRow(nameLabel, (row) => [row.user]) },
  { id: "workers", label: "Sent to", width: 250, priority: 3, sortKey: (row) => row.workers, makeCell: fromRow(nameLabel, (row) => [placeText(row)]) },
  { id: "answer", label: "Answer", width: 300, priority: 4, makeCell: fromRow(nameLabel, (row) => [answerText(row)]) },
  { id: "seconds", label: "Took", width: 80, priority: 5, isNumber: true, sortKey: (row) => row.seconds, text: (row) => (row.seconds === null ? "–" : `${row.seconds.toFixed(1)} s`) },
  { id: "at", label: "When", width: 116, isNumber: true, isDescending: true, sortKey: (row) => row.id, makeCell: fromRow(ageLabel, (row) => [row.at, { after: " ago" }]) },
];

/** @param {Page.Context} context @returns {Page.Mounted} */
export function activityPage(context) {
  const page = listPage(context, {
    title: "Activity",
    topic: "activity",
    noun: "command",
    nothing: "No command was sent since this server was started.",
    columns: COLUMNS,
    defaultSort: "-at",
    isStale: () => false,
    states: OUTCOME_NAMES,
    stateOf: outcomeOf,
    textOf: (row) => [row.text, row.user, row.act, row.queue ?? "", ...row.hostnames, ...row.task_ids, answerText(row)].join(" "),
  });
  page.element.append(h("p", { class: "quiet" }, `Confirmed: a report shows the effect. Answered: the workers have accepted it, and no report can show it. The last ${count(500)} commands are kept.`));
  return page;
}
