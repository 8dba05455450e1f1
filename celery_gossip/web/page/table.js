// Table: sorted rows in pages. The elements of a row are reused while it is shown, and only texts that change are written.
// The document contains at most one page of rows, whatever the size of the fleet.

import { button, h, setAttribute, setText, show } from "./dom.js";
import { count } from "./format.js";
import { icon } from "./icon.js";
import { RowOrder, sortText, sorting } from "./row_order.js";

/**
 * Columns: `width` in px (none: the remaining width), `priority` (1: always shown … 5: hidden first), `isDescending`: order at
 * the first click, and `text(row)` or `makeCell()`.
 * The first column is the row's header.
 * @template R
 */
export class Table {
  #options;
  /** @type {Page.Sort<R> & {column: Page.Column<R>}} */
  #sort;
  #page = 0; // counted from 0
  #order = new RowOrder();
  /** @type {Map<string, Page.ShownRow<R>>} */
  #shown = new Map();
  #body = h("tbody");
  #heads;
  #pager;
  #sortControl;
  #empty = h("p", { class: "quiet" });
  #isPointedAt = false;

  /**
   * `empty`: text, `href(row)`: target of a click on the row, `parameter`: prefix of its parameters in the address, for pages
   * with several tables.
   * @param {Page.TableOptions<R>} options
   */
  constructor(options) {
    this.#options = { parameter: "", pageSize: 50, isStale: () => false, href: () => null, ...options };
    this.#sort = sorting("", options.columns, options.defaultSort);
    this.#heads = options.columns.map((column) => this.#head(column));
    this.#pager = this.#makePager();
    this.emptyText = options.empty;
    this.#sortControl = this.#makeSortChoice();
    this.sortChoice = this.#sortControl.element;
    const head = h("thead", {}, h("tr", {}, this.#heads));
    const table = h("table", {}, h("caption", { class: "visually-hidden" }, options.caption), head, this.#body);
    table.addEventListener("pointerenter", () => (this.#isPointedAt = true));
    table.addEventListener("pointerleave", () => (this.#isPointedAt = false));
    this.element = h("div", { class: "table" }, table, this.#empty, this.#pager.element);
  }

  /** @param {string} text */
  set emptyText(text) {
    setText(this.#empty, text);
  }

  /** @param {Page.Route} route */
  onRoute({ query }) {
    const { columns, defaultSort, parameter } = this.#options;
    this.#sort = sorting(query[`${parameter}sort`], columns, defaultSort);
    this.#page = pageIndex(query[`${parameter}page`]);
    this.#order.release();
    this.#markSort();
  }

  /** Shows `rows`. Returns the number of rows that match. @param {ReadonlyMap<string, R>} rows @param {(row: R) => boolean} matches */
  update(rows, matches = () => true) {
    const size = this.#options.pageSize;
    const isPointed = this.#isPointedAt || this.#body.contains(document.activeElement);
    const keys = this.#order.keys(rows, matches, this.#sort, { now: performance.now() / 1000, isPointed });
    const last = Math.max(0, Math.ceil(keys.length / size) - 1);
    if (keys.length > 0) this.#page = Math.min(this.#page, last); // only after rows are loaded
    const first = this.#page * size;
    this.#place(keys.slice(first, first + size), rows);
    this.#pager.update(first, keys.length, last);
    show(this.#empty, keys.length === 0);
    return keys.length;
  }

  /** @param {string[]} keys @param {ReadonlyMap<string, R>} rows */
  #place(keys, rows) {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const here = new Set(keys);
    for (const [key, { element }] of this.#shown) if (!here.has(key)) this.#shown.delete(key) && element.remove();
    keys.forEach((key, at) => {
      const shown = this.#shown.get(key) ?? this.#make(key);
      this.#write(shown, /** @type {R} */ (rows.get(key)));
      const other = this.#body.children[at];
      if (other !== shown.element) this.#body.insertBefore(shown.element, other ?? null);
    });
    // Moving an element removes its focus.
    if (focused !== document.activeElement && this.#body.contains(focused)) focused?.focus({ preventScroll: true });
  }

  /** @param {string} key */
  #make(key) {
    const cells = this.#options.columns.map((column, at) => cell(column, at));
    const element = h("tr", {}, cells.map((one) => one.element));
    /** @type {Page.ShownRow<R>} */
    const shown = { element, updates: cells.map((one) => one.update), row: null, isStale: false };
    element.addEventListener("click", (event) => shown.row && this.#onClick(event, shown.row));
    this.#shown.set(key, shown);
    return shown;
  }

  /** @param {Page.ShownRow<R>} shown @param {R} row */
  #write(shown, row) {
    const isStale = this.#options.isStale(row);
    if (shown.row === row && shown.isStale === isStale) return;
    Object.assign(shown, { row, isStale });
    shown.element.classList.toggle("stale", isStale);
    for (const update of shown.updates) update(row);
  }

  /** @param {MouseEvent} event @param {R} row */
  #onClick(event, row) {
    const href = this.#options.href(row);
    if (href && !/** @type {Element} */ (event.target).closest("a, button") && !String(getSelection())) this.#options.router.go(href);
  }

  /** @param {Page.Column<R>} column */
  #head(column) {
    const sort = column.sortKey && button(column.label, () => this.#sortBy(column), { class: "sort" });
    sort?.append(icon("down"));
    const head = h("th", { class: classOf(column), scope: "col", title: column.hint }, sort ?? column.label);
    if (column.width) head.style.width = `${column.width}px`;
    return head;
  }

  /** @param {Page.Column<R> | undefined} column */
  #sortBy(column) {
    const { parameter, defaultSort, router } = this.#options;
    if (!column) return;
    const isSame = this.#sort.column === column;
    const isDescending = isSame ? !this.#sort.isDescending : (column.isDescending ?? Boolean(column.isNumber));
    const sort = sortText({ column, isDescending });
    router.updateQuery({ [`${parameter}sort`]: sort === defaultSort ? "" : sort, [`${parameter}page`]: "" });
  }

  #markSort() {
    const { column, isDescending } = this.#sort;
    this.#options.columns.forEach((one, at) => {
      setAttribute(this.#heads[at], "aria-sort", one === column && (isDescending ? "descending" : "ascending"));
    });
    this.#sortControl.choice.value = column.id;
    setText(this.#sortControl.turn, isDescending ? "Descending" : "Ascending");
  }

  /** A sort control for narrow screens, which hide most column heads. */
  #makeSortChoice() {
    const sortable = this.#options.columns.filter((column) => column.sortKey);
    const choice = h("select", {}, sortable.map((column) => h("option", { value: column.id }, column.label)));
    choice.addEventListener("change", () => this.#sortBy(sortable.find((column) => column.id === choice.value)));
    const turn = button("", () => this.#sortBy(this.#sort.column));
    return { choice, turn, element: h("span", { class: "sort-choice" }, h("label", {}, "Sort ", choice), turn) };
  }

  #makePager() {
    const { parameter, router, pageSize, caption } = this.#options;
    /** @param {number} by */
    const turnBy = (by) => () => router.updateQuery({ [`${parameter}page`]: this.#page + by > 0 ? String(this.#page + by + 1) : "" });
    const back = button("Previous", turnBy(-1), { "data-pager": "back" });
    const next = button("Next", turnBy(1), { "data-pager": "next" });
    const range = h("span");
    const element = h("nav", { class: "pager", "aria-label": `Pages of ${caption}`, hidden: true }, range, back, next);
    /** @param {number} first @param {number} total @param {number} last */
    const update = (first, total, last) => {
      show(element, last > 0);
      setText(range, `${count(first + 1)}–${count(Math.min(first + pageSize, total))} of ${count(total)}`);
      back.disabled = this.#page === 0;
      next.disabled = this.#page === last;
    };
    return { element, update };
  }
}

/** Returns the index of a page in the address, which counts from 1. Pure. @param {string | undefined} text */
export const pageIndex = (text) => Math.max(0, Math.floor(Number(text) || 1) - 1);

/** @param {Page.Column<any>} column */
const classOf = ({ priority = 1, isNumber, id }) => `p${priority} ${isNumber ? "number" : ""} col-${id}`;

/** @template R @param {Page.Column<R>} column @param {number} at @returns {Page.Part<[R]>} */
function cell(column, at) {
  const part = column.makeCell?.();
  const element = h(at === 0 ? "th" : "td", { class: classOf(column), scope: at === 0 && "row" }, part?.element);
  return { element, update: part?.update ?? ((row) => setText(element, column.text?.(row) ?? "")) };
}
