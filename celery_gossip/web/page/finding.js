// Findings: detected problems, critical ones first; each links to its subject.

import { button, h, nameElement, setAttribute, setName, setText, show } from "./dom.js";
import { count, plural } from "./format.js";
import { icon, redraw } from "./icon.js";
import { printable } from "./printable.js";
import { queryText, subjectHref } from "./router.js";
import { ageLabel } from "./ticker.js";

const FIRST = 6; // shown at first
const MORE = 40; // added per click

/** Returns `[[key, finding]]`, critical ones first, then the oldest. Pure. @param {Iterable<[string, Row.Finding]>} findings */
export const ranked = (findings) =>
  [...findings].sort(([, a], [, b]) => Number(b.severity === "critical") - Number(a.severity === "critical") || a.since - b.since);

/**
 * Returns the address of a finding's subject; false without one. Pure.
 * @param {Pick<Row.Finding, "subject_kind" | "source" | "subject">} finding
 */
export function hrefOf({ subject_kind: kind, source, subject }) {
  if (subject === "listener" || kind === "listener") return kind === "schedule" && "schedule";
  if (kind === "schedule") return `schedule?${queryText({ q: subject, source })}`;
  return subjectHref(/** @type {Page.List} */ (`${kind}s`), source, subject);
}

/** update() takes `{key: Finding}`, whether they are loaded, and why problems may be undetected ("" if none can be). */
export function findingList() {
  const list = h("ul", { class: "findings" });
  const none = h("p", { class: "no-findings", hidden: true }, icon("good"), "No problems detected.");
  const unknown = h("p", { class: "no-findings", hidden: true });
  const more = button("", () => showMore(), { class: "plain", hidden: true });
  const summary = h("span", { class: "summary" });
  const head = h("div", { class: "section-head" }, h("h2", {}, "Findings"), summary);
  const element = h("section", { class: "stack" }, head, list, none, unknown, more);
  /** @type {Map<string, ReturnType<typeof findingItem>>} */
  const shown = new Map();
  let limit = FIRST;
  let wanted = ranked([]);

  /** @param {ReadonlyMap<string, Row.Finding>} findings @param {boolean} isLoaded @param {string} whyUnknown */
  function update(findings, isLoaded, whyUnknown) {
    wanted = ranked(findings);
    const critical = wanted.filter(([, finding]) => finding.severity === "critical").length;
    setText(summary, wanted.length ? `${count(critical)} critical, ${plural(wanted.length - critical, "warning")}` : "");
    show(none, wanted.length === 0 && isLoaded && whyUnknown === "");
    show(unknown, wanted.length === 0 && isLoaded && whyUnknown !== "");
    setText(unknown, `Problems cannot be detected: ${whyUnknown}.`);
    place();
  }

  function showMore() {
    limit += MORE;
    place();
  }

  function place() {
    const first = wanted.slice(0, limit);
    const here = new Set(first.map(([key]) => key));
    for (const [key, item] of shown) if (!here.has(key)) shown.delete(key) && item.element.remove();
    first.forEach(([key, finding], at) => {
      const item = shown.get(key) ?? findingItem();
      shown.set(key, item);
      item.update(finding);
      if (list.children[at] !== item.element) list.insertBefore(item.element, list.children[at] ?? null);
    });
    show(more, wanted.length > limit);
    setText(more, `Show more of ${count(wanted.length)} findings`);
  }

  return { element, update };
}

function findingItem() {
  const [symbol, severity, subject, kind, since] = [icon(), h("b"), nameElement(), h("span", { class: "kind" }), ageLabel()];
  const link = h("a", { class: "open" }, subject);
  const text = h("bdi", { class: "finding-text" });
  const element = h("li", {}, h("div", { class: "finding-head" }, symbol, severity, link, kind, since.element), text);
  /** @param {Row.Finding} finding */
  const update = (finding) => {
    const isCritical = finding.severity === "critical";
    redraw(symbol, isCritical ? "critical" : "suspect");
    element.dataset.tone = isCritical ? "bad" : "warn";
    setText(severity, finding.severity);
    setName(subject, finding.subject);
    setAttribute(link, "href", hrefOf(finding));
    setText(kind, finding.kind.replaceAll("_", " "));
    since.update(finding.since, { before: "for " });
    setText(text, printable(finding.text));
  };
  return { element, update };
}
