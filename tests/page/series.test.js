import assert from "node:assert/strict";
import { test } from "node:test";
import { charted, levelled } from "../../celery_gossip/web/page/series.js";

const NOW = 1000.5;
const WINDOW = { seconds: 120, size: 2 };
const step = (start, fields = {}) => ({ size: 2, start, seconds: fields.size ?? 2, succeeded: 0, failed: 0, ...fields });
const chart = (steps, { since = 0, now = NOW, ...window } = {}) => charted(steps, now, { ...WINDOW, ...window }, since);

test("a chart has a point for each step except one that has just begun", () => {
  const data = chart([step(990.3, { succeeded: 6, failed: 2, wait_p95: 0.5 }), step(992.3, { succeeded: 4 })]);
  assert.deepEqual([data.start, data.end], [879.5, 999.5]);
  const points = new Map(data.times.map((time, at) => [time.toFixed(1), [data.succeeded[at], data.failed[at], data.share[at]]]));
  assert.deepEqual(points.get("991.3"), [3, 1, 0.25]);
  assert.deepEqual(points.get("993.3"), [2, 0, 0]);
  assert.deepEqual(points.get("995.3"), [0, 0, null]);
  assert.equal(points.size, 59);
  assert.ok(Math.max(...data.times) < 999.5);
  assert.equal(data.wait_p95.filter((value) => value === 0.5).length, 1);
  assert.equal(data.wait_p95.filter((value) => value === null).length, 58);
});

test("the rate of a current step is over its elapsed seconds", () => {
  const steps = [step(980, { size: 10, succeeded: 20 }), step(990, { size: 10, seconds: 9.5, succeeded: 19 })];
  assert.deepEqual(chart(steps, { size: 10 }).succeeded.slice(-2), [2, 2]);
  const short = chart([step(998, { size: 10, seconds: 2.5, succeeded: 99 })], { size: 10 });
  assert.equal(short.succeeded.at(-1), 0);
});

test("a chart ignores steps of other sizes", () => {
  const data = chart([step(990, { size: 10, succeeded: 20 }), step(960, { size: 60, succeeded: 60 })]);
  assert.deepEqual(new Set(data.succeeded), new Set([0]));
});

test("a chart has no points before the listener started", () => {
  const data = chart([step(984, { seconds: 1, succeeded: 5 }), step(986, { succeeded: 2 })], { since: 985 });
  assert.deepEqual(data.times.slice(0, 2), [985.5, 987]);
  assert.deepEqual(data.succeeded.slice(0, 2), [5, 1]);
  assert.equal(data.start, 879.5);
  assert.deepEqual(chart([], { since: NOW + 100 }).times, []);
  assert.deepEqual(charted([], 1000, { seconds: 600, size: 10 }, Infinity).times, []);
});

test("an empty series is a line at zero with unknown shares and timings", () => {
  const data = chart([]);
  assert.equal(data.times.length, 59);
  assert.deepEqual(new Set([...data.succeeded, ...data.failed]), new Set([0]));
  assert.deepEqual(new Set([...data.share, ...data.wait_p50, ...data.run_p95]), new Set([null]));
});

test("every column has a value for every step, and no value is NaN or infinite", () => {
  const steps = [step(990, { succeeded: 1e15, failed: Number.MAX_SAFE_INTEGER, seconds: 0 }), step(-1e6), step(1e12)];
  const { start, end, size, since, times, ...columns } = chart(steps, { since: 999.4 });
  assert.ok(start < end);
  for (const [name, values] of Object.entries(columns)) {
    assert.equal(values.length, times.length, name);
    assert.ok(values.every((value) => value === null || Number.isFinite(value)), name);
  }
});

test("a fixed period has the whole steps within it", () => {
  const data = chart([step(960, { succeeded: 6 }), step(990, { succeeded: 4 })], { seconds: 40, kept: 120, end: 980 });
  assert.deepEqual([data.start, data.end], [940, 980]);
  assert.deepEqual([data.times[0], data.times.at(-1), data.times.length], [941, 979, 20]);
  assert.deepEqual(new Set(data.succeeded), new Set([0, 3]));
  assert.equal(chart([], { seconds: 40, kept: 120, end: 5000 }).end, NOW - 1);
  assert.deepEqual(chart([], { seconds: 40, kept: 120, end: 500 }).times, []); // no longer kept
});

test("steps without an event during an outage are unknown", () => {
  const outages = [{ at: 950, until: 961 }, { at: 990, until: null }];
  const data = charted([step(956, { succeeded: 8 })], NOW, WINDOW, 0, outages);
  const values = new Map(data.times.map((time, at) => [time, data.succeeded[at]]));
  assert.deepEqual([949, 951, 957, 959, 961, 963, 989, 991, 997].map((time) => values.get(time)), [0, null, 4, null, null, 0, 0, null, null]);
});

const level = (start, fields) => ({ size: 10, start, backlog: null, oldest_min: null, oldest_max: null, rss: null, memory_used: null, cpu: null, ...fields });
const LEVELS = { seconds: 60, size: 10 };

test("levels are unknown where the server has no value", () => {
  const data = levelled([level(940.3, { backlog: 0 }), level(960.3, { backlog: 7, rss: 5 }), { ...level(970.3, { backlog: 9 }), size: 60 }], NOW, LEVELS);
  assert.deepEqual([data.start, data.end, data.size], [939.5, 999.5, 10]);
  assert.deepEqual(data.times.map(Math.round), [945, 955, 965, 975, 985]);
  assert.deepEqual(data.backlog, [0, null, 7, null, null]);
  assert.deepEqual(data.rss, [null, null, 5, null, null]);
});

test("levels have no steps before the listener started, and the current one is known", () => {
  const data = levelled([level(980, { cpu: 1 }), level(990, { cpu: 2 })], NOW, LEVELS, 985);
  assert.deepEqual([data.times, data.cpu], [[987.5, 994.75], [1, 2]]);
  assert.deepEqual(levelled([], NOW, LEVELS, Infinity).times, []);
  assert.deepEqual(levelled([], 1000, { ...LEVELS, end: 900 }).times, [845, 855, 865, 875, 885, 895]);
});
