import assert from "node:assert/strict";
import { test } from "node:test";
import { DEPTH, LEFT, TOP, areaPath, linePath, px, scaleEnd, stack, stepAt, xOf, yOf } from "../../celery_gossip/web/page/geometry.js";
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
  assert.equal(linePath([1], [2]), "M1 2h0.1");
  assert.equal(linePath([0, 1], [null, null]), "");
  assert.equal(linePath([], []), "");
});

test("an area goes along its tops and back along its floors", () => {
  assert.equal(areaPath([0, 1, 2], [5, 6, 7], [9, 9, 8]), "M0 5L1 6L2 7L2 8L1 9L0 9Z");
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
  assert.deepEqual(stack(lines, empty).map(({ tops }) => tops), [[], [], []]);
});

test("a scale ends between its bounds, and at one without data", () => {
  assert.equal(scaleEnd([[1, 3], [null, 4]]), 5);
  assert.equal(scaleEnd([[0.001]], 0.05, 1), 0.05);
  assert.equal(scaleEnd([[0.99]], 0.05, 1), 1);
  assert.equal(scaleEnd([[7]], 0, 1), 1);
  assert.deepEqual([scaleEnd([]), scaleEnd([[]]), scaleEnd([[null]])], [1, 1, 1]);
});

test("values are between the bottom and the top of the chart", () => {
  assert.deepEqual([0, 5, 10, 99].map((value) => yOf(value, 10)), [TOP + DEPTH, TOP + DEPTH / 2, TOP, TOP]);
});

test("times go from the axis to the right edge, and earlier ones are at the axis", () => {
  assert.equal(xOf(data.start, data, WIDTH), LEFT);
  assert.equal(xOf(data.end, data, WIDTH), WIDTH - 2);
  assert.equal(xOf(data.start - 1000, data, WIDTH), LEFT);
});

test("the step at a position is the nearest one", () => {
  data.times.forEach((time, at) => assert.equal(stepAt(xOf(time, data, WIDTH), data, WIDTH), at));
  assert.equal(stepAt(-1e6, data, WIDTH), 0);
  assert.equal(stepAt(1e6, data, WIDTH), data.times.length - 1);
  assert.equal(stepAt(100, { ...data, times: [999] }, WIDTH), 0);
  const started = charted([], 1000, { seconds: 120, size: 2 }, 961.5); // the first step is shorter
  started.times.forEach((time, at) => assert.equal(stepAt(xOf(time, started, WIDTH), started, WIDTH), at));
  assert.equal(stepAt(100, empty, WIDTH), null);
});
