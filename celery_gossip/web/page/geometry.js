// Geometry: positions and paths of a chart. Pure.

import { roundedUp } from "./series.js";

export const HEIGHT = 148;
export const LEFT = 48;
export const TOP = 8;
export const DEPTH = HEIGHT - TOP - 20;

/** Returns pixels with one decimal, which is precise enough and keeps paths short. @param {number} value */
export const px = (value) => String(Math.round(value * 10) / 10);

/**
 * Returns the path through the known points; gaps stay gaps, and a point between two gaps becomes a dot.
 * @param {number[]} xs @param {Page.Values} ys
 */
export function linePath(xs, ys) {
  let path = "";
  for (let at = 0; at < xs.length; at += 1) {
    const y = ys[at];
    if (y === null) continue;
    const isFirst = (ys[at - 1] ?? null) === null;
    path += `${isFirst ? "M" : "L"}${px(xs[at])} ${px(y)}`;
    if (isFirst && (ys[at + 1] ?? null) === null) path += "h0.1";
  }
  return path;
}

/** Returns the area between two lines without gaps. @param {number[]} xs @param {number[]} tops @param {number[]} floors */
export function areaPath(xs, tops, floors) {
  if (xs.length === 0) return "";
  const upper = xs.map((x, at) => `${px(x)} ${px(tops[at])}`);
  const lower = xs.map((x, at) => `${px(x)} ${px(floors[at])}`).reverse();
  return `M${upper.join("L")}L${lower.join("L")}Z`;
}

/**
 * Returns the values of each line: areas are stacked in this order, and have `floors`.
 * @param {Page.ChartLine[]} lines @param {Page.Charted} data
 * @returns {({tops: Page.Values, floors?: undefined} | {tops: number[], floors: number[]})[]}
 */
export function stack(lines, data) {
  let floors = data.times.map(() => 0);
  return lines.map(({ id, isArea }) => {
    if (!isArea) return { tops: data[id] };
    const stacked = { floors, tops: data[id].map((value, at) => floors[at] + (value ?? 0)) };
    floors = stacked.tops;
    return stacked;
  });
}

/** Returns the upper end of the scale: a round number between `min` and `max`. @param {Page.Values[]} values */
export function scaleEnd(values, min = 0, max = Infinity) {
  return Math.min(roundedUp(Math.max(min, ...values.flat().map((value) => value ?? 0))), max);
}

/** Returns the height of a value. @param {number} value @param {number} scale */
export const yOf = (value, scale) => TOP + DEPTH * (1 - Math.min(value / scale, 1));

/** Returns the position of a time in a chart of this width. @param {number} time @param {Page.Charted} data @param {number} width */
export const xOf = (time, { start, end }, width) => LEFT + Math.max(0, (time - start) / (end - start)) * (width - LEFT - 2);

/** Returns the index of the step at a position; null if there is no step. @param {number} x @param {Page.Charted} data @param {number} width */
export function stepAt(x, { times, start, end }, width) {
  if (times.length === 0) return null;
  const time = start + ((x - LEFT) / (width - LEFT)) * (end - start);
  // The first step and the last one may be shorter than the others.
  let at = 0;
  while (Math.abs(times[at + 1] - time) < Math.abs(times[at] - time)) at += 1;
  return at;
}
