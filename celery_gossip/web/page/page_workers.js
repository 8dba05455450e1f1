// The page of all workers.

import { below, failureShare, figure, pace, slots, state } from "./column.js";
import { h, rename } from "./dom.js";
import { duration } from "./format.js";
import { ListPage } from "./list_page.js";
import { subjectHref } from "./router.js";
import { WORKER_STATES } from "./state.js";
import { linkCell } from "./table.js";
import { ageLabel } from "./ticker.js";

export const workerHref = (row) => subjectHref("workers", row.source, row.hostname);

const stateOf = (row) => row.state;

export const isStaleWorker = (context) => (row) => row.silent_since !== null || context.isStale(row.source);

const queues = {
  id: "queues",
  label: "Queues",
  width: 170,
  priority: 5,
  by: (row) => row.queues.length,
  paint: () => {
    const element = h("bdi", { class: "name" });
    return { nodes: element, update: (row) => rename(element, row.queues.join(", ")) };
  },
};

const heard = (now) => ({
  id: "heard",
  label: "Heard",
  width: 96,
  priority: 3,
  isNumber: true,
  hint: "When it last spoke",
  isDescending: false,
  by: (row) => row.silent_since ?? Infinity,
  paint: () => {
    const { element, update } = ageLabel(now);
    return { nodes: element, update: (row) => update(row.silent_since, { after: " ago", none: "on time" }) };
  },
});

const lag = {
  id: "lag",
  label: "Loop lag",
  width: 84,
  priority: 4,
  isNumber: true,
  hint: "How late its event loop ticked",
  by: (row) => Math.max(row.loop_lag, row.stalled_for),
  text: (row) => duration(Math.max(row.loop_lag, row.stalled_for)),
};

export function workersPage(context) {
  const columns = [
    {
      id: "hostname",
      label: "Worker",
      class: "wide",
      by: (row) => row.hostname,
      paint: linkCell((row) => row.hostname, workerHref, below(stateOf, (row) => row.reason)),
    },
    state(stateOf, WORKER_STATES, { priority: 2, width: 108 }),
    { id: "pool", label: "Pool", width: 92, priority: 5, class: "clip", by: (row) => row.pool, text: (row) => row.pool },
    slots(
      (row) => row.active,
      (row) => row.concurrency,
    ),
    figure("reserved", "Reserved", { width: 84, priority: 3 }),
    figure("scheduled", "Scheduled", { width: 90, priority: 5 }),
    lag,
    queues,
    figure("processed", "Processed", { width: 94, priority: 4, hint: "Tasks accepted since it booted" }),
    pace({ priority: 2 }),
    failureShare({ priority: 1 }),
    heard(() => context.store.now()),
  ];
  return new ListPage(context, {
    title: "Workers",
    topic: "workers",
    noun: "worker",
    nothing: "No worker is heard yet: it must run, use this broker and gossip.",
    columns,
    defaultSort: "hostname",
    href: workerHref,
    states: WORKER_STATES,
    stateOf,
    textOf: (row) => `${row.hostname} ${row.queues.join(" ")}`,
    isStale: isStaleWorker(context),
  });
}
