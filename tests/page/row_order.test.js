import assert from "node:assert/strict";
import { test } from "node:test";
import { RowOrder, comparison, sortText, sorting } from "../../celery_gossip/web/page/row_order.js";

const COLUMNS = [{ id: "load", sortKey: (row) => row.load }, { id: "name", sortKey: (row) => row.name }, { id: "control" }];
const all = () => true;
const sorted = (rows, text) => Object.entries(rows).sort(comparison(sorting(text, COLUMNS, "name"))).map(([key]) => key).join("");
const loads = (values) => Object.fromEntries(Object.entries(values).map(([key, load]) => [key, { load }]));

test("a sort order is read from the address, and an unknown one is the default", () => {
  const read = (text) => sortText(sorting(text, COLUMNS, "-load"));
  assert.deepEqual(["name", "-name", "load"].map(read), ["name", "-name", "load"]);
  for (const text of [undefined, "", "-", "--name", "control", "constructor", "Name"]) assert.equal(read(text), "-load", text);
});

test("unknown values come last in both directions", () => {
  const rows = loads({ a: null, b: 2, c: undefined, d: 0, e: -1 });
  assert.equal(sorted(rows, "load"), "edbac");
  assert.equal(sorted(rows, "-load"), "bdeac");
});

test("equal rows are ordered by key in both directions, whatever their order before", () => {
  for (const text of ["load", "-load"]) {
    assert.equal(sorted(loads({ c: 1, a: 1, b: 1, d: null }), text), "abcd");
    assert.equal(sorted(loads({ b: 1, d: null, c: 1, a: 1 }), text), "abcd");
  }
});

test("infinite and huge values have an order", () => {
  assert.equal(sorted(loads({ a: Infinity, b: 1e308, c: -Infinity, d: 0 }), "-load"), "abdc");
});

test("ten thousand rows are sorted the same from any start", () => {
  const rows = Array.from({ length: 10_000 }, (_, at) => [`k${String(at).padStart(5, "0")}`, { load: (at * 7919) % 100 }]);
  const compare = comparison(sorting("-load", COLUMNS, "name"));
  const first = [...rows].sort(compare);
  assert.deepEqual([...rows].reverse().sort(compare), first);
  assert.ok(first.every(([key, { load }], at) => at === 0 || first[at - 1][1].load > load || (first[at - 1][1].load === load && first[at - 1][0] < key)));
});

test("rows keep their order while they are read", () => {
  const order = new RowOrder();
  const sort = sorting("-load", COLUMNS, "-load");
  const at = (now, values, isPointed = false) => order.keys(new Map(Object.entries(loads(values))), all, sort, { now, isPointed }).join("");
  assert.equal(at(0, { a: 1, b: 2, c: null }), "bac");
  assert.equal(at(1, { a: 3, b: 2, c: null, d: 9 }), "bacd");
  assert.equal(at(4, { a: 3, b: 2, c: null }), "abc");
  assert.equal(at(7, { a: 0, b: 2, c: null }, true), "abc");
  assert.equal(at(10, { a: 0, b: 2, c: null }, true), "bac");
});

test("another sort order and release() apply at once, and rows that do not match are left out", () => {
  const order = new RowOrder();
  const rows = new Map(Object.entries(loads({ a: 1, b: 2 })));
  const keys = (text, matches = all) => order.keys(rows, matches, sorting(text, COLUMNS, text), { now: 0, isPointed: false }).join("");
  assert.equal(keys("-load"), "ba");
  assert.equal(keys("load"), "ab");
  assert.equal(keys("load", (row) => row.load > 1), "b");
  assert.equal(keys("load"), "ba"); // held: a row that matches again is a new one
  order.release();
  assert.equal(keys("load"), "ab");
});
