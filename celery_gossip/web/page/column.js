// Column: columns that several tables share, and texts that several pages share. See Table for the fields of a column.

import { fromRow, h, setAttribute, setName, setText } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { slotBar, sparkline } from "./sparkline.js";
import { stateLabel } from "./state.js";

export const LAST_MINUTE = "in the last minute";
export const SHARED_SLOTS = "of its workers, which may serve other queues as well";

/** @type {Page.FieldColumn<number | null>} */
export const countColumn = (id, label, options) => ({
  id,
  label,
  isNumber: true,
  sortKey: (row) => row[id],
  text: (row) => count(row[id]),
  ...options,
});

/** @param {Row.Timing} timing */
const timingText = ({ p50, p95 }) => (p50 === null ? "–" : `${duration(p50)} · ${duration(p95)}`);

/** Shows two percentiles and sorts by the higher one. @type {Page.FieldColumn<Row.Timing>} */
export const timingColumn = (id, label, options) => ({
  id,
  label: `${label} p50 · p95`,
  width: 152,
  isNumber: true,
  sortKey: (row) => row[id].p95,
  text: (row) => timingText(row[id]),
  ...options,
});

/** @param {number} share */
const toneOf = (share) => (share >= 0.2 ? "bad" : share >= 0.05 ? "warn" : "");

function failureRateLabel() {
  const element = h("span");
  /** @param {number | null} share */
  const update = (share) => {
    setText(element, percent(share));
    element.dataset.tone = toneOf(share ?? 0);
  };
  return { element, update };
}

/** @type {Page.PresetColumn<Pick<Row.Queue, "failure_rate">>} */
export const failureRateColumn = (options) => ({
  id: "share",
  label: "Failed",
  hint: `Share of failed tasks among those that ended ${LAST_MINUTE}`,
  width: 72,
  isNumber: true,
  sortKey: (row) => row.failure_rate,
  makeCell: fromRow(failureRateLabel, (row) => [row.failure_rate]),
  ...options,
});

/** @type {Page.PresetColumn<Pick<Row.Queue, "per_second">>} */
export const rateColumn = (options) => ({
  id: "rate",
  label: "Done/s",
  hint: `Tasks that ended per second, ${LAST_MINUTE}`,
  width: 86,
  isNumber: true,
  sortKey: (row) => row.per_second,
  text: (row) => rate(row.per_second),
  ...options,
});

function rateWithSparkline() {
  const line = sparkline();
  const text = h("span");
  const element = h("span", { class: "rate" }, line.element, text);
  /** @param {Pick<Row.Queue, "spark" | "per_second">} row */
  const update = (row) => {
    line.update(row.spark);
    setText(text, rate(row.per_second));
  };
  return { element, update };
}

/** @param {Row.Worker} row */
export const lagOf = (row) => Math.max(row.loop_lag, row.stalled_for);

/** The server rounds it to ten milliseconds. @param {Row.Worker} row */
export const lagText = (row) => (lagOf(row) < 0.01 ? "<10 ms" : duration(lagOf(row)));

/** The sparkline shows the last five minutes. @type {Page.PresetColumn<Pick<Row.Queue, "spark" | "per_second">>} */
export const rateSparklineColumn = (options) => rateColumn({ width: 150, makeCell: rateWithSparkline, ...options });

/**
 * `busyOf(row)` of `slotsOf(row)` slots.
 * @template R
 * @param {(row: R) => number} busyOf @param {(row: R) => number} slotsOf @param {Partial<Page.Column<R>>} options
 * @returns {Page.Column<R>}
 */
export const slotColumn = (busyOf, slotsOf, options) => ({
  id: "busy",
  label: "Busy slots",
  width: 132,
  isDescending: true,
  sortKey: (row) => (slotsOf(row) ? busyOf(row) / slotsOf(row) : null),
  makeCell: fromRow(slotBar, (row) => [busyOf(row), slotsOf(row)]),
  ...options,
});

/**
 * @template R
 * @param {(row: R) => string} stateOf @param {string[]} order @param {Partial<Page.Column<R>>} [options]
 * @returns {Page.Column<R>}
 */
export const stateColumn = (stateOf, order, options) => ({
  id: "state",
  label: "State",
  width: 112,
  priority: 2,
  isDescending: true,
  sortKey: (row) => order.indexOf(stateOf(row)),
  makeCell: fromRow(stateLabel, (row) => [stateOf(row)]),
  ...options,
});

/**
 * Makes a cell with a link; below it `detailOf(row)` and, on narrow screens without a state column, the state.
 * @template R
 * @param {(row: R) => string} nameOf @param {(row: R) => string} hrefOf
 * @param {((row: R) => string) | null} stateOf @param {(row: R) => string} detailOf
 * @returns {() => Page.Part<[R]>}
 */
export const linkCell = (nameOf, hrefOf, stateOf = null, detailOf = () => "") => () => {
  const [name, detail] = [h("bdi", { class: "name" }), h("bdi", { class: "name" })];
  const [anchor, label] = [h("a", { class: "open" }, name), stateLabel()];
  label.element.classList.add("narrow-only");
  const below = h("span", { class: "below" }, label.element, detail);
  const element = h("span", {}, anchor, stateOf && below);
  /** @param {R} row */
  const update = (row) => {
    setName(name, nameOf(row));
    setAttribute(anchor, "href", hrefOf(row));
    if (!stateOf) return;
    label.update(stateOf(row));
    setName(detail, detailOf(row));
    below.classList.toggle("narrow-only", detailOf(row) === "");
  };
  return { element, update };
};
