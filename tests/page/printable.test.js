// The names that both this and celery_gossip/printable.py must treat alike are in tests/web/test_page_contract.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import { printable } from "../../celery_gossip/web/page/printable.js";

test("visible text stays as it is", () => {
  for (const text of ["", "mail", "a b", "日本語", "हिन्दी", "مرحبا", "<img src=x>", "\u{1F600}", "{{7*7}}"]) assert.equal(printable(text), text);
});

test("what is invisible or turns text around is shown as its code points", () => {
  assert.equal(printable(" a  b "), "\\x20a \\x20b\\x20");
  assert.equal(printable("\u202Eliam\u2066"), "\\u202eliam\\u2066");
  assert.equal(printable("\u{E0061}\uD800"), "\\U000e0061\\ud800");
  assert.equal(printable("\u0000\n\u007F"), "\\x00\\x0a\\x7f");
});

test("combining marks cannot pile up or hide in a blank", () => {
  assert.equal(printable("\u0301"), "\\u0301");
  assert.equal(printable("a \u0301"), "a \\u0301");
  assert.ok(printable(`e${"\u0301".repeat(1000)}`).replaceAll("\\u0301", "").length <= 4);
});

test("printing twice changes nothing, and no name becomes empty or blank", () => {
  for (let code = 0; code < 0x11000; code += 1) {
    const shown = printable(String.fromCodePoint(code));
    assert.equal(printable(shown), shown);
    assert.notEqual(shown.trim(), "");
  }
});

test("a long name takes a moment", () => {
  for (const text of [" ".repeat(1e5), "\u0301".repeat(1e5), "e\u0301\u0301\u0301\u0301".repeat(2e4), "a ".repeat(5e4)]) {
    const began = performance.now();
    printable(text);
    assert.ok(performance.now() - began < 2000);
  }
});
