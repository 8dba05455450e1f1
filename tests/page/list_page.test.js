import assert from "node:assert/strict";
import { test } from "node:test";
import { matching } from "../../celery_gossip/web/page/list_page.js";

const ROWS = [
  { source: "0", name: "mail out", state: "paused" },
  { source: "1", name: "mail in", state: "running" },
];
const options = { stateOf: (row) => row.state, textOf: (row) => row.name };
const found = (query, by = options) => ROWS.filter(matching(query, by)).map((row) => row.name);

test("rows match by every word, by state and by source", () => {
  assert.deepEqual(found({}), ["mail out", "mail in"]);
  for (const query of [{ q: "OUT ma" }, { state: "paused" }, { source: "0" }]) assert.deepEqual(found(query), ["mail out"]);
  assert.deepEqual(found({ q: "mail", source: "2" }), []);
});

test("blanks match everything, and characters of patterns are plain text", () => {
  assert.equal(found({ q: " \t\n " }).length, 2);
  for (const q of [".*", "(", "\\", "mail.out"]) assert.deepEqual(found({ q }), []);
});

test("in a list without states no row matches a state", () => {
  assert.deepEqual(found({ state: "paused" }, { textOf: options.textOf }), []);
  assert.equal(found({ state: "" }, { textOf: options.textOf }).length, 2);
});
