// Account: a dialog with the sessions of the user, for an admin those of all users. Ends sessions, and logs out.

import { close, openDialog } from "./dialog.js";
import { button, h, nameElement, setText } from "./dom.js";
import { age, duration, errorText } from "./format.js";
import { serverUrl } from "./url.js";

const BROWSERS = [["Edg", "Edge"], ["OPR", "Opera"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]];
const SYSTEMS = [["Windows", "Windows"], ["Android", "Android"], ["iPhone", "iOS"], ["iPad", "iOS"], ["Mac OS X", "macOS"], ["Linux", "Linux"]];

/** Returns a few words for a User-Agent, "Firefox on Linux"; the beginning of one that is not known. Pure. @param {string} text */
export function browserName(text) {
  const browser = BROWSERS.find(([part]) => text.includes(`${part}/`))?.[1];
  const system = SYSTEMS.find(([part]) => text.includes(part))?.[1];
  return browser ? [browser, system].filter(Boolean).join(" on ") : text.slice(0, 40) || "unknown browser";
}

/** Returns when a session was used, and when it ends. Pure. @param {Row.SessionRow} row @param {number} now */
export function useText(row, now) {
  const used = row.is_own ? "this browser" : `used ${age(Math.max(0, now - row.used_at))} ago`;
  return [used, row.client && `from ${row.client}`, `ends in ${duration(Math.max(0, row.ends_at - now))} at the latest`].filter(Boolean).join(" · ");
}

/** @param {string} path @param {string} csrf @param {object | null} body @returns {Promise<Row.SessionList>} */
async function request(path, csrf, body) {
  const post = { method: "POST", headers: { "Content-Type": "application/json", "X-Gossip-CSRF": csrf }, body: JSON.stringify(body) };
  const response = await fetch(serverUrl(path), csrf ? post : { cache: "no-store" });
  const reply = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(reply.error || `refused with status ${response.status}`);
  return reply;
}

const leave = () => location.assign(serverUrl("logged-out"));

/** @param {Pick<Row.Config, "user" | "session">} config */
export async function openAccount({ user, session }) {
  if (!session) return;
  const { csrf } = session;
  const list = h("ul", { class: "sessions" });
  const status = h("p", { role: "status" });
  const caption = session.is_admin ? "Sessions of all users:" : "Your sessions:";
  const content = h("div", {}, h("p", {}, "Logged in as ", nameElement(user), "."), h("p", {}, caption), list, status);

  /** @param {() => Promise<unknown>} action */
  async function attempt(action) {
    try {
      await action();
    } catch (error) {
      setText(status, errorText(error));
    }
  }

  /** @param {Row.SessionList} latest */
  function fill({ now, sessions }) {
    list.replaceChildren(...sessions.map((row) => item(row, now)));
  }

  /** @param {Row.SessionRow} row @param {number} now */
  function item(row, now) {
    const name = h("span", { title: row.browser }, session?.is_admin && [nameElement(row.user), " · "], browserName(row.browser));
    const end = button("End", () => attempt(() => endSession(row)), { "aria-label": `End the session of ${row.user} in ${browserName(row.browser)}` });
    return h("li", {}, name, h("span", { class: "below" }, useText(row, now)), !row.is_own && end);
  }

  /** @param {Row.SessionRow} row */
  async function endSession(row) {
    fill(await request("api/sessions/end", csrf, { id: row.id }));
    setText(status, `The session of ${row.user} has ended.`);
  }

  const logOut = button("Log out", () => attempt(() => request("api/logout", csrf, null).then(leave)), { class: "primary" });
  openDialog("Account", content, button("Close", close), logOut);
  await attempt(async () => fill(await request("api/sessions", "", null)));
}
