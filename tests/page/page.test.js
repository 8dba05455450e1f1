// Pure functions of modules that otherwise create elements.

import assert from "node:assert/strict";
import { test } from "node:test";
import { conditions } from "../../celery_gossip/web/page/banner.js";
import { replyText } from "../../celery_gossip/web/page/command.js";
import { slotsIn } from "../../celery_gossip/web/page/control.js";
import { ranked } from "../../celery_gossip/web/page/finding.js";
import { whyUnknown } from "../../celery_gossip/web/page/page_overview.js";
import { failureText, failuresOf } from "../../celery_gossip/web/page/page_tasks.js";
import { QUEUE_STATES, WORKER_STATES, isGone, queueState } from "../../celery_gossip/web/page/state.js";
import { Store } from "../../celery_gossip/web/page/store.js";
import { pageIndex } from "../../celery_gossip/web/page/table.js";
import { serverUrl } from "../../celery_gossip/web/page/url.js";

test("a queue has one of four states", () => {
  const states = [["no", 2], ["partly", 2], ["yes", 2], ["no", 0], ["yes", 0]].map(([paused, workers]) => queueState({ paused, workers }));
  assert.deepEqual(states, ["running", "partly paused", "paused", "no consumers", "no consumers"]);
  assert.deepEqual(new Set(states), new Set(QUEUE_STATES));
});

test("only workers that are offline or lost are gone", () => {
  assert.deepEqual(WORKER_STATES.filter((state) => isGone({ state })), ["offline", "lost"]);
});

test("critical findings come first, then the oldest; equal ones keep their order", () => {
  const finding = (severity, since) => ({ severity, since });
  const findings = new Map(Object.entries({ a: finding("warning", 1), b: finding("critical", 9), c: finding("critical", 5), d: finding("warning", 1) }));
  assert.deepEqual(ranked(findings).map(([key]) => key), ["c", "b", "a", "d"]);
  assert.deepEqual(ranked(new Map()), []);
});

test("exceptions are named by their failures, most first, then by name; no more than three", () => {
  const failures = { KeyError: 2, B: 7, A: 7, TypeError: 1, Z: 0 };
  assert.deepEqual(failuresOf({ failures }).map(([kind]) => kind), ["A", "B", "KeyError", "TypeError", "Z"]);
  assert.equal(failureText({ failures }), "A 7, B 7, KeyError 2 and 2 more");
  assert.equal(failureText({ failures: {} }), "");
  assert.equal(failureText({ failures: JSON.parse('{"__proto__": 1234567}') }), "__proto__ 1.2M");
});

test("the number of slots is between 1 and 100 whatever is typed", () => {
  const typed = ["3", "2.6", "0", "-5", "101", "1e9", "", "abc", "NaN", "Infinity"];
  assert.deepEqual(typed.map(slotsIn), [3, 3, 1, 1, 100, 100, 1, 1, 1, 100]);
});

test("a command to one worker shows its reply, one to several their number", () => {
  assert.equal(replyText({ asked: ["a"], answers: { a: "ok" } }), "ok");
  assert.equal(replyText({ asked: ["a"], answers: {} }), "no reply yet");
  assert.equal(replyText({ asked: ["a", "b"], answers: { b: "ok" } }), "1 of 2 workers replied");
});

test("a page of a table counts from one in the address", () => {
  assert.deepEqual([undefined, "", "1", "3", "2.9", "0", "-7", "abc"].map(pageIndex), [0, 0, 0, 2, 1, 0, 0, 0]);
});

test("the server's URL never contains the user and password of the page", () => {
  assert.equal(serverUrl("api/config", "http://ann:secret@host:5556/ops/").href, "http://host:5556/ops/api/config");
  assert.equal(serverUrl("api/events?topic=queue%3A0%2Fa%26b", "http://host/").search, "?topic=queue%3A0%2Fa%26b");
});

test("findings are unknown where a listener receives no reports or no worker reports", () => {
  const totals = new Map(Object.entries({ 0: { states: { online: 1 } }, 1: { states: { lost: 2 } }, 2: { states: {} } }));
  const why = (sources, ...stale) => whyUnknown(sources, totals, (source) => stale.includes(source));
  assert.equal(why(["0"]), "");
  assert.equal(why(["0"], "0"), "this server receives no reports");
  assert.equal(why(["0", "1"], "1"), "no reports are received from 1 of 2 brokers");
  for (const sources of [[], ["1"], ["2"], ["1", "2"], ["unknown"]]) assert.equal(why(sources), "no worker reports");
  assert.equal(why(["0", "2"]), "no worker reports on some of the brokers");
});

test("there is one banner for each condition, and an isolated source is not reported as unreachable, too", () => {
  const store = new Store(() => 1000);
  const source = (fields) => ({ isolated_since: null, is_connected: true, error: "", ...fields });
  const rows = { 0: source({}), 1: source({ isolated_since: 5, is_connected: false }), 2: source({ is_connected: false, error: "refused" }) };
  store.apply({ now: 1000, topics: { fleet: { full: true, tables: { sources: { set: rows, del: [] } } } } });
  const keys = (state, configError = "") => [...conditions({ state, lastEventAt: 0 }, store, configError)].map(([key]) => key);
  assert.equal(keys("live").length, 2);
  assert.match(keys("live")[1], /refused/);
  assert.deepEqual(keys("live", "status 500").slice(0, 1), ["config status 500"]);
  assert.deepEqual(keys("lost", "status 500").slice(0, 1), ["lost"]);
  assert.deepEqual(keys("signed out").slice(0, 1), ["signed out"]);
});
