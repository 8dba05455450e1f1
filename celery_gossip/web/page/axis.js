// Axis: round ticks with one unit for the whole axis, and the ticks of the time below it. Pure.

import { clockTime, shortTime } from "./format.js";

/**
 * `{kind of values: [[size of a unit, its name], …]}`, the smallest unit first.
 * @type {Record<Page.AxisKind, [number, string][]>}
 */
const UNITS = {
  count: [[1, ""], [1e3, "k"], [1e6, "M"], [1e9, "G"]],
  share: [[0.01, "%"]],
  seconds: [[1e-3, "ms"], [1, "s"], [60, "min"], [3600, "h"], [86_400, "d"]],
  bytes: [[1024, "KiB"], [1024 ** 2, "MiB"], [1024 ** 3, "GiB"], [1024 ** 4, "TiB"]],
};
const MAX_TICKS = 5; // above zero
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]; // seconds
const DAY = 86_400; // seconds

/** Returns the smallest step of 1, 2 or 5 times a power of ten that needs at most five ticks. @param {number} end @param {number} least */
function roundStep(end, least) {
  const power = 10 ** Math.floor(Math.log10(end / MAX_TICKS));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((one) => Math.ceil(end / one - 1e-6) <= MAX_TICKS) ?? end;
  return Math.max(step, least);
}

/**
 * Returns the end of the axis for values up to `highest`, and its ticks; zero has no unit. `min`, `max`: limits of the end;
 * `isWhole`: the values are whole numbers.
 * @param {Page.AxisKind} kind @param {number} highest @param {{min?: number, max?: number, isWhole?: boolean}} [options]
 * @returns {{end: number, ticks: {value: number, label: string}[]}}
 */
export function axisOf(kind, highest, { min = 0, max = Infinity, isWhole = false } = {}) {
  const top = Math.min(Math.max(highest, min, 0), max) || 1;
  const units = UNITS[kind];
  const [size, name] = units.filter(([one]) => one <= top * 1.0001).at(-1) ?? units[0];
  const step = roundStep(top / size, isWhole && size === 1 ? 1 : 0);
  const count = Math.max(1, Math.ceil(top / size / step - 1e-6));
  const digits = new Intl.NumberFormat(undefined, { maximumFractionDigits: Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) });
  const ticks = Array.from({ length: count + 1 }, (_, at) => ({
    value: at * step * size,
    label: at === 0 ? "0" : `${digits.format(at * step)}${name && " "}${name}`,
  }));
  return { end: count * step * size, ticks };
}

/**
 * Returns round times between start and end, `count` at most, at full minutes or hours where they fit.
 * @param {number} start @param {number} end Unix seconds @param {number} count
 */
export function timeTicks(start, end, count) {
  const step = TIME_STEPS.find((one) => (end - start) / one <= count) ?? DAY;
  const text = step < 60 ? clockTime : shortTime;
  const ticks = [];
  for (let time = Math.ceil(start / step) * step; time <= end; time += step) ticks.push({ time, label: text(time) });
  return ticks;
}
