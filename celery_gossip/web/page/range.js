// Range: the period that charts show, as the query of the address names it. Pure; times are Unix seconds.
//
// `window=1h`: the last hour. `from=-300`: the last 300 seconds. `from=1790000000&to=1790000300`: a fixed period, which no
// longer changes. `from=1790000000`: from then until now. The latter two replace `window`, which a reset returns to.

/** `{name in the address: {seconds, label}}` @type {Record<string, {seconds: number, label: string}>} */
export const WINDOWS = {
  "2m": { seconds: 120, label: "2 min" },
  "10m": { seconds: 600, label: "10 min" },
  "1h": { seconds: 3600, label: "1 h" },
  "3h": { seconds: 10_800, label: "3 h" },
};
/** Parameters that are kept between pages. */
export const RANGE_PARAMETERS = /** @type {const} */ (["window", "from", "to"]);
/** `[seconds for which the server keeps steps, their size]`; throughput, then levels. */
const KEPT = [[120, 2, 10], [600, 10, 10], [10_800, 60, 60]];
const MAX_SECONDS = 10_800;
const MIN_SECONDS = 10;
const MIN_STEPS = 5; // of throughput, in a selected period
const NOW_TOLERANCE = 0.02; // of the range: one that ends this near to now follows the time

/** @param {string | undefined} name */
export const windowOf = (name = "") => (Object.hasOwn(WINDOWS, name) ? name : "10m");

/**
 * Returns the period: `end` is undefined if it follows the time. A query that names none, or an impossible one, means a window.
 * @param {Page.Query} query @param {number} now
 * @returns {Page.Range}
 */
export function rangeOf({ window, from, to }, now) {
  const seconds = WINDOWS[windowOf(window)].seconds;
  const [start, end] = [instant(from, now), instant(to, now)];
  if (start === null || (to && end === null)) return { seconds, isZoomed: false };
  const length = Math.min(end ?? now, now) - start;
  if (!(length > 0)) return { seconds, isZoomed: false };
  if (end === null || end >= now) return { seconds: limited(length), isZoomed: true };
  return { seconds: limited(length), end, isZoomed: true };
}

/** @param {string | undefined} text @param {number} now */
function instant(text, now) {
  const value = text ? Number(text) : Number.NaN;
  if (!Number.isFinite(value) || Math.abs(value) > 1e11) return null;
  return value < 0 ? now + value : value;
}

/** @param {number} seconds */
const limited = (seconds) => Math.min(MAX_SECONDS, Math.max(MIN_SECONDS, seconds));

/**
 * Returns the changes of the query that name this period. One that ends now follows the time.
 * @param {number} start @param {number} end @param {number} now
 * @returns {Page.Query}
 */
export function rangeQuery(start, end, now) {
  const [first, last] = start < end ? [start, end] : [end, start];
  const middle = (first + last) / 2;
  const length = limited(Math.max(last - first, MIN_STEPS * stepSizes({ seconds: last - first, end: last }, now).steps));
  const from = Math.min(first, middle - length / 2);
  if (last >= now - Math.max(2, (now - first) * NOW_TOLERANCE)) return { from: String(-Math.round(Math.max(MIN_SECONDS, now - first))), to: "" };
  return { from: String(Math.round(from)), to: String(Math.round(from + length)) };
}

/** Returns the sizes of the steps that the server still has for this period. @param {Omit<Page.Range, "isZoomed">} range @param {number} now */
export function stepSizes({ seconds, end }, now) {
  const age = end === undefined ? seconds : now - end + seconds;
  const [kept, steps, levels] = KEPT.find(([one]) => age <= one + 0.5) ?? KEPT[KEPT.length - 1];
  return { kept, steps, levels };
}
