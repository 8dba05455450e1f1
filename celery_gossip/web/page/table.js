// Table: rows that are sorted, paged and kept: a row's elements live as long as it is shown, and only texts that change
// are written. At most one page of rows is in the document, whatever the fleet.

import { button, h, setAttribute, setText, show } from "./dom.js";
import { count } from "./format.js";
import { icon } from "./icon.js";
import { Order, sortText, sorting } from "./order.js";

/**
 * Columns: `{id, label, hint, width (px; none: what is left), priority (1: always shown … 5: dropped first), isNumber,
 * by(row): what is sorted by, isDescending: at the first click, and text(row), or paint(): {element, update(row)}}`.
 * The first is the row's header.
 */
export class Table {
  #options;
  #sort;
  #page = 0; // counted from 0
  #order = new Order();
  #shown = new Map(); // {key: {element, updates, row, isStale}}
  #body = h("tbody");
  #heads;
  #pager;
  #empty = h("p", { class: "quiet" });
  #isPointed = false;

  /**
   * `caption`, `columns`, `defaultSort`, `empty`: text, `href(row)`: what a click on the row opens, `isStale(row)`,
   * `router`, `pageSize`, and `parameter`: what its parameters in the address begin with, where a page has several.
   */
  constructor(options) {
    this.#options = { parameter: "", pageSize: 50, isStale: () => false, href: () => null, ...options };
    this.#heads = options.columns.map((column) => this.#head(column));
    this.#pager = this.#makePager();
    this.emptyText = options.empty;
    this.sortChoice = this.#makeSortChoice();
    const head = h("thead", {}, h("tr", {}, this.#heads));
    const table = h("table", {}, h("caption", { class: "unseen" }, options.caption), head, this.#body);
    table.addEventListener("pointerenter", () => (this.#isPointed = true));
    table.addEventListener("pointerleave", () => (this.#isPointed = false));
    this.element = h("div", { class: "table" }, table, this.#empty, this.#pager.element);
  }

  set emptyText(text) {
    setText(this.#empty, text);
  }

  routed({ query }) {
    const { columns, defaultSort, parameter } = this.#options;
    this.#sort = sorting(query[`${parameter}sort`], columns, defaultSort);
    this.#page = Math.max(0, Math.floor(Number(query[`${parameter}page`]) || 1) - 1);
    this.#order.release();
    this.#markSort();
  }

  /** `rows`: `{key: row}`. Returns how many match. */
  update(rows, matches = () => true) {
    const size = this.#options.pageSize;
    const isPointed = this.#isPointed || this.#body.contains(document.activeElement);
    const keys = this.#order.keys(rows, matches, this.#sort, { now: performance.now() / 1000, isPointed });
    const last = Math.max(0, Math.ceil(keys.length / size) - 1);
    if (keys.length > 0) this.#page = Math.min(this.#page, last); // not while nothing has been told yet
    const first = this.#page * size;
    this.#place(keys.slice(first, first + size), rows);
    this.#pager.update(first, keys.length, last);
    show(this.#empty, keys.length === 0);
    return keys.length;
  }

  #place(keys, rows) {
    const focused = document.activeElement;
    const here = new Set(keys);
    for (const [key, { element }] of this.#shown) if (!here.has(key)) this.#shown.delete(key) && element.remove();
    keys.forEach((key, at) => {
      const shown = this.#shown.get(key) ?? this.#make(key);
      this.#write(shown, rows.get(key));
      const other = this.#body.children[at];
      if (other !== shown.element) this.#body.insertBefore(shown.element, other ?? null);
    });
    // An element that is moved loses the focus.
    if (focused !== document.activeElement && this.#body.contains(focused)) focused.focus({ preventScroll: true });
  }

  #make(key) {
    const cells = this.#options.columns.map(cell);
    const element = h("tr", {}, cells.map((one) => one.element));
    const shown = { element, updates: cells.map((one) => one.update), row: null, isStale: false };
    element.addEventListener("click", (event) => this.#clicked(event, shown.row));
    this.#shown.set(key, shown);
    return shown;
  }

  #write(shown, row) {
    const isStale = this.#options.isStale(row);
    if (shown.row === row && shown.isStale === isStale) return;
    Object.assign(shown, { row, isStale });
    shown.element.classList.toggle("stale", isStale);
    for (const update of shown.updates) update(row);
  }

  #clicked(event, row) {
    const href = this.#options.href(row);
    if (href && !event.target.closest("a, button") && !String(getSelection())) this.#options.router.go(href);
  }

  #head(column) {
    const label = column.by ? button(column.label, () => this.#sortBy(column), { class: "sort" }) : column.label;
    if (column.by) label.append(icon("down"));
    const head = h("th", { class: classOf(column), scope: "col", title: column.hint }, label);
    if (column.width) head.style.width = `${column.width}px`;
    return head;
  }

  #sortBy(column) {
    const { parameter, defaultSort, router } = this.#options;
    const isSame = this.#sort.column === column;
    const isDescending = isSame ? !this.#sort.isDescending : (column.isDescending ?? Boolean(column.isNumber));
    const sort = sortText({ column, isDescending });
    router.look({ [`${parameter}sort`]: sort === defaultSort ? "" : sort, [`${parameter}page`]: "" });
  }

  #markSort() {
    const { column, isDescending } = this.#sort;
    this.#options.columns.forEach((one, at) => {
      setAttribute(this.#heads[at], "aria-sort", one === column && (isDescending ? "descending" : "ascending"));
    });
    this.sortChoice.querySelector("select").value = column.id;
    setText(this.sortChoice.lastChild, isDescending ? "Descending" : "Ascending");
  }

  /** For narrow screens, where most heads are gone. */
  #makeSortChoice() {
    const sortable = this.#options.columns.filter((column) => column.by);
    const choice = h("select", {}, sortable.map((column) => h("option", { value: column.id }, column.label)));
    choice.addEventListener("change", () => this.#sortBy(sortable.find((column) => column.id === choice.value)));
    const turn = button("", () => this.#sortBy(this.#sort.column));
    return h("span", { class: "sort-choice" }, h("label", {}, "Sort ", choice), turn);
  }

  #makePager() {
    const { parameter, router, pageSize, caption } = this.#options;
    const turned = (by) => () => router.look({ [`${parameter}page`]: this.#page + by > 0 ? String(this.#page + by + 1) : "" });
    const back = button("Previous", turned(-1), { "data-pager": "back" });
    const next = button("Next", turned(1), { "data-pager": "next" });
    const told = h("span");
    const element = h("nav", { class: "pager", "aria-label": `Pages of ${caption}`, hidden: true }, told, back, next);
    const update = (first, total, last) => {
      show(element, last > 0);
      setText(told, `${count(first + 1)}–${count(Math.min(first + pageSize, total))} of ${count(total)}`);
      back.disabled = this.#page === 0;
      next.disabled = this.#page === last;
    };
    return { element, update };
  }
}

const classOf = ({ priority = 1, isNumber, id }) => `p${priority} ${isNumber ? "number" : ""} col-${id}`;

function cell(column, at) {
  const painting = column.paint?.();
  const element = h(at === 0 ? "th" : "td", { class: classOf(column), scope: at === 0 && "row" }, painting?.element);
  return { element, update: painting?.update ?? ((row) => setText(element, column.text(row))) };
}
