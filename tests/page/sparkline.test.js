import assert from "node:assert/strict";
import { test } from "node:test";
import { sparklinePaths } from "../../celery_gossip/web/page/sparkline.js";

test("thirty values fill the width, fewer end at the right edge", () => {
  const full = sparklinePaths(Array(30).fill(1)).line;
  assert.ok(full.startsWith("M1 2L") && full.endsWith("L75 2"), full);
  assert.equal(sparklinePaths([1, 2]).line, "M72.4 10L75 2");
});

test("the highest value reaches the top, zero is at the bottom", () => {
  assert.match(sparklinePaths([0, 5e9]).line, /^M72.4 18L75 2$/);
  assert.match(sparklinePaths([0, 0]).line, /^M72.4 18L75 18$/);
});

test("without values there is nothing to draw, and one value is a dot", () => {
  assert.deepEqual(sparklinePaths([]), { line: "", area: "" });
  assert.deepEqual(sparklinePaths([3]), { line: "M75 2h0.1", area: "M75 2L75 19Z" });
});
