// Texts about the workers, answers and outcomes of commands.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answersText, forWorkers, namesText, outcomeText } from "../../celery_gossip/web/page/command.js";

const ACTIVITY = { outcome: "confirmed", counts: { confirmed: 1 }, workers: 1, detail: "", seconds: 1.23, answers: {} };

test("a command is sent to the workers that were listed", () => {
  const pause = { act: "pause", source: "0", queue: "mail", hostname: "w" };
  assert.deepEqual(forWorkers(pause, ["a", "b"]), { ...pause, hostname: null, hostnames: ["a", "b"] });
});

test("a purge, and a command for more workers than one can name, are sent as they are", () => {
  const purge = { act: "purge", source: "0", queue: "mail", confirm: "mail" };
  assert.equal(forWorkers(purge, []), purge);
  const revoke = { act: "revoke", source: "0", ids: ["t"] };
  assert.equal(forWorkers(revoke, Array(1001).fill("w")), revoke);
});

test("a long list of names is cut, and says how many more there are", () => {
  assert.equal(namesText(["a", "b"]), "a, b");
  assert.equal(namesText(["a", "b", "c"], 2), "a, b and 1 more");
  assert.equal(namesText(["a\u202eb"]), "a\\u202eb");
});

test("an outcome says how many workers it is known of", () => {
  assert.equal(outcomeText(ACTIVITY), "confirmed after 1.2 s");
  assert.equal(outcomeText({ ...ACTIVITY, outcome: "answered", counts: { answered: 1 } }), "answered");
  const partly = { ...ACTIVITY, outcome: "waiting", counts: { confirmed: 2, waiting: 1 }, workers: 3, seconds: null };
  assert.equal(outcomeText(partly), "3 workers: 2 confirmed, 1 waiting for reports");
  assert.equal(outcomeText({ ...ACTIVITY, counts: {}, workers: 0, detail: "4 messages deleted" }), "confirmed after 1.2 s. 4 messages deleted");
});

test("equal answers are shown once", () => {
  assert.equal(answersText({ answers: { a: "ok", b: "ok" } }), "ok");
  assert.equal(answersText({ answers: { a: "1", b: "2", c: "3" } }), "1; 2; and 1 others");
  assert.equal(answersText({ answers: {} }), "");
});
