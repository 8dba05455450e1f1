import assert from "node:assert/strict";
import { test } from "node:test";
import { caseNotes, taskUrl } from "../../celery_gossip/web/page/page_failure.js";
import { incompleteText } from "../../celery_gossip/web/page/page_failures.js";
import { parse } from "../../celery_gossip/web/page/router.js";

test("an id is encoded in the address of a task elsewhere", () => {
  assert.equal(taskUrl("https://x.example/?q={id}&again={id}", "a&b=c/#"), "https://x.example/?q=a%26b%3Dc%2F%23&again=a%26b%3Dc%2F%23");
  assert.equal(taskUrl("https://x.example/{id}", "$&$1"), "https://x.example/%24%26%241");
  assert.equal(taskUrl("", "id"), "");
  assert.equal(taskUrl("https://x.example/{id}", ""), "");
});

test("what is known about a failure is one line", () => {
  assert.equal(caseNotes({ runtime: 1.5, retries: 1 }), "after 1.5 s, after 1 retry");
  assert.equal(caseNotes({ runtime: null, retries: 3 }), "after 3 retries");
  assert.equal(caseNotes({ runtime: null, retries: 0 }), "");
});

test("the list says what it leaves out, of all brokers together", () => {
  assert.equal(incompleteText([]), "");
  assert.equal(incompleteText([{ displaced: 0, unlisted: 0 }]), "");
  const text = incompleteText([{ displaced: 1, unlisted: 2 }, { displaced: 0, unlisted: 5 }]);
  assert.match(text, /^Not listed: 1 older failure dropped .*; at least 7 failures in no report/);
});

test("a group of failures has an address of its own", () => {
  assert.equal(parse("failures").page, "failures");
  assert.deepEqual(parse("failures/0/0123abcd"), { page: "failure", source: "0", name: "0123abcd", query: {} });
});
