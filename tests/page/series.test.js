import assert from "node:assert/strict";
import { test } from "node:test";
import { WINDOWS, charted, roundedUp, windowOf } from "../../celery_gossip/web/page/series.js";

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
  assert.deepEqual(charted([], 1000, WINDOWS["10m"], Infinity).times, []);
});

test("an empty series is a line at zero with unknown shares and timings", () => {
  const data = chart([]);
  assert.equal(data.times.length, 59);
  assert.deepEqual(new Set([...data.succeeded, ...data.failed]), new Set([0]));
  assert.deepEqual(new Set([...data.share, ...data.wait_p50, ...data.run_p95]), new Set([null]));
});

test("every column has a value for every step, and no value is NaN or infinite", () => {
  const steps = [step(990, { succeeded: 1e15, failed: Number.MAX_SAFE_INTEGER, seconds: 0 }), step(-1e6), step(1e12)];
  const { start, end, times, ...columns } = chart(steps, { since: 999.4 });
  assert.ok(start < end);
  for (const [name, values] of Object.entries(columns)) {
    assert.equal(values.length, times.length, name);
    assert.ok(values.every((value) => value === null || Number.isFinite(value)), name);
  }
});

test("a window that is not known is that of ten minutes", () => {
  assert.equal(windowOf("1h"), WINDOWS["1h"]);
  for (const name of [undefined, "", "5m", "constructor", "__proto__", "toString"]) assert.equal(windowOf(name), WINDOWS["10m"], name);
});

test("a scale ends at a round figure", () => {
  const least = [[0, 1], [0.9, 1], [1, 1], [1.2, 2], [2.2, 2.5], [2.5, 2.5], [3, 5], [70, 100], [0.003, 0.005], [1e6, 1e6], [1000.5, 1000]];
  for (const [value, end] of least) assert.ok(Math.abs(roundedUp(value) / end - 1) < 1e-9, `${value}: ${roundedUp(value)}`);
});

test("a scale has a finite end above zero for every value", () => {
  for (const value of [Number.NaN, -1, -Infinity, null, undefined]) assert.equal(roundedUp(value), 1);
  for (let power = -323; power < 308; power += 1) {
    for (const digit of [1, 1.0009, 2.4999, 9.9999]) {
      const value = digit * 10 ** power;
      const end = roundedUp(value);
      assert.ok(end >= value * 0.999 && end > 0 && Number.isFinite(end), `${value}: ${end}`);
    }
  }
});
