import assert from "node:assert/strict";
import { test } from "node:test";
import { Store } from "../../celery_gossip/web/page/store.js";

const event = (topic, tables, { full = false, now = 1000 } = {}) => ({ now, topics: { [topic]: { full, tables } } });
const loaded = () => {
  const store = new Store(() => 1000);
  store.apply(event("queues", { queues: { set: { "0/a": { name: "a", load: 1 }, "0/b": { name: "b", load: 2 } }, del: [] } }, { full: true }));
  return store;
};

test("changed fields are merged, rows are added and removed, and an unchanged row is the same object", () => {
  const store = loaded();
  const [a, b] = store.rows("queues", "queues").values();
  store.apply(event("queues", { queues: { set: { "0/a": { load: 3 }, "0/c": { name: "c", load: 0 } }, del: [] } }));
  const rows = store.rows("queues", "queues");
  assert.deepEqual([...rows.keys()], ["0/a", "0/b", "0/c"]);
  assert.deepEqual(rows.get("0/a"), { name: "a", load: 3 });
  assert.equal(a.load, 1);
  assert.equal(rows.get("0/b"), b);
  store.apply(event("queues", { queues: { set: {}, del: ["0/a", "0/unknown"] } }));
  assert.deepEqual([...store.rows("queues", "queues").keys()], ["0/b", "0/c"]);
});

test("full tables replace all rows of their topic", () => {
  const store = loaded();
  store.apply(event("queues", { queues: { set: { "0/z": { name: "z" } }, del: [] } }, { full: true }));
  assert.deepEqual([...store.rows("queues", "queues").keys()], ["0/z"]);
});

test("changes of a topic that is not loaded are ignored", () => {
  const store = loaded();
  store.apply(event("workers", { workers: { set: { "0/w": { state: "lost" } }, del: [] } }));
  assert.equal(store.has("workers"), false);
  assert.equal(store.rows("workers", "workers").size, 0);
  assert.equal(store.singleRow("workers", "workers"), null);
});

test("other topics are dropped", () => {
  const store = loaded();
  store.apply(event("fleet", {}, { full: true }));
  store.keepOnly(["fleet"]);
  assert.deepEqual([store.has("fleet"), store.has("queues")], [true, false]);
});

test("names that objects have already are ordinary keys", () => {
  const store = loaded();
  const set = JSON.parse('{"__proto__": {"name": "__proto__"}, "constructor": {"name": "constructor"}}');
  store.apply(event("constructor", { toString: { set, del: ["hasOwnProperty"] } }, { full: true }));
  assert.deepEqual([...store.rows("constructor", "toString").keys()], ["__proto__", "constructor"]);
  assert.equal({}.name, undefined);
});

test("the clock is the server's, and small differences are delays", () => {
  let clock = 1000;
  const store = new Store(() => clock);
  store.apply({ now: 1000.6, topics: {} });
  assert.equal(store.now(), 1000);
  store.apply({ now: 4600, topics: {} });
  assert.equal(store.now(), 4600);
  clock = 1010;
  store.apply({ now: 4609.8, topics: {} });
  assert.equal(store.now(), 4610);
  store.apply({ now: 10, topics: {} });
  assert.equal(store.now(), 10);
});
