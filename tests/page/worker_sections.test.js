// Pure functions of the sections of a worker's page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { endingText, settingText } from "../../celery_gossip/web/page/worker_sections.js";

const ENDING = { active: 2, listed: 2, concurrency: 4, reserved: 7, scheduled: 1, queues: ["mail"], stalled_for: 0, loop_lag: 0, findings: [] };

test("the end of a worker is a few sentences", () => {
  assert.equal(
    endingText(ENDING),
    "It ran 2 tasks in 4 slots, with 7 reserved and 1 scheduled. Queues: mail. No finding was raised for it in the minute before.",
  );
  const bad = endingText({ ...ENDING, active: 150, listed: 100, stalled_for: 12.4, findings: [{}] });
  assert.equal(bad, "It ran 150 tasks (100 are listed) in 4 slots, with 7 reserved and 1 scheduled. Queues: mail. Its event loop had been blocked for 12 s.");
  assert.match(endingText({ ...ENDING, loop_lag: 2.5 }), /2\.5 s late/);
  assert.match(endingText({ ...ENDING, queues: ["a\u202eb"] }), /a\\u202eb/);
});

test("a setting is a word or a number", () => {
  assert.deepEqual([true, false, 3600, "Europe/Berlin"].map(settingText), ["yes", "no", "3600", "Europe/Berlin"]);
});
