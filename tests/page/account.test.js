// Pure functions of the dialog of sessions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { browserName, useText } from "../../celery_gossip/web/page/account.js";

const LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)";

test("a browser is a few words", () => {
  assert.equal(browserName(`${LINUX} Chrome/140.0.0.0 Safari/537.36`), "Chrome on Linux");
  assert.equal(browserName(`${LINUX} HeadlessChrome/140.0.0.0 Safari/537.36`), "Chrome on Linux");
  assert.equal(browserName("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0"), "Edge on Windows");
  assert.equal(browserName("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"), "Safari on iOS");
  assert.equal(browserName("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0"), "Firefox on macOS");
  assert.equal(browserName("curl/8.0"), "curl/8.0");
  assert.equal(browserName(""), "unknown browser");
});

test("a session says when it was used and when it ends", () => {
  const row = { id: "1", user: "ann", is_own: false, is_admin: false, client: "10.0.0.1", browser: "", started_at: 900, used_at: 940, ends_at: 4600 };
  assert.equal(useText(row, 1000), "used 1 min 0 s ago · from 10.0.0.1 · ends in 1 h at the latest");
  assert.equal(useText({ ...row, is_own: true, client: "" }, 1000), "this browser · ends in 1 h at the latest");
});
