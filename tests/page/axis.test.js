import assert from "node:assert/strict";
import { test } from "node:test";
import { axisOf, timeTicks } from "../../celery_gossip/web/page/axis.js";

const labels = (...axis) => axisOf(...axis).ticks.map(({ label }) => label);

test("all ticks of an axis have the same unit", () => {
  assert.deepEqual(labels("seconds", 1.2), ["0", "0.5 s", "1 s", "1.5 s"]);
  assert.deepEqual(labels("seconds", 0.09), ["0", "20 ms", "40 ms", "60 ms", "80 ms", "100 ms"]);
  assert.deepEqual(labels("seconds", 280), ["0", "1 min", "2 min", "3 min", "4 min", "5 min"]);
  assert.deepEqual(labels("seconds", 9000), ["0", "0.5 h", "1 h", "1.5 h", "2 h", "2.5 h"]);
  assert.deepEqual(labels("count", 1289), ["0", "0.5 k", "1 k", "1.5 k"]);
  assert.deepEqual(labels("count", 139), ["0", "50", "100", "150"]);
  assert.deepEqual(labels("share", 0.021), ["0", "0.5 %", "1 %", "1.5 %", "2 %", "2.5 %"]);
  assert.deepEqual(labels("bytes", 520 * 1024 ** 2), ["0", "200 MiB", "400 MiB", "600 MiB"]);
  assert.deepEqual(labels("bytes", 4.4 * 1024 ** 3), ["0", "1 GiB", "2 GiB", "3 GiB", "4 GiB", "5 GiB"]);
});

test("an axis ends between its bounds, and has an end without data", () => {
  assert.deepEqual(labels("share", 0.001, { min: 0.05, max: 1 }), ["0", "1 %", "2 %", "3 %", "4 %", "5 %"]);
  assert.deepEqual(labels("share", 0.97, { min: 0.05, max: 1 }), ["0", "20 %", "40 %", "60 %", "80 %", "100 %"]);
  assert.equal(axisOf("share", 7, { max: 1 }).end, 1);
  for (const value of [0, -1]) assert.equal(axisOf("count", value).end, 1);
});

test("whole numbers have no fractions between them", () => {
  assert.deepEqual(labels("count", 1, { isWhole: true }), ["0", "1"]);
  assert.deepEqual(labels("count", 3, { isWhole: true }), ["0", "1", "2", "3"]);
  assert.deepEqual(labels("count", 1), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
});

test("every value is within its axis, which has two to six ticks from zero to its end", () => {
  for (const kind of ["count", "share", "seconds", "bytes"]) {
    for (let power = -6; power < 15; power += 1) {
      for (const digit of [1, 1.0009, 2.4999, 3, 7.1, 9.9999]) {
        const value = digit * 10 ** power;
        const { end, ticks } = axisOf(kind, value);
        assert.ok(end >= value * 0.999 && end <= value * 5.1, `${kind} ${value}: ${end}`);
        assert.ok(ticks.length >= 2 && ticks.length <= 6, `${kind} ${value}: ${ticks.length}`);
        assert.deepEqual([ticks[0].value, ticks.at(-1).value], [0, end]);
        assert.equal(new Set(ticks.map(({ label }) => label)).size, ticks.length, `${kind} ${value}`);
      }
    }
  }
});

test("times are round", () => {
  const start = 1_800_000_007;
  const times = (seconds, count) => timeTicks(start, start + seconds, count).map(({ time }) => time - 1_800_000_000);
  assert.deepEqual(times(120, 4), [30, 60, 90, 120]);
  assert.deepEqual(times(600, 5), [120, 240, 360, 480, 600]);
  assert.deepEqual(times(10_800, 3), [3600, 7200, 10_800]);
  assert.deepEqual(times(10, 10), [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
  const label = (seconds) => timeTicks(start, start + seconds, 5)[0].label.replace(/\s/, " "); // the space differs between versions of Node.js
  assert.deepEqual([label(600), label(60)], ["8:02 AM", "8:00:15 AM"]);
});
