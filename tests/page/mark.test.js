import assert from "node:assert/strict";
import { test } from "node:test";
import { markAt, markText } from "../../celery_gossip/web/page/mark.js";

const mark = (fields) => ({ kind: "restart", source: "0", at: 1000, until: 1000, count: 1, release: "", previous: "", hostnames: ["w@1"], ...fields });

test("a mark says what happened to which workers", () => {
  assert.equal(markText(mark()), "w@1 restarted");
  assert.equal(markText(mark({ count: 12, until: 1040 })), "12 workers restarted");
  assert.equal(markText(mark({ kind: "deploy", release: "v2", previous: "v1" })), "release v2 on w@1 (was v1)");
  assert.equal(markText(mark({ kind: "deploy", release: "v2", count: 3 })), "release v2 on 3 workers");
  assert.equal(markText(mark({ kind: "outage", until: 1065 })), "no reports for 1 min 5 s");
  assert.equal(markText(mark({ kind: "outage", until: null })), "no reports since then");
  assert.equal(markText(mark({ kind: "deploy", release: "v2\u202e", previous: "" })), "release v2\\u202e on w@1");
});

test("the mark at a time is the nearest one within a distance, or the outage that covers it", () => {
  const marks = [mark({ at: 900, hostnames: ["w@0"] }), mark(), mark({ kind: "outage", at: 1100, until: null })];
  assert.equal(markAt(marks, 1008, 10), "w@1 restarted");
  assert.equal(markAt(marks, 949, 60), "w@0 restarted");
  assert.equal(markAt(marks, 1050, 10), "");
  assert.equal(markAt(marks, 5000, 10), "no reports since then");
  assert.equal(markAt([], 1000, 10), "");
});
