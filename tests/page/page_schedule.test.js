// Pure functions of the page of the schedule.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hrefOf } from "../../celery_gossip/web/page/finding.js";
import { due, plural } from "../../celery_gossip/web/page/format.js";
import { beatStateOf, historyText, reasonOf, urgencyOf } from "../../celery_gossip/web/page/page_schedule.js";
import { parse } from "../../celery_gossip/web/page/router.js";
import { BEAT_STATES, ENTRY_STATES } from "../../celery_gossip/web/page/state.js";

const send = (at, late = null, errors = 0, sends = 1) => ({ at, sends, errors, error: "", late });

test("entries with the worst state come first, then those due next", () => {
  const rows = [["scheduled", 900], ["overdue", 50], ["stopped", null], ["scheduled", 300], ["failing", 200], ["unknown", null]];
  const sorted = rows.map(([state, dueAt]) => ({ state, due_at: dueAt })).sort((a, b) => urgencyOf(b) - urgencyOf(a));
  assert.deepEqual(sorted.map((row) => row.state), ["stopped", "failing", "overdue", "unknown", "scheduled", "scheduled"]);
  assert.deepEqual(sorted.slice(-2).map((row) => row.due_at), [300, 900]);
});

test("the latest sends are a few words", () => {
  assert.equal(historyText({ history: [] }), "–");
  assert.equal(historyText({ history: [send(100)] }), "1");
  assert.equal(historyText({ history: [send(100, 0.001), send(160, 0.002)] }), "2 in 1 min, on time");
  assert.equal(historyText({ history: [send(100, 0.04), send(160, 2, 1, 0), send(220)] }), "2 in 2 min, up to 2 s late, 1 failed");
});

test("a reason says why an entry is not sent", () => {
  assert.equal(reasonOf({ state: "failing", error: "KeyError" }), "could not be sent: KeyError");
  assert.equal(reasonOf({ state: "failing", error: "" }), "could not be sent");
  assert.equal(reasonOf({ state: "stopped", error: "KeyError" }), "its beat does not send");
  assert.equal(reasonOf({ state: "scheduled", error: "KeyError" }), "");
});

test("a beat that waits for the lock is a standby unless it has another problem", () => {
  assert.equal(beatStateOf({ state: "online", is_standby: true }), "standby");
  assert.equal(beatStateOf({ state: "lost", is_standby: true }), "lost");
  for (const state of ["standby", "online", "lost"]) assert.ok(BEAT_STATES.includes(state));
  assert.equal(ENTRY_STATES.length, 5);
});

test("a time is due in the future or was in the past", () => {
  assert.deepEqual([90, 0.4, -0.5, -1, -75, Number.NaN].map(due), ["in 1 min 30 s", "in 0 s", "in 0 s", "1 s ago", "1 min 15 s ago", "–"]);
});

test("plurals of the nouns of the page", () => {
  assert.deepEqual([plural(1, "entry"), plural(2, "entry"), plural(0, "process"), plural(3, "task")], ["1 entry", "2 entries", "0 processes", "3 tasks"]);
});

test("the finding of an entry leads to the schedule with a search for it", () => {
  assert.equal(hrefOf({ subject_kind: "schedule", source: "0", subject: "a b&c" }), "schedule?q=a+b%26c&source=0");
  assert.equal(hrefOf({ subject_kind: "queue", source: "0", subject: "mail" }), "queues/0/mail");
  assert.equal(hrefOf({ subject_kind: "listener", source: "0", subject: "listener" }), false);
});

test("the schedule has an address without subjects", () => {
  assert.deepEqual(parse("schedule", "?q=x"), { page: "schedule", query: { q: "x" } });
  assert.equal(parse("schedule/0/x").page, "missing");
});
