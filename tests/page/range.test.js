import assert from "node:assert/strict";
import { test } from "node:test";
import { WINDOWS, rangeOf, rangeQuery, stepSizes, windowOf } from "../../celery_gossip/web/page/range.js";
import { withRange } from "../../celery_gossip/web/page/router.js";

const NOW = 1_800_000_000;

test("a window that is not known is that of ten minutes", () => {
  assert.equal(windowOf("1h"), "1h");
  for (const name of [undefined, "", "5m", "constructor", "__proto__", "toString"]) assert.equal(windowOf(name), "10m", name);
  assert.deepEqual(rangeOf({}, NOW), { seconds: WINDOWS["10m"].seconds, isZoomed: false });
  assert.deepEqual(rangeOf({ window: "3h" }, NOW), { seconds: 10_800, isZoomed: false });
});

test("a negative start is relative to now, and follows the time", () => {
  assert.deepEqual(rangeOf({ from: "-300", window: "1h" }, NOW), { seconds: 300, isZoomed: true });
});

test("a start and an end in Unix seconds are a fixed period", () => {
  assert.deepEqual(rangeOf({ from: String(NOW - 500), to: String(NOW - 200) }, NOW), { seconds: 300, end: NOW - 200, isZoomed: true });
  assert.deepEqual(rangeOf({ from: String(NOW - 500) }, NOW), { seconds: 500, isZoomed: true });
  assert.deepEqual(rangeOf({ from: "-500", to: "-200" }, NOW), { seconds: 300, end: NOW - 200, isZoomed: true });
  assert.deepEqual(rangeOf({ from: String(NOW - 500), to: String(NOW + 60) }, NOW), { seconds: 500, isZoomed: true });
});

test("a period has ten seconds at least and three hours at most", () => {
  assert.equal(rangeOf({ from: "-1" }, NOW).seconds, 10);
  assert.equal(rangeOf({ from: "-1e9" }, NOW).seconds, 10_800);
});

test("a period that cannot be is ignored", () => {
  for (const [from, to] of [["x", ""], ["", "5"], ["-5", "x"], ["NaN", ""], ["Infinity", ""], ["-1e400", ""], [String(NOW + 5), ""], [String(NOW - 5), String(NOW - 50)]]) {
    assert.deepEqual(rangeOf({ from, to }, NOW), { seconds: 600, isZoomed: false }, `${from} ${to}`);
  }
});

test("a selected period has an address from which it is read again", () => {
  assert.deepEqual(rangeQuery(NOW - 500, NOW - 200, NOW), { from: String(NOW - 500), to: String(NOW - 200) });
  assert.deepEqual(rangeQuery(NOW - 200, NOW - 500, NOW), { from: String(NOW - 500), to: String(NOW - 200) });
  const { seconds, end } = rangeOf(rangeQuery(NOW - 500.4, NOW - 200.4, NOW), NOW);
  assert.deepEqual([seconds, end], [300, NOW - 200]);
});

test("a selection up to now follows the time", () => {
  for (const end of [NOW, NOW - 1, NOW + 50]) assert.deepEqual(rangeQuery(NOW - 60, end, NOW), { from: "-60", to: "" });
});

test("a selection is not shorter than some steps of its time", () => {
  assert.deepEqual(rangeQuery(NOW - 60, NOW - 59, NOW), { from: String(NOW - 64), to: String(NOW - 54) });
  const { seconds } = rangeOf(rangeQuery(NOW - 4000, NOW - 3999, NOW), NOW);
  assert.equal(seconds, 300);
});

test("steps are those that the server still has for the start of the period", () => {
  const sizes = (range) => [stepSizes(range, NOW).steps, stepSizes(range, NOW).levels, stepSizes(range, NOW).kept];
  assert.deepEqual(sizes({ seconds: 120 }), [2, 10, 120]);
  assert.deepEqual(sizes({ seconds: 300 }), [10, 10, 600]);
  assert.deepEqual(sizes({ seconds: 60, end: NOW - 30 }), [2, 10, 120]);
  assert.deepEqual(sizes({ seconds: 60, end: NOW - 100 }), [10, 10, 600]);
  assert.deepEqual(sizes({ seconds: 3600 }), [60, 60, 10_800]);
  assert.deepEqual(sizes({ seconds: 60, end: NOW - 20_000 }), [60, 60, 10_800]);
});

test("a link keeps the period of the page, unless it has one itself", () => {
  assert.equal(withRange("", { from: "-60", q: "mail", to: "" }), "from=-60");
  assert.equal(withRange("?state=lost", { window: "1h" }), "state=lost&window=1h");
  assert.equal(withRange("?name=..", { q: "x" }), "?name=..");
  assert.equal(withRange("?window=2m", { from: "5", to: "6" }), "?window=2m");
});
