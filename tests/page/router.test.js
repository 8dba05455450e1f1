import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, queryText, subjectHref } from "../../celery_gossip/web/page/router.js";

test("an address names a page and its filters", () => {
  assert.deepEqual(parse("", "?source=1"), { page: "overview", query: { source: "1" } });
  assert.deepEqual(parse("queues", "?q=mail&state=paused").query, { q: "mail", state: "paused" });
  const { page, source, name } = parse("workers/0/celery%40web%2F1");
  assert.deepEqual([page, source, name], ["worker", "0", "celery@web/1"]);
});

test("an address that is not encoded correctly is read as it is", () => {
  assert.equal(parse("tasks/0/%E0%A4%A").name, "%E0%A4%A");
});

test("an unknown address is a missing page", () => {
  for (const path of ["queues/0", "queues/0/a/b", "constructor", "__proto__", "secrets", "Queues"]) {
    assert.equal(parse(path).page, "missing", path);
  }
});

test("a query has no empty values and is sorted", () => {
  assert.equal(queryText({ state: "", q: "a b", page: "2" }), "page=2&q=a+b");
  assert.equal(queryText({}), "");
  assert.equal(queryText({ q: "&=#?" }), "q=%26%3D%23%3F");
});

const NAMES = [".", "..", "...", "a/..", "%2e%2e", "?name=x", "#", "\\", "", "ä b", "//evil.example", "javascript:alert(1)", "\u0000", "\ud83d\ude00", "x".repeat(255)];
for (const name of NAMES) {
  test(`the link of any name leads to its page: ${JSON.stringify(name).slice(0, 30)}`, () => {
    const url = new URL(subjectHref("queues", "0", name), "http://h/ops/");
    assert.equal(url.host, "h");
    assert.ok(url.pathname.startsWith("/ops/queues/0/"), url.href);
    const route = parse(url.pathname.slice("/ops/".length), url.search);
    assert.deepEqual([route.page, route.source, route.name], ["queue", "0", name]);
  });
}
