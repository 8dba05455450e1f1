// Banners: conditions under which the view cannot be trusted: connection lost, isolated, broker unreachable, signed out.

import { button, h, nameElement } from "./dom.js";
import { icon } from "./icon.js";
import { ageLabel } from "./ticker.js";

/** A banner is added and removed as a whole, so that screen readers announce it once. @param {HTMLElement} place */
export function banners(place) {
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();

  /** @param {{stream: Page.Link, store: Page.Context["store"], configError: string}} view */
  function update({ stream, store, configError }) {
    const wanted = new Map(conditions(stream, store, configError));
    for (const [key, element] of shown) if (!wanted.has(key)) shown.delete(key) && element.remove();
    for (const [key, make] of wanted) {
      if (shown.has(key)) continue;
      const element = make();
      shown.set(key, element);
      place.append(element);
    }
  }

  return { update };
}

/**
 * Yields `[key, make()]`; the key contains everything that the banner shows.
 * @param {Page.Link} link @param {Page.Context["store"]} store @param {string} configError
 * @returns {Generator<[string, () => HTMLElement], void>}
 */
export function* conditions({ state, lastEventAt }, store, configError) {
  if (state === "signed out") yield [state, signedOut];
  if (state === "lost") yield [state, () => connectionLost(lastEventAt)];
  // If the server is unreachable, the banner about that is enough.
  if (configError && state === "live") yield [`config ${configError}`, () => withoutControls(configError)];
  for (const source of store.rows("fleet", "sources").values()) {
    const key = JSON.stringify(source, ["source", "isolated_since", "error"]);
    if (source.isolated_since !== null) yield [key, () => isolated(source)];
    else if (!source.is_connected) yield [key, () => unreachable(source)];
  }
}

/** @param {"alert" | "status"} role @param {"bad" | "warn"} tone @param {string} title @param {Page.Children} children */
const banner = (role, tone, title, ...children) =>
  h("div", { class: "banner", role, "data-tone": tone }, icon(tone === "bad" ? "critical" : "suspect"), h("div", {}, h("b", {}, title), ...children));

/** @param {number | null} since */
function ageSince(since) {
  const { element, update } = ageLabel();
  update(since, { before: " for " });
  return element;
}

/** @param {number} lastEventAt */
const connectionLost = (lastEventAt) =>
  banner("alert", "bad", "Connection lost", lastEventAt > 0 && ageSince(lastEventAt), ". The figures are outdated; reconnecting.");

/** @param {Row.Source} source */
const where = ({ app, broker }) => [nameElement(app), " on ", nameElement(broker)];

/** @param {Row.Source} source */
const isolated = (source) =>
  banner(
    "alert",
    "bad",
    "Isolated",
    ageSince(source.isolated_since),
    ": the listener of ",
    ...where(source),
    " receives no reports, not even its own pings. The view is frozen, and no worker is marked as lost.",
  );

/** @param {Row.Source} source */
const unreachable = (source) =>
  banner("status", "warn", "Broker unreachable", " for ", ...where(source), source.error && ": ", nameElement(source.error, "long"));

/** @param {string} error */
const withoutControls = (error) =>
  banner("alert", "warn", "Controls cannot be loaded", `: ${error}. Pause, resume, grow and shrink are not available; retrying.`);

const signedOut = () =>
  banner("alert", "bad", "Signed out", ". The server requires authentication. ", button("Sign in", () => location.reload()));
