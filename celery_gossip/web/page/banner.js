// Banners: what the reader must know of the view before believing it: lost, isolated, unreachable, signed out.

import { button, h, named } from "./dom.js";
import { icon } from "./icon.js";
import { ageLabel } from "./ticker.js";

/** A banner appears and goes as a whole, so that it is read out once. */
export function banners(place) {
  const shown = new Map();

  function update({ stream, store }) {
    const wanted = new Map(told(stream, store));
    for (const [key, element] of shown) if (!wanted.has(key)) shown.delete(key) && element.remove();
    for (const [key, make] of wanted) {
      if (shown.has(key)) continue;
      shown.set(key, make());
      place.append(shown.get(key));
    }
  }

  return { update };
}

/** `[key, make()]`; the key tells everything that the banner does. */
function* told({ state, heardAt }, store) {
  if (state === "signed out") yield [state, signedOut];
  if (state === "lost") yield [state, () => lost(heardAt)];
  for (const source of store.rows("fleet", "sources").values()) {
    const key = JSON.stringify(source, ["source", "isolated_since", "error"]);
    if (source.isolated_since !== null) yield [key, () => isolated(source)];
    else if (!source.is_connected) yield [key, () => unreachable(source)];
  }
}

const banner = (role, tone, title, ...children) =>
  h("div", { class: "banner", role, "data-tone": tone }, icon(tone === "bad" ? "critical" : "suspect"), h("div", {}, h("b", {}, title), ...children));

function ageSince(since) {
  const { element, update } = ageLabel();
  update(since, { before: " for " });
  return element;
}

const lost = (heardAt) => banner("alert", "bad", "Connection lost", heardAt > 0 && ageSince(heardAt), ". What is shown is old; trying again.");

const where = ({ app, broker }) => [named(app), " on ", named(broker)];

const isolated = (source) =>
  banner(
    "alert",
    "bad",
    "Isolated",
    ageSince(source.isolated_since),
    ": the listener of ",
    ...where(source),
    " hears no gossip, not even its own. The view is frozen, and nobody is called lost.",
  );

const unreachable = (source) => banner("status", "warn", "Broker not reached", " for ", ...where(source), source.error && ": ", named(source.error, "long"));

const signedOut = () =>
  banner("alert", "bad", "Signed out", ". The server asks who you are. ", button("Sign in", () => location.reload()));
