// Pure functions of the matrix: order, filters, and what a cell shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { shownRange } from "../../celery_gossip/web/page/matrix_grid.js";
import {
  cellOf,
  cellView,
  columnDetail,
  columnRank,
  columnState,
  matchingColumns,
  matchingRows,
  rowDetail,
  rowIcon,
  rowProblems,
  summaryText,
} from "../../celery_gossip/web/page/matrix_model.js";
import { parse } from "../../celery_gossip/web/page/router.js";

const queue = (name, fields = {}) => ({ source: "0", name, workers: 2, paused: "no", slots: 8, free_slots: 3, active: 5, reserved: 0, backlog: 0, ...fields });
const row = (name, fields = {}) => ({
  source: "0",
  key: name,
  name,
  hostname: "",
  hostnames: [name],
  queue_set: "ab",
  workers: 1,
  states: { online: 1 },
  slots: 8,
  active: 5,
  reserved: 0,
  lag: 0,
  memory_share: null,
  queues: ["mail", "bulk"],
  cells: [
    [1, 0, 8, 3, 2],
    [1, 1, 0, 0, 0],
  ],
  ...fields,
});

test("queues without a worker come before paused ones, and those before the others", () => {
  const queues = [queue("a"), queue("none", { workers: 0 }), queue("held", { paused: "yes" }), queue("half", { paused: "partly" }), queue("full", { free_slots: 0, reserved: 4 })];
  const sorted = [...queues].sort((a, b) => columnRank(b) - columnRank(a));
  assert.deepEqual(sorted.map(columnState), ["no consumers", "paused", "partly paused", "full", "running"]);
});

test("a queue is full only if tasks wait", () => {
  assert.equal(columnState(queue("a", { free_slots: 0 })), "running");
  assert.equal(columnState(queue("a", { free_slots: 0, backlog: 1 })), "full");
  assert.equal(columnState(queue("a", { free_slots: 0, slots: 0, backlog: 1 })), "running");
});

test("what is wrong with a row is said, the worst first", () => {
  assert.deepEqual(rowProblems(row("a")), []);
  const bad = row("a", { states: { online: 3, lost: 2, stalled: 1 }, active: 8, memory_share: 0.95, lag: 30 });
  assert.deepEqual(rowProblems(bad), ["2 lost", "stalled", "full", "memory 95 %"]);
  assert.equal(rowIcon(bad), "lost");
  assert.equal(rowIcon(row("a", { active: 8 })), "suspect");
  assert.equal(rowIcon(row("a")), "");
  assert.deepEqual(rowProblems(row("a", { lag: 2 })), ["event loop late"]);
  assert.equal(rowDetail(row("a", { workers: 3, reserved: 12 })), "3 workers · 5/8 busy · +12");
});

test("a cell says the same in its text and its label", () => {
  const view = (cell, isFull = false) => cellView(cell, "mail on web1", isFull);
  assert.deepEqual(view(undefined), { value: "", detail: "", share: 0, level: "none", label: "mail on web1: not served" });
  const busy = view([1, 0, 8, 3, 2]);
  assert.deepEqual([busy.value, busy.detail, busy.level], ["3/8", "+2", "busy"]);
  assert.equal(busy.label, "mail on web1: 3 running tasks, 2 reserved, 8 slots");
  assert.deepEqual([view([1, 0, 8, 0, 0]).level, view([1, 0, 8, 0, 0]).detail], ["idle", ""]);
  const full = view([1, 0, 8, 8, 0], true);
  assert.deepEqual([full.value, full.detail, full.level], ["8/8", "full", "full"]);
  assert.match(full.label, /all in use/);
  const paused = view([2, 2, 0, 0, 0]);
  assert.deepEqual([paused.value, paused.detail, paused.level], ["–", "paused", "paused"]);
  const partly = view([3, 1, 8, 2, 9]);
  assert.deepEqual([partly.value, partly.detail, partly.level], ["2/8", "1 paused", "partly"]);
  assert.deepEqual([view([0, 0, 0, 0, 0]).detail, view([0, 0, 0, 0, 0]).level], ["gone", "gone"]);
});

test("the figures of a cell are found by source and queue", () => {
  const one = row("a");
  assert.deepEqual(cellOf(one, queue("mail")), [1, 0, 8, 3, 2]);
  assert.equal(cellOf(one, queue("other")), undefined);
  assert.equal(cellOf(one, queue("mail", { source: "1" })), undefined);
});

test("columns and rows are filtered by the address", () => {
  const columns = (query) => [queue("mail"), queue("mail_bulk", { workers: 0 }), queue("x", { source: "1" })].filter(matchingColumns(query)).map((one) => one.name);
  assert.deepEqual(columns({}), ["mail", "mail_bulk", "x"]);
  assert.deepEqual(columns({ queue: "MAIL bulk" }), ["mail_bulk"]);
  assert.deepEqual(columns({ columns: "problems" }), ["mail_bulk"]);
  assert.deepEqual(columns({ source: "1" }), ["x"]);
  const all = [row("web1"), row("web2", { states: { lost: 1 }, queue_set: "cd", queues: ["x"], cells: [[0, 0, 0, 0, 0]] })];
  const rows = (query, shown = null) => all.filter(matchingRows(query, shown)).map((one) => one.name);
  assert.deepEqual(rows({}), ["web1", "web2"]);
  assert.deepEqual(rows({ q: "WEB2" }), ["web2"]);
  assert.deepEqual(rows({ rows: "problems" }), ["web2"]);
  assert.deepEqual(rows({ set: "ab" }), ["web1"]);
  assert.deepEqual(rows({}, new Set(["0/mail"])), ["web1"]);
});

test("the summary counts what is wrong", () => {
  const queues = [queue("a"), queue("b", { workers: 0, backlog: 4 }), queue("c", { paused: "yes" })];
  assert.equal(summaryText(queues, [row("a", { workers: 1000, active: 8 })]), "3 queues (1 without a worker, 1 paused), 1,000 workers, 1 row without a free slot");
  assert.equal(summaryText([queue("a")], [row("a")]), "1 queue, 1 worker");
  assert.equal(columnDetail(queues[1]), "no worker, 4 wait");
});

test("only what is visible is shown, and the cell with the focus", () => {
  assert.deepEqual(shownRange(0, 100, 50, 1000, -1), [0, 1, 2, 3, 4]);
  assert.deepEqual(shownRange(5000, 100, 50, 1000, 3), [3, 98, 99, 100, 101, 102, 103, 104]);
  assert.deepEqual(shownRange(0, 100, 50, 1000, 900), [0, 1, 2, 3, 4, 900]);
  assert.deepEqual(shownRange(0, 100, 50, 2, 5), [0, 1]);
  assert.deepEqual(shownRange(0, 100, 50, 0, 0), []);
});

test("the matrix has an address", () => {
  assert.deepEqual(parse("matrix", "?group=host&q=web"), { page: "matrix", query: { group: "host", q: "web" } });
  assert.equal(parse("matrix/0/x").page, "missing");
});
