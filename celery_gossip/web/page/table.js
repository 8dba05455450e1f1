// Table: rows that are sorted, paged and kept: a row's elements live as long as it is shown, and only texts that change
// are written. At most one page of rows is in the document, whatever the fleet.

import { h, rename, setAttribute, setText, show } from "./dom.js";
import { count } from "./format.js";
import { icon } from "./icon.js";
import { Order, sortText, sorting } from "./order.js";

const PAGE = 50;

/**
 * Columns: `{id, label, hint, width (px; none: what is left), priority (1: always shown … 5: dropped first), isNumber,
 * by(row): what is sorted by, isDescending: at the first click, and text(row), or paint(): {nodes, update(row)}}`.
 * The first is the row's header.
 */
export class Table {
  #options;
  #sort;
  #page = 0;
  #order = new Order();
  #shown = new Map(); // {key: {element, updates, row, isStale}}
  #body = h("tbody", {});
  #heads;
  #pager;
  #empty;
  #isPointed = false;
  #latest = [new Map(), () => true];

  /**
   * `caption`, `columns`, `defaultSort`, `empty`: text, `href(row)`: of the page that a row opens, `isStale(row)`,
   * `router`, and `parameter`: what the names of its parameters in the address begin with, where a page has several.
   */
  constructor(options) {
    this.#options = { parameter: "", pageSize: PAGE, isStale: () => false, href: () => null, ...options };
    this.#sort = sorting("", options.columns, options.defaultSort);
    this.#heads = options.columns.map((column) => this.#head(column));
    this.#pager = this.#makePager();
    this.#empty = h("p", { class: "quiet" }, options.empty);
    this.sortChoice = this.#makeSortChoice();
    const table = h("table", {}, h("caption", { class: "unseen" }, options.caption), h("thead", {}, h("tr", {}, this.#heads)), this.#body);
    this.element = h("div", { class: "table" }, table, this.#empty, this.#pager.element);
    this.#listen(table);
  }

  routed({ query }) {
    const { columns, defaultSort, parameter } = this.#options;
    this.#sort = sorting(query[`${parameter}sort`], columns, defaultSort);
    this.#page = Math.max(0, Math.floor(Number(query[`${parameter}page`]) || 1) - 1);
    this.#order.release();
    this.#markSort();
    this.#render();
  }

  /** Returns how many rows match. */
  update(rows, matches = () => true) {
    this.#latest = [rows, matches];
    return this.#render();
  }

  set emptyText(text) {
    setText(this.#empty, text);
  }

  #render() {
    const now = performance.now() / 1000;
    const isPointed = this.#isPointed || this.#body.contains(document.activeElement);
    const [rows, matches] = this.#latest;
    const keys = this.#order.keys(rows, matches, this.#sort, { now, isPointed });
    const last = Math.max(0, Math.ceil(keys.length / this.#options.pageSize) - 1);
    const page = Math.min(this.#page, last);
    const first = page * this.#options.pageSize;
    this.#place(keys.slice(first, first + this.#options.pageSize), rows);
    this.#pager.update(first, keys.length, page, last);
    show(this.#empty, keys.length === 0);
    return keys.length;
  }

  #place(keys, rows) {
    const focused = document.activeElement;
    const here = new Set(keys);
    for (const [key, { element }] of this.#shown) if (!here.has(key)) this.#drop(key, element);
    keys.forEach((key, at) => {
      const shown = this.#shown.get(key) ?? this.#make(key);
      this.#write(shown, rows.get(key));
      const other = this.#body.children[at] ?? null;
      if (other !== shown.element) this.#body.insertBefore(shown.element, other);
    });
    // An element that is moved loses the focus.
    if (focused !== document.activeElement && this.#body.contains(focused)) focused.focus({ preventScroll: true });
  }

  #drop(key, element) {
    element.remove();
    this.#shown.delete(key);
  }

  #make(key) {
    const cells = this.#options.columns.map((column, at) => makeCell(column, at));
    const shown = { element: h("tr", {}, cells.map(({ cell }) => cell)), updates: cells.map(({ update }) => update), row: null };
    shown.element.addEventListener("click", (event) => this.#clicked(event, shown));
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

  #clicked(event, { row }) {
    const href = this.#options.href(row);
    if (!href || event.target.closest("a, button, input") || String(getSelection())) return;
    this.#options.router.go(href);
  }

  #head(column) {
    const place = { class: classOf(column), scope: "col", title: column.hint };
    const head = h("th", place, column.by ? this.#sortButton(column) : column.label);
    if (column.width) head.style.width = `${column.width}px`;
    return head;
  }

  #sortButton(column) {
    return h("button", { type: "button", class: "sort", on: { click: () => this.#sortBy(column) } }, column.label, icon("down"));
  }

  #sortBy(column) {
    const isSame = this.#sort.column === column;
    const isDescending = isSame ? !this.#sort.isDescending : (column.isDescending ?? Boolean(column.isNumber));
    this.#ask(sortText({ column, isDescending }));
  }

  #ask(sort) {
    const { parameter, defaultSort, router } = this.#options;
    router.look({ [`${parameter}sort`]: sort === defaultSort ? "" : sort, [`${parameter}page`]: "" });
  }

  #markSort() {
    const direction = this.#sort.isDescending ? "descending" : "ascending";
    this.#options.columns.forEach((column, at) => {
      setAttribute(this.#heads[at], "aria-sort", column === this.#sort.column ? direction : null);
    });
    this.sortChoice.firstElementChild.lastElementChild.value = this.#sort.column.id;
    setText(this.sortChoice.lastElementChild, this.#sort.isDescending ? "Descending" : "Ascending");
  }

  /** For narrow screens, where most heads are gone. */
  #makeSortChoice() {
    const sortable = this.#options.columns.filter((column) => column.by);
    const choice = h("select", {}, sortable.map((column) => h("option", { value: column.id }, column.label)));
    choice.addEventListener("change", () => this.#sortBy(sortable.find((column) => column.id === choice.value)));
    const turn = h("button", { type: "button", on: { click: () => this.#sortBy(this.#sort.column) } });
    return h("span", { class: "sort-choice" }, h("label", {}, "Sort by ", choice), turn);
  }

  #makePager() {
    const turn = (by) => () => this.#options.router.look({ [`${this.#options.parameter}page`]: String(this.#page + 1 + by) });
    const back = h("button", { type: "button", data: { pager: "back" }, on: { click: turn(-1) } }, "Previous");
    const next = h("button", { type: "button", data: { pager: "next" }, on: { click: turn(1) } }, "Next");
    const told = h("span", {});
    const element = h("nav", { class: "pager", "aria-label": `Pages of ${this.#options.caption}`, hidden: true }, told, back, next);
    const update = (first, total, page, last) => {
      show(element, last > 0);
      setText(told, `${count(first + 1)}–${count(Math.min(first + this.#options.pageSize, total))} of ${count(total)}`);
      back.disabled = page === 0;
      next.disabled = page >= last;
      this.#page = page;
    };
    return { element, update };
  }

  #listen(table) {
    table.addEventListener("pointerenter", () => (this.#isPointed = true));
    table.addEventListener("pointerleave", () => (this.#isPointed = false));
  }
}

const classOf = (column) => `p${column.priority ?? 1}${column.isNumber ? " number" : ""}${column.class ? ` ${column.class}` : ""}`;

function makeCell(column, at) {
  const cell = at === 0 ? h("th", { scope: "row", class: classOf(column) }) : h("td", { class: classOf(column) });
  if (!column.paint) return { cell, update: (row) => setText(cell, column.text(row)) };
  const { nodes, update } = column.paint();
  cell.append(...[nodes].flat());
  return { cell, update };
}

/** A paint() for a cell that links to a subject, with lines below its name: `below(): {nodes, update(row)}`. */
export function linkCell(nameOf, hrefOf, below = null) {
  return () => {
    const name = h("bdi", { class: "name" });
    const link = h("a", { class: "open" }, name);
    const more = below?.();
    const update = (row) => {
      rename(name, nameOf(row));
      setAttribute(link, "href", hrefOf(row));
      more?.update(row);
    };
    return { nodes: more ? [link, ...[more.nodes].flat()] : [link], update };
  };
}
