// Findings: what is wrong, in words, the critical first; each leads to what it is about.

import { h, named, rename, setAttribute, setText, show } from "./dom.js";
import { count, plural } from "./format.js";
import { icon, redraw } from "./icon.js";
import { subjectHref } from "./router.js";
import { ageLabel } from "./ticker.js";

const MOST = 10; // that are shown at first

/** Pure: `[[key, finding]]`, the critical first, then the oldest. */
export const ranked = (findings) =>
  [...findings].sort(
    ([keyA, a], [keyB, b]) => (b.severity === "critical") - (a.severity === "critical") || a.since - b.since || (keyA < keyB ? -1 : 1),
  );

export const hrefOf = ({ subject_kind: kind, source, subject }) =>
  kind === "queue" || kind === "worker" ? subjectHref(`${kind}s`, source, subject) : null;

export function findingList(context) {
  const list = h("ul", { class: "findings" });
  const none = h("p", { class: "all-good" }, icon("good"), "Nothing is wrong.");
  const more = h("button", { type: "button", class: "plain", hidden: true });
  const told = h("span", { class: "told" });
  const head = h("div", { class: "section-head" }, h("h2", {}, "Findings"), told);
  const element = h("section", { class: "findings-section" }, head, list, none, more);
  const shown = new Map();
  let most = MOST;
  more.addEventListener("click", () => {
    most += 40;
    update();
  });

  function update() {
    const findings = context.store.rows("fleet", "findings");
    const source = context.router.route().query.source ?? "";
    const wanted = ranked(findings).filter(([, finding]) => source === "" || finding.source === source);
    place(wanted.slice(0, most));
    show(none, wanted.length === 0 && context.store.isTold("fleet"));
    show(more, wanted.length > most);
    setText(more, `Show more of ${count(wanted.length)} findings`);
    const critical = wanted.filter(([, finding]) => finding.severity === "critical").length;
    setText(told, wanted.length ? `${count(critical)} critical, ${plural(wanted.length - critical, "warning")}` : "");
  }

  function place(wanted) {
    const here = new Set(wanted.map(([key]) => key));
    for (const [key, item] of shown) if (!here.has(key)) shown.delete(key) && item.element.remove();
    wanted.forEach(([key, finding], at) => {
      if (!shown.has(key)) shown.set(key, findingItem(context));
      const item = shown.get(key);
      item.update(finding);
      const other = list.children[at] ?? null;
      if (other !== item.element) list.insertBefore(item.element, other);
    });
  }

  return { element, update };
}

function findingItem(context) {
  const symbol = icon("");
  const word = h("span", { class: "severity" });
  const subject = named("");
  const link = h("a", { class: "open" }, subject);
  const kind = h("span", { class: "kind" });
  const since = ageLabel(() => context.store.now());
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
