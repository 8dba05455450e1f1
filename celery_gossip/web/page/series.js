// Series: the steps of a chart as columns of values. Pure.

/**
 * `{name in the address: {seconds, size: of a step, label}}`; the server sends steps of each of these sizes.
 * @type {Record<string, Page.Window & {label: string}>}
 */
export const WINDOWS = {
  "2m": { seconds: 120, size: 2, label: "2 min" },
  "10m": { seconds: 600, size: 10, label: "10 min" },
  "1h": { seconds: 3600, size: 60, label: "1 h" },
  "3h": { seconds: 10_800, size: 60, label: "3 h" },
};
/** @param {string} name */
export const windowOf = (name) => WINDOWS[Object.hasOwn(WINDOWS, name) ? name : "10m"];

const DELAY = 1; // seconds until events are reported; also the largest difference of the clocks
const TIMINGS = /** @type {const} */ (["wait_p50", "wait_p95", "run_p50", "run_p95"]);
const COLUMNS = /** @type {const} */ (["times", "succeeded", "failed", "share", ...TIMINGS]);

/**
 * Returns `{start, end, times, succeeded, failed, share, wait_p50, …}` with one value per step: rates per second for counts,
 * null for timings and shares of steps in which no task ended. `times` are the middles of the steps. There are no steps
 * before `since`, when the server began to listen, and none at all if that is Infinity.
 * @param {Iterable<Row.Step>} steps @param {number} now @param {Page.Window} window
 * @returns {Page.Charted}
 */
export function charted(steps, now, { seconds, size }, since = 0) {
  /** @type {Map<number, Row.Step>} */
  const known = new Map();
  let phase = 0; // of the starts of the steps
  for (const step of steps) {
    if (step.size !== size) continue;
    phase = step.start % size;
    known.set(Math.round((step.start - phase) / size), step);
  }
  const end = now - DELAY;
  /** @param {number} time */
  const numberOf = (time) => Math.floor((time - phase) / size);
  // The oldest step that the server certainly sent: a missing one would look like one without events.
  const first = Math.max(numberOf(now + DELAY - seconds) + 1, numberOf(since));
  /** @type {ReturnType<typeof point>[]} */
  const points = [];
  for (let number = first; number <= numberOf(end); number += 1) {
    points.push(point(known.get(number), Math.max(number * size + phase, since), Math.min((number + 1) * size + phase, end)));
  }
  // Leave out the latest step until half of it has passed: its rate would be unreliable.
  if (points.length > 1 && points[points.length - 1].length < size / 2) points.pop();
  const columns = COLUMNS.map((name) => [name, points.map((one) => one[name])]);
  return /** @type {Page.Charted} */ ({ start: end - seconds, end, ...Object.fromEntries(columns) });
}

/** @param {Row.Step | undefined} step @param {number} from @param {number} until */
function point(step, from, until) {
  const length = Math.max(step?.seconds ?? 0, until - from, 0.001);
  const { succeeded = 0, failed = 0 } = step ?? {};
  const share = succeeded + failed > 0 ? failed / (succeeded + failed) : null;
  const timings = TIMINGS.map((name) => /** @type {const} */ ([name, step?.[name] ?? null]));
  return {
    times: (from + until) / 2,
    length,
    succeeded: succeeded / length,
    failed: failed / length,
    share,
    .../** @type {Record<typeof TIMINGS[number], number | null>} */ (Object.fromEntries(timings)),
  };
}

/** Returns the smallest round number that is not below: 1, 2, 2.5 or 5 times a power of ten. @param {number} value */
export function roundedUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999) ?? value;
}
