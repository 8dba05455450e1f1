// Geometry: positions and paths of a chart. Pure.

export const HEIGHT = 164;
export const LEFT = 58;
export const TOP = 12;
export const DEPTH = HEIGHT - TOP - 22;
const RIGHT = 2;
const POINT_DISTANCE = 14; // pixels between two points from which each is drawn

/** Returns pixels with one decimal, which is precise enough and keeps paths short. @param {number} value */
export const px = (value) => String(Math.round(value * 10) / 10);

/**
 * Returns the path through the known points; gaps stay gaps, and a point between two gaps becomes a dot.
 * @param {readonly number[]} xs @param {Page.Values} ys
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

/**
 * Returns the points that a line hardly shows: those between two gaps, and all of them if they are far from each other;
 * of an area only the former. The stroke of the path makes them visible.
 * @param {readonly number[]} xs @param {Page.Values} ys
 */
export function pointsPath(xs, ys, isArea = false) {
  const isSparse = !isArea && xs.length > 1 && (xs[xs.length - 1] - xs[0]) / (xs.length - 1) >= POINT_DISTANCE;
  let path = "";
  for (let at = 0; at < xs.length; at += 1) {
    const y = ys[at];
    const isAlone = (ys[at - 1] ?? null) === null && (ys[at + 1] ?? null) === null;
    if (y !== null && (isSparse || isAlone)) path += `M${px(xs[at])} ${px(y)}h0`;
  }
  return path;
}

/** Returns the areas between two lines; gaps stay gaps. @param {readonly number[]} xs @param {Page.Values} tops @param {Page.Values} floors */
export function areaPath(xs, tops, floors) {
  let path = "";
  for (let at = 0; at < xs.length; at += 1) {
    const first = at;
    while (at < xs.length && tops[at] !== null) at += 1;
    if (at > first) path += closedArea(xs.slice(first, at), /** @type {number[]} */ (tops.slice(first, at)), /** @type {number[]} */ (floors.slice(first, at)));
  }
  return path;
}

/** @param {number[]} xs @param {number[]} tops @param {number[]} floors */
function closedArea(xs, tops, floors) {
  const upper = xs.map((x, at) => `${px(x)} ${px(tops[at])}`);
  const lower = xs.map((x, at) => `${px(x)} ${px(floors[at])}`).reverse();
  return `M${upper.join("L")}L${lower.join("L")}Z`;
}

/**
 * Returns the values of each line: areas are stacked in this order, and have `floors`. What stands on an unknown value is unknown.
 * @param {Page.ChartLine[]} lines @param {Page.Charted} data
 * @returns {({tops: Page.Values, floors?: undefined} | {tops: Page.Values, floors: Page.Values})[]}
 */
export function stack(lines, data) {
  /** @type {Page.Values} */
  let floors = data.times.map(() => 0);
  return lines.map(({ id, isArea }) => {
    if (!isArea) return { tops: data[id] };
    const stacked = { floors, tops: data[id].map((value, at) => sum(floors[at], value)) };
    floors = stacked.tops;
    return stacked;
  });
}

/** @param {number | null} one @param {number | null} other */
const sum = (one, other) => (one === null || other === null ? null : one + other);

/** Returns the highest known value, 0 if there is none. @param {Page.Values[]} values */
export function highest(values) {
  let most = 0;
  for (const column of values) for (const value of column) if (value !== null && value > most) most = value;
  return most;
}

/** Returns the height of a value on an axis up to `scale`. @param {number} value @param {number} scale */
export const yOf = (value, scale) => TOP + DEPTH * (1 - Math.min(value / scale, 1));

/** Returns the position of a time in a chart of this width, within it. @param {number} time @param {Page.Period} period @param {number} width */
export function xOf(time, { start, end }, width) {
  return LEFT + Math.min(1, Math.max(0, (time - start) / (end - start))) * (width - LEFT - RIGHT);
}

/** Returns the time at a position, within the period. @param {number} x @param {Page.Period} period @param {number} width */
export function timeAt(x, { start, end }, width) {
  return start + Math.min(1, Math.max(0, (x - LEFT) / (width - LEFT - RIGHT))) * (end - start);
}

/** Returns the index of the step that is nearest to a time; null if there is no step. @param {number} time @param {readonly number[]} times */
export function stepAt(time, times) {
  if (times.length === 0) return null;
  // The first step and the last one may be shorter than the others.
  let at = 0;
  while (Math.abs(times[at + 1] - time) < Math.abs(times[at] - time)) at += 1;
  return at;
}
