// Figures as text; run with LC_ALL=en_US.UTF-8 and TZ=UTC, see package.json.

import assert from "node:assert/strict";
import { test } from "node:test";
import { age, ageRange, bytes, clockTime, count, duration, errorText, percent, plural, rate } from "../../celery_gossip/web/page/format.js";

const UNKNOWN = [null, undefined, Number.NaN, Infinity, -Infinity];

/** Checks `[argument, text]` pairs. */
function check(format, pairs) {
  for (const [value, text] of pairs) assert.equal(format(value), text, `of ${value}`);
}

test("an unknown value is a dash, never a zero", () => {
  for (const format of [count, rate, percent, duration, age]) check(format, UNKNOWN.map((value) => [value, "–"]));
  check(count, [["12", "–"], [{}, "–"]]);
});

test("sizes have a binary unit and two digits below ten", () => {
  const [mib, gib] = [2 ** 20, 2 ** 30];
  check(bytes, [...UNKNOWN.map((value) => [value, "–"]), [0, "0 KiB"], [512, "0.5 KiB"], [1023 * 1024, "1,023 KiB"]]);
  check(bytes, [[mib, "1 MiB"], [512 * mib, "512 MiB"], [1.94 * gib, "1.9 GiB"], [12.4 * gib, "12 GiB"], [2 ** 53, "8,192 TiB"]]);
});

test("counts are exact up to 100,000 and compact above", () => {
  check(count, [[0, "0"], [-3, "-3"], [1.4, "1"], [99_999, "99,999"], [100_000, "100K"], [1_234_567, "1.2M"], [-1_234_567, "-1.2M"]]);
  check(count, [[Number.MAX_SAFE_INTEGER, "9007.2T"], [1e15, "1000T"]]);
});

test("rates have three digits", () => {
  check(rate, [[0, "0"], [0.001, "<0.01"], [0.0099, "<0.01"], [0.01, "0.01"], [1.234, "1.23"], [9.999, "10"], [10.04, "10"]]);
  check(rate, [[12.34, "12.3"], [99.96, "100"], [123.4, "123"], [99_999, "99,999"], [1e5, "100K"], [2e9, "2B"]]);
});

test("percentages have two digits, and a failure is never zero percent", () => {
  check(percent, [[0, "0 %"], [0.0004, "<0.1 %"], [0.001, "0.1 %"], [0.0123, "1.2 %"], [0.0996, "10 %"], [0.123, "12 %"], [1, "100 %"]]);
});

test("a duration is in the largest unit in which it is at least one", () => {
  check(duration, [[0.12, "120 ms"], [0.001, "1 ms"], [0.0009, "<1 ms"], [0.9994, "999 ms"], [0.9996, "1 s"], [1.24, "1.2 s"]]);
  check(duration, [[59.94, "59.9 s"], [59.96, "1 min"], [90, "1.5 min"], [3596, "59.9 min"], [3597, "1 h"], [5400, "1.5 h"]]);
  check(duration, [[86_219, "23.9 h"], [86_220, "1 d"], [86_399, "1 d"], [86_400, "1 d"], [8_640_000, "100 d"]]);
});

test("no duration rounds to sixty or to twenty-four of a smaller unit", () => {
  for (let seconds = 0.5; seconds < 200_000; seconds *= 1.0003) {
    assert.doesNotMatch(duration(seconds), /^(1,000 ms|60 s|60 min|24 h)$/, String(seconds));
  }
});

test("an age between limits says what is known of it", () => {
  /** @type {[[number | null, number | null], string][]} */
  const ranges = [[[12, 15], "12 s – 15 s"], [[0, 15], "<15 s"], [[12, null], ">12 s"], [[0, null], "unknown"], [[3.01, 3.02], "3 s"]];
  for (const [limits, text] of [...ranges, [[0, 0], "–"], [[null, null], "–"]]) assert.equal(ageRange(...limits), text);
});

test("a negative duration is zero: clocks differ", () => {
  check(duration, [[0, "0 s"], [-0, "0 s"], [-0.3, "0 s"], [-1e9, "0 s"]]);
  check(age, [[-3, "0 s"], [-0.5, "0 s"]]);
});

test("an age has two units and is never rounded up", () => {
  check(age, [[0, "0 s"], [59.99, "59 s"], [60, "1 min 0 s"], [3599.9, "59 min 59 s"], [3600, "1 h 0 min"], [3725, "1 h 2 min"]]);
  check(age, [[86_399, "23 h 59 min"], [86_400, "1 d 0 h"], [1e8, "1,157 d 9 h"]]);
});

test("a noun has its plural for every number but one", () => {
  assert.deepEqual([0, 1, 2, 1e6].map((value) => plural(value, "task")), ["0 tasks", "1 task", "2 tasks", "1M tasks"]);
});

test("times are Unix seconds", () => {
  assert.match(clockTime(3661), /^1:01:01\sAM$/);
});

test("an error is described by its message, or else by itself", () => {
  assert.deepEqual([new Error("shut"), new TypeError(""), "text", null].map(errorText), ["shut", "TypeError", "text", "null"]);
});
