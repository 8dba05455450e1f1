import assert from "node:assert/strict";
import { test } from "node:test";
import { topicOf } from "../../celery_gossip/web/page/page_runs.js";
import { parse } from "../../celery_gossip/web/page/router.js";
import { resultsOf } from "../../celery_gossip/web/page/search.js";
import { coverageText, runHref, stateText, truncatedText, unlistedText } from "../../celery_gossip/web/page/sighting.js";

const NOW = 1000;
const SIGHTING = { source: "0", id: "id-1", name: "shop.pay", hostname: "celery@web1", queue: "mail", was: "", since: 940, due_at: null, seen_at: 995, has_ended: false, exception: "" };
const COVERAGE = { source: "0", since: 280, unlisted_running: 0, unlisted_waiting: 0, is_frozen: false };
/** @param {Record<string, unknown>} fields */
const text = (fields) => stateText({ ...SIGHTING, ...fields }, NOW);

test("where a task is is said in words that claim no more than is known", () => {
  assert.equal(text({ state: "running" }), "runs for 1 min 0 s");
  assert.equal(text({ state: "running", since: null }), "runs");
  assert.equal(text({ state: "reserved" }), "waits for a slot for 1 min 0 s");
  assert.equal(text({ state: "scheduled", due_at: 1090 }), "waits for its ETA, in 1 min 30 s");
  assert.equal(text({ state: "limited" }), "waits for its rate limit for 1 min 0 s");
  assert.equal(text({ state: "failed", exception: "KeyError" }), "failed with KeyError 5 s ago");
  assert.equal(text({ state: "lost", was: "running" }), "was running when its worker was lost, last report 5 s ago");
  assert.equal(text({ state: "stopped", was: "reserved" }), "was reserved when its worker shut down, 5 s ago");
  assert.equal(text({ state: "seen", was: "scheduled" }), "was scheduled 5 s ago, and is not listed any more");
  assert.equal(text({ state: "seen", was: "running", has_ended: true }), "has ended: it ran in the report 5 s ago, and does not run any more");
});

test("a search that finds nothing says what it can vouch for", () => {
  assert.equal(coverageText([COVERAGE], NOW), "Not seen in the last 12 min 0 s.");
  assert.equal(coverageText([COVERAGE, { ...COVERAGE, since: 940 }], NOW), "Not seen in the last 1 min 0 s.");
  assert.equal(coverageText([{ ...COVERAGE, since: null }], NOW), "Not in the latest report of any worker.");
  assert.equal(coverageText([{ ...COVERAGE, unlisted_running: 3, unlisted_waiting: 1200 }], NOW), "Not seen in the last 12 min 0 s; 3 running and 1,200 waiting tasks are in no list.");
  assert.match(coverageText([{ ...COVERAGE, is_frozen: true }], NOW), /The view is frozen/);
  assert.equal(unlistedText([{ unlisted_running: 0, unlisted_waiting: 1 }]), "1 waiting task is in no list");
  assert.equal(unlistedText([]), "");
});

test("the results are tasks, then names, each once and with its address", () => {
  const sightings = [{ ...SIGHTING, state: "running" }, { ...SIGHTING, state: "failed" }, { ...SIGHTING, id: "a/b", state: "reserved" }];
  const names = [{ source: "0", kind: "worker", name: "celery@web1" }, { source: "0", kind: "task", name: "shop.pay" }];
  const found = resultsOf({ now: NOW, sightings, names, coverage: [COVERAGE] }, "id-1");
  assert.deepEqual(found.map((one) => [one.kind, one.href]), [["run", "runs/0/id-1"], ["run", "runs/0/a%2Fb"], ["task", "tasks/0/shop.pay"], ["worker", "workers/0/celery%40web1"]]);
  assert.equal(found[0].note, "shop.pay on celery@web1 runs for 1 min 0 s");
});

test("an id that nothing is known about leads to its page, a short text does not", () => {
  const nothing = { now: NOW, sightings: [], names: [], coverage: [COVERAGE] };
  assert.deepEqual(resultsOf(nothing, "abc"), []);
  assert.deepEqual(resultsOf(nothing, "12345678"), [{ kind: "none", name: "12345678", note: "Not seen in the last 12 min 0 s.", href: "runs/0/12345678" }]);
});

test("of brokers that are watched together the result names its own", () => {
  const answer = { now: NOW, sightings: [], names: [{ source: "1", kind: "queue", name: "mail" }], coverage: [COVERAGE, { ...COVERAGE, source: "1" }] };
  assert.equal(resultsOf(answer, "mail")[0].note, "queue · broker 1");
});

test("a list and a task have addresses, and the filters are the topic", () => {
  assert.equal(parse("runs").page, "runs");
  assert.deepEqual(parse("runs/0/id-1"), { page: "run", source: "0", name: "id-1", query: {} });
  assert.equal(runHref({ source: "0", id: ".." }), "runs/0/?name=..");
  assert.equal(topicOf({}), "runs:");
  assert.equal(topicOf({ task: "a b/ü", state: "running", sort: "id", page: "2", min_age: "60" }), "runs:min_age=60&state=running&task=a+b%2F%C3%BC");
  assert.equal(topicOf({ state: "lost", min_age: "x", task: "a".repeat(300) }), `runs:task=${"a".repeat(100)}`);
  assert.equal(topicOf({ state: "running", task: "語".repeat(100), queue: "語".repeat(100) }), "runs:state=running");
});

test("a list that is cut says so", () => {
  assert.equal(truncatedText(500, 1200), "The 500 tasks that run or wait for longest, of 1,200.");
  assert.equal(truncatedText(7, 7), "");
});
