// Column: cells that several tables have, and the words that several pages say. Columns are described at the Table.

import { h, painted, rename, setAttribute, setText } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { slotBar, spark } from "./spark.js";
import { stateLabel } from "./state.js";

export const IN_A_MINUTE = "in the latest minute";
export const OF_ITS_WORKERS = "of its workers, who serve other queues, too";

export const figure = (id, label, options) => ({
  id,
  label,
  isNumber: true,
  by: (row) => row[id],
  text: (row) => count(row[id]),
  ...options,
});

/** `id`: the field of a Timing. Both percentiles in one cell; the slower is what is sorted by. */
export const timing = (id, label, options) => ({
  id,
  label: `${label} p50 · p95`,
  width: 152,
  isNumber: true,
  by: (row) => row[id].p95,
  text: ({ [id]: { p50, p95 } }) => (p50 === null ? "–" : `${duration(p50)} · ${duration(p95)}`),
  ...options,
});

function shareLabel() {
  const element = h("span");
  const update = (share) => {
    setText(element, percent(share));
    element.dataset.tone = share >= 0.2 ? "bad" : share >= 0.05 ? "warn" : "";
  };
  return { element, update };
}

export const failureShare = (options) => ({
  id: "share",
  label: "Failed",
  hint: `Of those that ended ${IN_A_MINUTE}`,
  width: 72,
  isNumber: true,
  by: (row) => row.failure_rate,
  paint: painted(shareLabel, (row) => [row.failure_rate]),
  ...options,
});

export const pace = (options) => ({
  id: "rate",
  label: "Done/s",
  hint: `Tasks that ended a second, ${IN_A_MINUTE}`,
  width: 86,
  isNumber: true,
  by: (row) => row.per_second,
  text: (row) => rate(row.per_second),
  ...options,
});

function paceLine() {
  const line = spark();
  const text = h("span");
  const element = h("span", { class: "pace" }, line.element, text);
  const update = (row) => {
    line.update(row.spark);
    setText(text, rate(row.per_second));
  };
  return { element, update };
}

export const lagOf = (row) => Math.max(row.loop_lag, row.stalled_for);

/** What is told of it is rounded to ten milliseconds. */
export const lag = (row) => (lagOf(row) < 0.01 ? "<10 ms" : duration(lagOf(row)));

/** With a line of the latest five minutes. */
export const paceWithLine = (options) => pace({ width: 150, paint: paceLine, ...options });

/** `partOf(row)` of `wholeOf(row)` slots. */
export const slots = (partOf, wholeOf, options) => ({
  id: "busy",
  label: "Busy slots",
  width: 132,
  isDescending: true,
  by: (row) => (wholeOf(row) ? partOf(row) / wholeOf(row) : null),
  paint: painted(slotBar, (row) => [partOf(row), wholeOf(row)]),
  ...options,
});

export const state = (stateOf, order, options) => ({
  id: "state",
  label: "State",
  width: 112,
  priority: 2,
  isDescending: true,
  by: (row) => order.indexOf(stateOf(row)),
  paint: painted(stateLabel, (row) => [stateOf(row)]),
  ...options,
});

/** A name that links to its subject; below it what else is to say, and where the column has no room, its state. */
export const link = (nameOf, hrefOf, stateOf = null, wordsOf = () => "") => () => {
  const [name, words] = [h("bdi", { class: "name" }), h("bdi", { class: "name" })];
  const [anchor, label] = [h("a", { class: "open" }, name), stateLabel()];
  label.element.classList.add("narrow");
  const below = h("span", { class: "below" }, label.element, words);
  const element = h("span", {}, anchor, stateOf && below);
  const update = (row) => {
    rename(name, nameOf(row));
    setAttribute(anchor, "href", hrefOf(row));
    if (!stateOf) return;
    label.update(stateOf(row));
    rename(words, wordsOf(row));
    below.classList.toggle("narrow", wordsOf(row) === "");
  };
  return { element, update };
};
