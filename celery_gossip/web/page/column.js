// Column: cells that several tables have.

import { h, rename, setText } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { bar, spark } from "./spark.js";
import { stateLabel } from "./state.js";

export const figure = (id, label, options = {}) => ({
  id,
  label,
  isNumber: true,
  by: (row) => row[id],
  text: (row) => count(row[id]),
  ...options,
});

/** `field`: of a Timing. Both percentiles in one cell; the slower is what is sorted by. */
export const timing = (field, label, options = {}) => ({
  id: field,
  label,
  isNumber: true,
  by: (row) => row[field].p95,
  text: (row) => pair(row[field]),
  ...options,
});

const pair = ({ p50, p95 }) => (p50 === null && p95 === null ? "–" : `${duration(p50)} · ${duration(p95)}`);

export const failureShare = (options = {}) => ({
  id: "failed_share",
  label: "Failed",
  hint: "Of those that ended in the latest minute",
  width: 72,
  isNumber: true,
  by: (row) => row.failure_rate,
  paint: () => {
    const element = h("span", {});
    const update = (row) => {
      setText(element, percent(row.failure_rate));
      element.dataset.tone = row.failure_rate >= 0.2 ? "bad" : row.failure_rate >= 0.05 ? "warn" : "";
    };
    return { nodes: element, update };
  },
  ...options,
});

export const pace = (options = {}) => ({
  id: "rate",
  label: "Done/s",
  hint: "Tasks that ended a second, over the latest minute",
  width: 76,
  isNumber: true,
  by: (row) => row.per_second,
  text: (row) => rate(row.per_second),
  ...options,
});

/** With a line of the latest five minutes. */
export const paceLine = (options = {}) =>
  pace({
    width: 148,
    class: "has-spark",
    paint: () => {
      const line = spark();
      const text = h("span", {});
      const update = (row) => {
        line.update(row.spark);
        setText(text, rate(row.per_second));
      };
      return { nodes: [line.element, text], update };
    },
    ...options,
  });

/** `partOf(row)` of `wholeOf(row)` slots. */
export const slots = (partOf, wholeOf, options = {}) => ({
  id: "busy",
  label: "Busy slots",
  width: 128,
  isDescending: true,
  by: (row) => (wholeOf(row) ? partOf(row) / wholeOf(row) : null),
  paint: () => {
    const { element, update } = bar();
    return { nodes: element, update: (row) => update(partOf(row), wholeOf(row)) };
  },
  ...options,
});

export const state = (stateOf, order, options = {}) => ({
  id: "state",
  label: "State",
  width: 124,
  isDescending: true,
  by: (row) => order.indexOf(stateOf(row)),
  paint: () => {
    const { element, update } = stateLabel();
    return { nodes: element, update: (row) => update(stateOf(row)) };
  },
  ...options,
});

/** A line below a name: its state, where there is no room for a column, and what else is to say. */
export const below = (stateOf, wordsOf = () => "") => () => {
  const label = stateLabel();
  label.element.classList.add("narrow");
  const words = h("bdi", { class: "name" });
  const line = h("span", { class: "below" }, label.element, words);
  const update = (row) => {
    label.update(stateOf(row));
    rename(words, wordsOf(row));
    line.classList.toggle("narrow", wordsOf(row) === "");
  };
  return { nodes: line, update };
};
