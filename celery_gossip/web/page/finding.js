// Findings: what is wrong, in words, the critical first; each leads to what it is about.

import { button, h, named, rename, setAttribute, setText, show } from "./dom.js";
import { count, plural } from "./format.js";
import { icon, redraw } from "./icon.js";
import { subjectHref } from "./router.js";
import { ageLabel } from "./ticker.js";

const MOST = 6; // that are shown at first
const MORE = 40;

/** `[[key, finding]]`, the critical first, then the oldest. Pure. */
export const ranked = (findings) =>
  [...findings].sort(([, a], [, b]) => (b.severity === "critical") - (a.severity === "critical") || a.since - b.since);

const hrefOf = ({ subject_kind: kind, source, subject }) => kind !== "listener" && subjectHref(`${kind}s`, source, subject);

/** update() with `{key: Finding}`, and whether they were told at all. */
export function findingList() {
  const list = h("ul", { class: "findings" });
  const none = h("p", { class: "all-good", hidden: true }, icon("good"), "Nothing is wrong.");
  const more = button("", () => showMore(), { class: "plain", hidden: true });
  const told = h("span", { class: "told" });
  const head = h("div", { class: "section-head" }, h("h2", {}, "Findings"), told);
  const element = h("section", { class: "stack" }, head, list, none, more);
  const shown = new Map();
  let [most, wanted] = [MOST, []];

  function update(findings, isTold) {
    wanted = ranked(findings);
    const critical = wanted.filter(([, finding]) => finding.severity === "critical").length;
    setText(told, wanted.length ? `${count(critical)} critical, ${plural(wanted.length - critical, "warning")}` : "");
    show(none, wanted.length === 0 && isTold);
    place();
  }

  function showMore() {
    most += MORE;
    place();
  }

  function place() {
    const first = wanted.slice(0, most);
    const here = new Set(first.map(([key]) => key));
    for (const [key, item] of shown) if (!here.has(key)) shown.delete(key) && item.element.remove();
    first.forEach(([key, finding], at) => {
      if (!shown.has(key)) shown.set(key, findingItem());
      const item = shown.get(key);
      item.update(finding);
      if (list.children[at] !== item.element) list.insertBefore(item.element, list.children[at] ?? null);
    });
    show(more, wanted.length > most);
    setText(more, `Show more of ${count(wanted.length)} findings`);
  }

  return { element, update };
}

function findingItem() {
  const [symbol, word, subject, kind, since] = [icon(), h("b"), named(), h("span", { class: "kind" }), ageLabel()];
  const link = h("a", { class: "open" }, subject);
  const text = h("bdi", { class: "finding-text" });
  const element = h("li", {}, h("div", { class: "finding-head" }, symbol, word, link, kind, since.element), text);
  const update = (finding) => {
    const isCritical = finding.severity === "critical";
    redraw(symbol, isCritical ? "critical" : "suspect");
    element.dataset.tone = isCritical ? "bad" : "warn";
    setText(word, finding.severity);
    rename(subject, finding.subject);
    setAttribute(link, "href", hrefOf(finding));
    setText(kind, finding.kind.replaceAll("_", " "));
    since.update(finding.since, { before: "for " });
    setText(text, finding.text);
  };
  return { element, update };
}
