// Series: the steps of a chart as columns of values. Pure.

const DELAY = 1; // seconds until events are reported; also the largest difference of the clocks
const TIMINGS = /** @type {const} */ (["wait_p50", "wait_p95", "run_p50", "run_p95"]);
const COLUMNS = /** @type {const} */ (["times", "succeeded", "failed", "share", ...TIMINGS]);
const FIGURES = /** @type {const} */ (["backlog", "oldest_min", "oldest_max", "rss", "memory_used", "cpu"]);

/**
 * Returns `{start, end, times, succeeded, failed, share, wait_p50, …}` with one value per step: rates per second for counts,
 * null for timings and shares of steps in which no task ended. `times` are the middles of the steps. There are no steps
 * before `since`, when the server began to listen, and none at all if that is Infinity. Steps without an event during an
 * outage are unknown.
 * @param {Iterable<Row.Step>} steps @param {number} now @param {Page.Window} window @param {number} [since] @param {readonly Page.Outage[]} [outages]
 * @returns {Page.Charted}
 */
export function charted(steps, now, { seconds, size, kept = seconds, end: fixedEnd }, since = 0, outages = []) {
  const { known, numberOf, startOf } = numbered(steps, size);
  const end = Math.min(fixedEnd ?? Infinity, now - DELAY);
  const start = end - seconds;
  // The oldest step that the server certainly sent: a missing one would look like one without events.
  const first = Math.max(numberOf(now + DELAY - kept) + 1, numberOf(start - size / 2) + 1, numberOf(since));
  /** @type {ReturnType<typeof point>[]} */
  const points = [];
  for (let number = first; number <= numberOf(end); number += 1) {
    const [from, until] = [Math.max(startOf(number), since), Math.min(startOf(number + 1), now - DELAY)];
    const step = known.get(number);
    points.push(point(step, from, until, !step && isDuring(outages, from, until)));
  }
  // Leave out the latest step until half of it has passed: its rate would be unreliable; and one beyond the end.
  const latest = points.at(-1);
  if (latest && (points.length > 1 || fixedEnd !== undefined) && (latest.length < size / 2 || latest.times > end)) points.pop();
  const columns = COLUMNS.map((name) => [name, points.map((one) => one[name])]);
  return /** @type {Page.Charted} */ ({ start, end, size, since, ...Object.fromEntries(columns) });
}

/**
 * Returns the same for levels, `{start, end, times, backlog, …}`: null where the server knows no value.
 * @param {Iterable<Row.Level>} levels @param {number} now @param {Page.Window} window @param {number} [since]
 * @returns {Page.Charted}
 */
export function levelled(levels, now, { seconds, size, end: fixedEnd }, since = 0) {
  const { known, numberOf, startOf } = numbered(levels, size);
  const end = Math.min(fixedEnd ?? Infinity, now - DELAY);
  const start = end - seconds;
  /** @type {number[]} */
  const numbers = [];
  for (let number = numberOf(Math.max(start, since)); number <= numberOf(end); number += 1) {
    if (middleOf(number) >= start && middleOf(number) <= end) numbers.push(number);
  }
  /** @param {number} number */
  function middleOf(number) {
    return (Math.max(startOf(number), since) + Math.min(startOf(number + 1), now - DELAY)) / 2;
  }
  // The latest step has no value until the server takes the next sample.
  if (fixedEnd === undefined && numbers.length > 1 && !known.has(numbers[numbers.length - 1])) numbers.pop();
  const columns = FIGURES.map((name) => [name, numbers.map((number) => known.get(number)?.[name] ?? null)]);
  return /** @type {Page.Charted} */ ({ start, end, size, since, times: numbers.map(middleOf), ...Object.fromEntries(columns) });
}

/**
 * Returns the rows of this step size by their number.
 * @template {{size: number, start: number}} R
 * @param {Iterable<R>} rows @param {number} size
 */
function numbered(rows, size) {
  /** @type {Map<number, R>} */
  const known = new Map();
  let phase = 0; // of the starts of the steps
  for (const row of rows) {
    if (row.size !== size) continue;
    phase = row.start % size;
    known.set(Math.round((row.start - phase) / size), row);
  }
  /** @param {number} time */
  const numberOf = (time) => Math.floor((time - phase) / size);
  /** @param {number} number */
  const startOf = (number) => number * size + phase;
  return { known, numberOf, startOf };
}

/** @param {readonly Page.Outage[]} outages @param {number} from @param {number} until */
const isDuring = (outages, from, until) => outages.some((one) => one.at < until && (one.until ?? Infinity) > from);

/** @param {Row.Step | undefined} step @param {number} from @param {number} until @param {boolean} isUnknown */
function point(step, from, until, isUnknown) {
  const length = Math.max(step?.seconds ?? 0, until - from, 0.001);
  const { succeeded = 0, failed = 0 } = step ?? {};
  const share = succeeded + failed > 0 ? failed / (succeeded + failed) : null;
  const timings = TIMINGS.map((name) => /** @type {const} */ ([name, step?.[name] ?? null]));
  return {
    times: (from + until) / 2,
    length,
    succeeded: isUnknown ? null : succeeded / length,
    failed: isUnknown ? null : failed / length,
    share,
    .../** @type {Record<typeof TIMINGS[number], number | null>} */ (Object.fromEntries(timings)),
  };
}
