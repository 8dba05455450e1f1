// Series: steps of unequal length gathered into the equal buckets of a chart. Pure.

/** `{name in the address: {seconds, bucket, label}}` */
export const WINDOWS = {
  "2m": { seconds: 120, bucket: 2, label: "2 min" },
  "10m": { seconds: 600, bucket: 10, label: "10 min" },
  "1h": { seconds: 3600, bucket: 60, label: "1 h" },
  "3h": { seconds: 10_800, bucket: 120, label: "3 h" },
};
export const windowOf = (name) => WINDOWS[name] ?? WINDOWS["10m"];

const LATE = 1; // seconds after which what has ended has been told of
const TIMINGS = ["wait_p50", "wait_p95", "run_p50", "run_p95"];

/**
 * `{start, end, times, succeeded, failed, share, wait_p50, …}`: an array for each, one value a bucket; counts as
 * rates a second, timings and shares null where nothing ended. `times` are the middles.
 */
export function bucketed(steps, now, { seconds, bucket }) {
  const end = now - LATE;
  const start = Math.floor((end - seconds) / bucket) * bucket + bucket;
  const count = Math.max(1, Math.ceil((end - start) / bucket - 1e-9));
  const sums = Array.from({ length: count }, () => ({ succeeded: 0, failed: 0, timings: {} }));
  for (const [step, until] of spans(steps)) spread(sums, step, until, start, bucket);
  const lengths = sums.map((_, at) => Math.min(bucket, end - (start + at * bucket)));
  // The latest bucket has only begun: too little of it says nothing.
  if (lengths.at(-1) < bucket / 2 && count > 1) for (const list of [sums, lengths]) list.pop();
  const times = lengths.map((length, at) => start + at * bucket + length / 2);
  return { start: end - seconds, end, times, ...columns(sums, lengths) };
}

/** `[step, until]` by start: a coarse step's later part may be told in finer ones, where it ends. */
function spans(steps) {
  const ordered = [...steps].sort((a, b) => a.start - b.start);
  return ordered.map((step, at) => {
    const next = ordered[at + 1]?.start ?? Infinity;
    return [step, Math.max(Math.min(step.start + step.seconds, next), step.start + 0.5)];
  });
}

function spread(sums, step, until, start, bucket) {
  const length = until - step.start;
  const first = Math.max(0, Math.floor((step.start - start) / bucket));
  const last = Math.min(sums.length - 1, Math.ceil((until - start) / bucket) - 1);
  for (let at = first; at <= last; at += 1) {
    const begin = start + at * bucket;
    const share = (Math.min(until, begin + bucket) - Math.max(step.start, begin)) / length;
    if (share > 0) add(sums[at], step, share);
  }
}

function add(sum, step, share) {
  sum.succeeded += step.succeeded * share;
  sum.failed += step.failed * share;
  const weight = (step.succeeded + step.failed || 1) * share;
  for (const name of TIMINGS) {
    if (step[name] === null || step[name] === undefined) continue;
    const timing = (sum.timings[name] ??= { weight: 0, total: 0 });
    timing.weight += weight;
    timing.total += step[name] * weight;
  }
}

function columns(sums, lengths) {
  const found = {
    succeeded: sums.map((sum, at) => sum.succeeded / lengths[at]),
    failed: sums.map((sum, at) => sum.failed / lengths[at]),
    share: sums.map(({ succeeded, failed }) => (succeeded + failed > 0 ? failed / (succeeded + failed) : null)),
  };
  for (const name of TIMINGS) {
    found[name] = sums.map(({ timings }) => (timings[name] ? timings[name].total / timings[name].weight : null));
  }
  return found;
}

/** The least "round" number that is not below: 1, 2, 2.5 or 5 times a power of ten. */
export function roundedUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}
