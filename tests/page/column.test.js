import assert from "node:assert/strict";
import { test } from "node:test";
import { countColumn, failureRateColumn, lagText, rateColumn, slotColumn, stateColumn, timingColumn } from "../../celery_gossip/web/page/column.js";
import { comparison } from "../../celery_gossip/web/page/row_order.js";

test("a count is formatted and sorts by its value", () => {
  const column = countColumn("backlog", "Backlog", { width: 88 });
  assert.deepEqual([column.id, column.label, column.width, column.isNumber], ["backlog", "Backlog", 88, true]);
  assert.equal(column.text({ backlog: 1_234_567 }), "1.2M");
  assert.equal(column.text({ backlog: null }), "–");
  assert.equal(column.sortKey({ backlog: null }), null);
});

test("an option replaces what the column does by default", () => {
  assert.equal(countColumn("load", "Load", { text: (row) => row.load.toFixed(2) }).text({ load: 0.5 }), "0.50");
  assert.equal(rateColumn({ width: 150 }).width, 150);
});

test("timings show two percentiles and sort by the higher one", () => {
  const column = timingColumn("wait", "Wait");
  assert.equal(column.label, "Wait p50 · p95");
  assert.equal(column.text({ wait: { p50: 0.1, p95: 61, p99: 70 } }), "100 ms · 1 min");
  assert.equal(column.text({ wait: { p50: null, p95: null, p99: null } }), "–");
  assert.equal(column.sortKey({ wait: { p50: 1, p95: 2, p99: 3 } }), 2);
});

test("slots sort by the busy share, and a worker without slots is unknown", () => {
  const { sortKey } = slotColumn((row) => row.active, (row) => row.slots, {});
  assert.deepEqual([{ active: 1, slots: 4 }, { active: 0, slots: 4 }, { active: 1, slots: 0 }, { active: 9, slots: 4 }].map(sortKey), [0.25, 0, null, 2.25]);
});

test("states sort by their order, an unknown state before all", () => {
  const { sortKey } = stateColumn((row) => row.state, ["online", "lost"]);
  assert.deepEqual(["online", "lost", "new"].map((state) => sortKey({ state })), [0, 1, -1]);
});

test("a queue without failure rate comes last in both directions", () => {
  const column = failureRateColumn();
  const rows = Object.entries({ a: { failure_rate: null }, b: { failure_rate: 0 }, c: { failure_rate: 1 } });
  const order = (isDescending) => [...rows].sort(comparison({ column, isDescending })).map(([key]) => key).join("");
  assert.deepEqual([order(false), order(true)], ["bca", "cba"]);
});

test("the lag of a stalled worker is the time since its last tick", () => {
  assert.equal(lagText({ loop_lag: 0, stalled_for: 0 }), "<10 ms");
  assert.equal(lagText({ loop_lag: 0.02, stalled_for: 0 }), "20 ms");
  assert.equal(lagText({ loop_lag: 0.02, stalled_for: 90 }), "1.5 min");
});
