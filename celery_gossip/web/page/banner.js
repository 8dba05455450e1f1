// Banners: what the reader must know of the view itself before believing it: lost, isolated, unreachable, signed out.

import { h, named } from "./dom.js";
import { icon } from "./icon.js";
import { ageLabel } from "./ticker.js";

/** `update({stream, store})`; a banner appears and goes as a whole, so that it is read out once. */
export function banners(place, now) {
  const shown = new Map();

  function update({ stream, store }) {
    const wanted = new Map(told(stream, store));
    for (const [key, element] of shown) {
      if (wanted.has(key)) continue;
      element.remove();
      shown.delete(key);
    }
    for (const [key, make] of wanted) {
      if (shown.has(key)) continue;
      shown.set(key, make(now));
      place.append(shown.get(key));
    }
  }

  return { update };
}

/** `[key, make(now)]`; the key tells everything that the banner does. */
function* told(stream, store) {
  if (stream.state === "signed-out") yield ["signed-out", signedOut];
  if (stream.state === "lost") yield [`lost ${stream.lostSince}`, (now) => lost(stream.lostSince, now)];
  for (const source of store.rows("fleet", "sources").values()) {
    if (source.isolated_since !== null) yield [`isolated ${source.source} ${source.isolated_since}`, (now) => isolated(source, now)];
    else if (!source.is_connected) yield [`unreachable ${source.source} ${source.error}`, () => unreachable(source)];
  }
}

function lost(since, now) {
  const age = ageLabel(now);
  age.update(since, { before: "for " });
  return banner("alert", "bad", h("strong", {}, "Connection lost"), " ", age.element, ". What is shown is old; trying again.");
}

function isolated(source, now) {
  const age = ageLabel(now);
  age.update(source.isolated_since, { before: "for " });
  const words = ". It hears no gossip, not even its own: the view is frozen, and nobody is called lost.";
  return banner("alert", "bad", h("strong", {}, "Isolated"), " ", age.element, ": the listener of ", named(source.app), " on ", named(source.broker), words);
}

function unreachable(source) {
  const error = source.error ? [": ", named(source.error, { class: "long" })] : ["."];
  return banner("status", "warn", h("strong", {}, "Broker not reached"), " for ", named(source.app), " on ", named(source.broker), ...error);
}

function signedOut() {
  const reload = h("button", { type: "button", on: { click: () => location.reload() } }, "Sign in");
  return banner("alert", "bad", h("strong", {}, "Signed out"), ". The server asks who you are. ", reload);
}

const banner = (role, tone, ...children) => h("div", { class: "banner", role, data: { tone } }, icon(tone === "bad" ? "critical" : "suspect"), h("div", {}, ...children));
