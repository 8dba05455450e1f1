// Matrix grid: a table of which the document contains only what is visible, and the cell with the focus. Arrow keys move it.

import { h, setAttribute, setName, setText } from "./dom.js";
import { icon, redraw } from "./icon.js";
import { cellOf, cellView, columnDetail, columnRank, columnState, rowDetail, rowIcon, rowProblems, whereText } from "./matrix_model.js";
import { symbolOf } from "./state.js";

const ROW = 46; // px, as in the style
const [MIN_CELL, MAX_CELL] = [96, 150];
const HEAD = 96;
const SPARE = 2; // rows and columns beyond the visible ones

/** @typedef {{element: HTMLElement, link: HTMLElement, name: HTMLElement, symbol: SVGElement, detail: HTMLElement}} Head */
/** @typedef {{element: HTMLElement, value: HTMLElement, detail: HTMLElement, label: HTMLElement, shown: unknown[]}} Cell */
/** @typedef {{element: HTMLElement, head: Head, cells: Cell[]}} ShownRow */

export class MatrixGrid {
  #options;
  #scroll = h("div", { class: "matrix", role: "grid" });
  #space = h("div", { class: "matrix-space", role: "presentation" });
  #top = h("div", { class: "matrix-top", role: "row", "aria-rowindex": 1 });
  #corner = h("div", { class: "matrix-corner", role: "columnheader", "aria-colindex": 1 }, "Workers");
  #body = h("div", { class: "matrix-body", role: "rowgroup" });
  /** @type {Head[]} */
  #heads = [];
  /** @type {Map<string, ShownRow>} */
  #shown = new Map();
  /** @type {[string, Row.MatrixRow][]} */
  #rows = [];
  /** @type {[string, Row.MatrixQueue][]} */
  #columns = [];
  #active = { row: -1, column: 0 }; // -1: the heads
  #frame = 0;
  #cell = MIN_CELL; // px, the width of a column

