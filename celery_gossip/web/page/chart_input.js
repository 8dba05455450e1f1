// Chart input: the pointer and the keys move the cursor of a chart and select a period of it.
//
// A horizontal drag selects; on a touch screen a vertical one scrolls the page (`touch-action: pan-y`), and the browser then
// cancels the pointer. Keys: see SHORTCUTS in dialog.js.

import { setAttribute } from "./dom.js";

const MIN_DRAG = 6; // pixels; a shorter one is a click
const LEAP = 10; // steps of Page Up and Page Down

/** @param {HTMLElement} plot @param {import("./chart.js").Chart} chart @param {Page.ChartEvents} events */
export function listenToChart(plot, chart, events) {
  listenToPointer(plot, chart, events);
  plot.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !onKey(event, plot, chart, events)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  plot.addEventListener("blur", () => {
    chart.select(null);
    events.onHover(null);
  });
}

/** @param {HTMLElement} plot @param {import("./chart.js").Chart} chart @param {Page.ChartEvents} events */
function listenToPointer(plot, chart, { onHover, onZoom }) {
  /** @type {{x: number, time: number} | null} */
  let origin = null;
  /** @param {PointerEvent} event */
  const leftOf = (event) => event.clientX - plot.getBoundingClientRect().left;
  const end = () => {
    origin = null;
    chart.select(null);
  };

  plot.addEventListener("pointerdown", (event) => {
    const [x, time] = [leftOf(event), chart.timeAt(leftOf(event))];
    if (event.button !== 0 || !event.isPrimary || time === null) return;
    origin = { x, time };
    plot.setPointerCapture(event.pointerId);
    onHover(time);
  });
  plot.addEventListener("pointermove", (event) => {
    const [x, time] = [leftOf(event), chart.timeAt(leftOf(event))];
    if (time === null) return;
    onHover(time);
    if (origin && Math.abs(x - origin.x) >= MIN_DRAG) chart.select({ start: origin.time, end: time });
  });
  plot.addEventListener("pointerup", () => {
    const selected = origin && chart.selection;
    end();
    if (selected) onZoom(selected.start, selected.end);
  });
  plot.addEventListener("pointercancel", end);
  plot.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") origin = null;
  });
  // A finger leaves with every touch; what it has touched stays readable.
  plot.addEventListener("pointerleave", ({ pointerType }) => pointerType !== "touch" && onHover(null));
}

/**
 * Returns whether the key has a meaning here.
 * @param {KeyboardEvent} event @param {HTMLElement} plot @param {import("./chart.js").Chart} chart @param {Page.ChartEvents} events
 */
function onKey({ key, shiftKey }, plot, chart, { onHover, onZoom, onReset }) {
  const { times, cursorStep, period, selection } = chart;
  const last = times.length - 1;
  const at = cursorStep ?? last + 1; // without a cursor, the first step to the left is the latest
  /** @type {Record<string, number>} */
  const targets = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last, PageUp: at - LEAP, PageDown: at + LEAP };
  if (Object.hasOwn(targets, key) && last >= 0) {
    const step = Math.max(0, Math.min(last, targets[key]));
    const start = selection?.start ?? times[Math.min(at, last)];
    chart.select(shiftKey ? { start, end: times[step] } : null);
    onHover(times[step]);
    setAttribute(plot, "aria-valuemax", last);
    setAttribute(plot, "aria-valuenow", step);
    setAttribute(plot, "aria-valuetext", chart.readOut());
    return true;
  }
  if (key === "Escape" && selection) {
    chart.select(null);
    return true;
  }
  if (key === "Escape" || key === "0") return onReset();
  if (!period) return false;
  const center = cursorStep === null ? (period.start + period.end) / 2 : times[cursorStep];
  const length = period.end - period.start;
  if (key === "Enter" && selection) {
    chart.select(null);
    onZoom(selection.start, selection.end);
    return true;
  }
  if (key === "+" || key === "=") onZoom(center - length / 4, center + length / 4);
  else if (key === "-") onZoom(center - length, center + length);
  else return false;
  return true;
}
