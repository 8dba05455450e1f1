// Series: the steps of one size that a chart shows, one after the other. Pure.

/** `{name in the address: {seconds, size: of its steps, label}}`; the server tells steps of each of these sizes. */
export const WINDOWS = {
  "2m": { seconds: 120, size: 2, label: "2 min" },
  "10m": { seconds: 600, size: 10, label: "10 min" },
  "1h": { seconds: 3600, size: 60, label: "1 h" },
  "3h": { seconds: 10_800, size: 60, label: "3 h" },
};
export const windowOf = (name) => WINDOWS[name] ?? WINDOWS["10m"];

const LATE = 1; // seconds after which what has ended has been told of, and by which two clocks may differ
const TIMINGS = ["wait_p50", "wait_p95", "run_p50", "run_p95"];
const COLUMNS = ["times", "succeeded", "failed", "share", ...TIMINGS];

/**
 * `{start, end, times, succeeded, failed, share, wait_p50, …}`: an array for each, one value a step; counts as rates a
 * second, timings and shares null where nothing ended. `times` are the middles. None of the time before `since`, when
 * the server began to listen; none at all where that is Infinity.
 */
export function charted(steps, now, { seconds, size }, since = 0) {
  const known = new Map();
  let phase = 0; // of the steps' starts
  for (const step of steps) {
    if (step.size !== size) continue;
    phase = step.start % size;
    known.set(Math.round((step.start - phase) / size), step);
  }
  const end = now - LATE;
  const numberOf = (time) => Math.floor((time - phase) / size);
  // The oldest step that is surely told: an older one might be missing, and be taken for one in which nothing happened.
  const first = Math.max(numberOf(now + LATE - seconds) + 1, numberOf(since));
  const points = [];
  for (let number = first; number <= numberOf(end); number += 1) {
    points.push(point(known.get(number), Math.max(number * size + phase, since), Math.min((number + 1) * size + phase, end)));
  }
  // The latest step has only begun: too little of it says nothing.
  if (points.length > 1 && points.at(-1).length < size / 2) points.pop();
  const columns = COLUMNS.map((name) => [name, points.map((one) => one[name])]);
  return { start: end - seconds, end, ...Object.fromEntries(columns) };
}

function point(step, from, until) {
  const length = Math.max(step?.seconds ?? 0, until - from, 0.001);
  const { succeeded = 0, failed = 0 } = step ?? {};
  const told = { times: (from + until) / 2, length, succeeded: succeeded / length, failed: failed / length };
  told.share = succeeded + failed > 0 ? failed / (succeeded + failed) : null;
  for (const name of TIMINGS) told[name] = step?.[name] ?? null;
  return told;
}

/** The least "round" number that is not below: 1, 2, 2.5 or 5 times a power of ten. */
export function roundedUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}