  /**
   * @param {{label: string, router: import("./router.js").Router, rowHref: (row: Row.MatrixRow) => string,
   *   columnHref: (queue: Row.MatrixQueue) => string, cellHref: (row: Row.MatrixRow, queue: Row.MatrixQueue) => string}} options
   */
  constructor(options) {
    this.#options = options;
    setAttribute(this.#scroll, "aria-label", options.label);
    this.#top.append(this.#corner);
    this.#space.append(h("div", { class: "matrix-heads", role: "rowgroup" }, this.#top), this.#body);
    this.#scroll.append(this.#space);
    this.#scroll.addEventListener("scroll", () => (this.#frame ||= requestAnimationFrame(() => this.#render())), { passive: true });
    this.#scroll.addEventListener("keydown", (event) => this.#onKey(event));
    this.#scroll.addEventListener("click", (event) => this.#onClick(event));
    new ResizeObserver(() => this.#render()).observe(this.#scroll);
    this.element = this.#scroll;
  }

  /** Returns whether the reader uses the grid, so that its rows should not move. */
  get isUsed() {
    return this.#scroll.matches(":hover, :focus-within");
  }

  /** @param {[string, Row.MatrixRow][]} rows @param {[string, Row.MatrixQueue][]} columns */
  update(rows, columns) {
    this.#rows = rows;
    this.#columns = columns;
    this.#active.row = Math.min(this.#active.row, rows.length - 1);
    this.#active.column = Math.min(this.#active.column, columns.length - 1);
    if (this.#active.row < 0) this.#active.column = Math.max(0, this.#active.column); // the corner is no target
    setAttribute(this.#scroll, "aria-rowcount", rows.length + 1);
    setAttribute(this.#scroll, "aria-colcount", columns.length + 1);
    this.#space.style.setProperty("--columns", String(columns.length));
    this.#space.style.setProperty("--rows", String(rows.length));
    this.#render();
  }

  #render() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const { scrollTop, scrollLeft, clientHeight, clientWidth } = this.#scroll;
    const width = Math.floor((clientWidth - this.#corner.offsetWidth) / Math.max(1, this.#columns.length));
    this.#cell = Math.max(MIN_CELL, Math.min(MAX_CELL, width));
    this.#space.style.setProperty("--cell", `${this.#cell}px`);
    const rows = shownRange(scrollTop, clientHeight, ROW, this.#rows.length, this.#active.row);
    const columns = shownRange(scrollLeft, clientWidth, this.#cell, this.#columns.length, this.#active.column);
    const hadFocus = this.#scroll.contains(document.activeElement);
    this.#renderHeads(columns);
    const here = new Set(rows.map((at) => this.#rows[at][0]));
    for (const [key, { element }] of this.#shown) if (!here.has(key)) this.#shown.delete(key) && element.remove();
    for (const at of rows) this.#renderRow(at, columns);
    this.#markActive(hadFocus);
  }

  /** @param {number[]} columns */
  #renderHeads(columns) {
    resize(this.#heads, columns.length, () => makeHead("matrix-column", "columnheader"), this.#top);
    columns.forEach((at, slot) => {
      const [head, queue] = [this.#heads[slot], this.#columns[at][1]];
      place(head.element, at);
      setName(head.name, queue.name);
      setAttribute(head.link, "href", this.#options.columnHref(queue));
      setText(head.detail, columnDetail(queue));
      const state = columnState(queue);
      redraw(head.symbol, columnRank(queue) > 0 ? symbolOf(state) : "");
      setAttribute(head.element, "data-state", state);
    });
  }

  /** @param {number} at @param {number[]} columns */
  #renderRow(at, columns) {
    const [key, row] = this.#rows[at];
    let shown = this.#shown.get(key);
    if (!shown) {
      const head = makeHead("matrix-name", "rowheader");
      shown = { element: h("div", { class: "matrix-row", role: "row" }, head.element), head, cells: [] };
      setAttribute(head.element, "aria-colindex", 1);
      this.#shown.set(key, shown);
    }
    const { element, head, cells } = shown;
    const top = `translateY(${at * ROW}px)`;
    if (element.style.transform !== top) element.style.transform = top;
    setAttribute(element, "aria-rowindex", at + 2);
    element.dataset.at = String(at);
    setName(head.name, row.name);
    setAttribute(head.link, "href", this.#options.rowHref(row));
    setText(head.detail, rowDetail(row));
    redraw(head.symbol, rowIcon(row));
    setAttribute(head.element, "data-state", rowProblems(row).length > 0 ? "problem" : "");
    resize(cells, columns.length, makeCell, element);
    columns.forEach((column, slot) => writeCell(cells[slot], row, this.#columns[column][1], column));
    // In the order of the rows, because that is what a screen reader follows.
    const next = [...this.#body.children].find((other) => Number(/** @type {HTMLElement} */ (other).dataset.at) > at && other !== element);
    if (element.parentElement !== this.#body || (next ?? null) !== element.nextElementSibling) this.#body.insertBefore(element, next ?? null);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { row, column } = this.#active;
    const page = Math.max(1, Math.floor((this.#scroll.clientHeight - HEAD) / ROW) - 1);
    /** @type {Record<string, [number, number]>} */
    const targets = {
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      PageDown: [row + page, column],
      PageUp: [row - page, column],
      Home: [row, -1],
      End: [row, this.#columns.length - 1],
    };
    if (Object.hasOwn(targets, event.key)) {
      event.preventDefault();
      this.#moveTo(...targets[event.key]);
    } else if (event.key === "Enter" && row >= 0 && column >= 0) {
      event.preventDefault();
      this.#options.router.go(this.#options.cellHref(this.#rows[row][1], this.#columns[column][1]));
    }
  }

  /** @param {number} row @param {number} column */
  #moveTo(row, column) {
    const at = { row: clamp(row, this.#rows.length), column: clamp(column, this.#columns.length) };
    if (at.row < 0 && at.column < 0) return; // the corner is no target
    this.#active = at;
    scrollInto(this.#scroll, "Top", at.row, ROW, this.#scroll.clientHeight - HEAD);
    scrollInto(this.#scroll, "Left", at.column, this.#cell, this.#scroll.clientWidth - this.#corner.offsetWidth);
    this.#render();
    this.#activeElement()?.focus({ preventScroll: true });
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const cell = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".matrix-cell"));
    const row = /** @type {HTMLElement | null} */ (cell?.closest(".matrix-row"));
    if (!cell || !row || String(getSelection())) return;
    const [, of] = this.#rows[Number(row.dataset.at)];
    this.#options.router.go(this.#options.cellHref(of, this.#columns[Number(cell.dataset.at)][1]));
  }

  #activeElement() {
    const { row, column } = this.#active;
    if (row < 0) return this.#heads.find((head) => head.element.dataset.at === String(column))?.link;
    const shown = this.#rows[row] && this.#shown.get(this.#rows[row][0]);
    if (!shown) return undefined;
    return column < 0 ? shown.head.link : shown.cells.find((cell) => cell.element.dataset.at === String(column))?.element;
  }

  /** Lets the tab key reach one element of the grid. @param {boolean} hadFocus */
  #markActive(hadFocus) {
    const active = this.#activeElement();
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (this.#space.querySelectorAll("[tabindex='0']"))) if (element !== active) element.tabIndex = -1;
    if (!active) return;
    if (active.tabIndex !== 0) active.tabIndex = 0;
    if (hadFocus && document.activeElement !== active) active.focus({ preventScroll: true }); // its element has moved
  }
}

/** Returns the visible positions, in order, with that of the focus. Pure. @param {number} from @param {number} length @param {number} size @param {number} total @param {number} active */
export function shownRange(from, length, size, total, active) {
  const first = Math.max(0, Math.floor(from / size) - SPARE);
  const last = Math.min(total - 1, Math.ceil((from + length) / size) + SPARE);
  /** @type {number[]} */
  const range = [];
  if (active >= 0 && active < first && active < total) range.push(active);
  for (let at = first; at <= last; at += 1) range.push(at);
  if (active > last && active < total) range.push(active);
  return range;
}

/** @param {number} at @param {number} length */
const clamp = (at, length) => Math.max(-1, Math.min(length - 1, at));

/** @param {HTMLElement} element @param {"Top" | "Left"} side @param {number} at @param {number} size @param {number} visible */
function scrollInto(element, side, at, size, visible) {
  if (at < 0) return;
  const [start, end] = [at * size, (at + 1) * size];
  if (element[`scroll${side}`] > start) element[`scroll${side}`] = start;
  else if (element[`scroll${side}`] + visible < end) element[`scroll${side}`] = end - visible;
}

/** @param {HTMLElement} element @param {number} at */
function place(element, at) {
  if (element.dataset.at === String(at)) return;
  element.dataset.at = String(at);
  element.style.setProperty("--at", String(at));
  setAttribute(element, "aria-colindex", at + 2);
}

/** @template {{element: HTMLElement}} T @param {T[]} list @param {number} length @param {() => T} make @param {HTMLElement} parent */
function resize(list, length, make, parent) {
  while (list.length > length) list.pop()?.element.remove();
  while (list.length < length) {
    const made = make();
    list.push(made);
    parent.append(made.element);
  }
}

/** @param {string} name @param {string} role @returns {Head} */
function makeHead(name, role) {
  const [symbol, text, detail] = [icon(), h("bdi", { class: "matrix-text" }), h("span", { class: "matrix-detail" })];
  const link = h("a", { tabindex: -1 }, text);
  return { element: h("div", { class: name, role }, link, h("span", { class: "matrix-below" }, symbol, detail)), link, name: text, symbol, detail };
}

/** @returns {Cell} */
function makeCell() {
  const [value, detail] = [h("span", { "aria-hidden": true }), h("small", { "aria-hidden": true })];
  const label = h("span", { class: "visually-hidden" });
  return { element: h("div", { class: "matrix-cell", role: "gridcell", tabindex: -1 }, value, detail, label), value, detail, label, shown: [] };
}

/** @param {Cell} cell @param {Row.MatrixRow} row @param {Row.MatrixQueue} queue @param {number} at */
function writeCell(cell, row, queue, at) {
  place(cell.element, at);
  if (cell.shown[0] === row && cell.shown[1] === queue.name) return;
  cell.shown = [row, queue.name];
  const view = cellView(cellOf(row, queue), whereText(row, queue), row.slots > 0 && row.active >= row.slots);
  setText(cell.value, view.value);
  setText(cell.detail, view.detail);
  setText(cell.label, view.label);
  setAttribute(cell.element, "data-level", view.level);
  const share = `${Math.round(view.share * 100)}%`;
  if (cell.element.style.getPropertyValue("--share") !== share) cell.element.style.setProperty("--share", share);
}
