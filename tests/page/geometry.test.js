import assert from "node:assert/strict";
import { test } from "node:test";
import { DEPTH, LEFT, TOP, areaPath, highest, linePath, pointsPath, px, stack, stepAt, timeAt, xOf, yOf } from "../../celery_gossip/web/page/geometry.js";
import { charted } from "../../celery_gossip/web/page/series.js";

const WIDTH = 450;
const data = charted([], 1000, { seconds: 120, size: 2 });
const empty = charted([], 1000, { seconds: 120, size: 2 }, Infinity);

test("pixels have one decimal", () => {
  assert.deepEqual([1, 1.04, 1.06, -0.04, 1e3].map(px), ["1", "1", "1.1", "0", "1000"]);
});

test("a line has gaps where values are unknown, and a dot for a value between gaps", () => {
  assert.equal(linePath([0, 1, 2, 3, 4, 5], [9, 8, null, 7, null, 6]), "M0 9L1 8M3 7h0.1M5 6h0.1");
  assert.equal(linePath([0, 1], [0, 0]), "M0 0L1 0");
  assert.equal(linePath([0, 1], [null, null]), "");
  assert.equal(linePath([], []), "");
});

test("values between gaps are drawn as points, and all values that are far from each other", () => {
  assert.equal(pointsPath([0, 1, 2, 3, 4, 5], [9, 8, null, 7, null, 6]), "M3 7h0M5 6h0");
  assert.equal(pointsPath([0, 20, 40], [9, 8, null]), "M0 9h0M20 8h0");
  assert.equal(pointsPath([0, 20, 40, 60], [9, 8, null, 7], true), "M60 7h0");
  assert.equal(pointsPath([1], [2]), "M1 2h0");
  assert.equal(pointsPath([0, 1, 2], [1, 2, 3]), "");
  assert.equal(pointsPath([0, 1], [null, null]), "");
  assert.equal(pointsPath([], []), "");
});

test("an area goes along its tops and back along its floors, and gaps stay gaps", () => {
  assert.equal(areaPath([0, 1, 2], [5, 6, 7], [9, 9, 8]), "M0 5L1 6L2 7L2 8L1 9L0 9Z");
  assert.equal(areaPath([0, 1, 2, 3, 4], [5, 6, null, 7, 7], [9, 9, null, 9, 9]), "M0 5L1 6L1 9L0 9ZM3 7L4 7L4 9L3 9Z");
  assert.equal(areaPath([0, 1], [null, null], [null, null]), "");
  assert.equal(areaPath([], [], []), "");
});

test("areas are stacked in their order, lines are not", () => {
  const lines = [
    { id: "succeeded", label: "", isArea: true },
    { id: "failed", label: "", isArea: true },
    { id: "share", label: "" },
  ];
  const [first, second, third] = stack(lines, { ...data, times: [1, 2], succeeded: [1, 2], failed: [3, 0], share: [null, 0.5] });
  assert.deepEqual(first, { floors: [0, 0], tops: [1, 2] });
  assert.deepEqual(second, { floors: [1, 2], tops: [4, 2] });
  assert.deepEqual(third, { tops: [null, 0.5] });
  const gap = stack(lines, { ...data, times: [1, 2], succeeded: [1, null], failed: [3, 4], share: [null, null] });
  assert.deepEqual(gap[1], { floors: [1, null], tops: [4, null] });
  assert.deepEqual(stack(lines, empty).map(({ tops }) => tops), [[], [], []]);
});

test("the highest value is that of the known ones", () => {
  assert.equal(highest([[1, 3], [null, 4]]), 4);
  assert.deepEqual([highest([]), highest([[]]), highest([[null]])], [0, 0, 0]);
});

test("values are between the bottom and the top of the chart", () => {
  assert.deepEqual([0, 5, 10, 99].map((value) => yOf(value, 10)), [TOP + DEPTH, TOP + DEPTH / 2, TOP, TOP]);
});

test("times go from the axis to the right edge, and others are at the edges", () => {
  assert.equal(xOf(data.start, data, WIDTH), LEFT);
  assert.equal(xOf(data.end, data, WIDTH), WIDTH - 2);
  assert.equal(xOf(data.start - 1000, data, WIDTH), LEFT);
  assert.equal(xOf(data.end + 1000, data, WIDTH), WIDTH - 2);
});

test("positions are those of times", () => {
  for (const time of [data.start, data.start + 31, data.end]) assert.ok(Math.abs(timeAt(xOf(time, data, WIDTH), data, WIDTH) - time) < 1e-6);
  assert.deepEqual([timeAt(-50, data, WIDTH), timeAt(1e6, data, WIDTH)], [data.start, data.end]);
});

test("the step at a time is the nearest one", () => {
  data.times.forEach((time, at) => assert.equal(stepAt(time, data.times), at));
  assert.equal(stepAt(-1e6, data.times), 0);
  assert.equal(stepAt(1e6, data.times), data.times.length - 1);
  assert.equal(stepAt(100, [999]), 0);
  const started = charted([], 1000, { seconds: 120, size: 2 }, 961.5); // the first step is shorter
  started.times.forEach((time, at) => assert.equal(stepAt(time, started.times), at));
  assert.equal(stepAt(100, empty.times), null);
});
