import assert from "node:assert/strict";
import { test } from "node:test";
import { taskNotes } from "../../celery_gossip/web/page/subject_page.js";

const plain = { retries: 0, is_redelivered: false, soft_time_limit: null, time_limit: null };

test("a task without anything unusual has no notes", () => {
  assert.equal(taskNotes(plain), "");
  assert.equal(taskNotes({ ...plain, retries: null, is_redelivered: null }), "");
});

test("notes name retries, a second delivery and the limit", () => {
  assert.equal(taskNotes({ ...plain, retries: 1 }), "1 retry");
  assert.equal(taskNotes({ ...plain, retries: 12, is_redelivered: true, time_limit: 90 }), "12 retries, redelivered, limit 1.5 min");
});

test("the hard limit comes before the soft one", () => {
  assert.equal(taskNotes({ ...plain, soft_time_limit: 30, time_limit: 60 }), "limit 1 min");
  assert.equal(taskNotes({ ...plain, soft_time_limit: 30 }), "limit 30 s");
});
