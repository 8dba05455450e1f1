// Mistakes that `npm run check` must report. It fails where a line below `@ts-expect-error` has no error.

import { countColumn } from "../../celery_gossip/web/page/column.js";
import { sendCommand } from "../../celery_gossip/web/page/command.js";
import { setText } from "../../celery_gossip/web/page/dom.js";
import { duration } from "../../celery_gossip/web/page/format.js";
import { subjectHref } from "../../celery_gossip/web/page/router.js";

/** @param {Page.Context} context @param {Row.Worker} worker */
export function mistakes({ store, config }, worker) {
  // @ts-expect-error: a misspelled field
  setText(document.body, worker.hostnam);
  // @ts-expect-error: a field of other rows
  duration(worker.backlog);
  // @ts-expect-error: a field that may be null
  (worker.silent_since + 1).toFixed();
  // @ts-expect-error: a misspelled table
  store.rows("queues", "queue_list");
  // @ts-expect-error: a missing argument
  subjectHref("queues", "0");
  // @ts-expect-error: a wrong type
  duration("12");
  // @ts-expect-error: a command without its queue
  sendCommand(config(), { act: "pause", source: "0" });
}

/** @type {Page.Column<Row.Queue>[]} */
export const columns = [
  countColumn("backlog", "Backlog"),
  // @ts-expect-error: a column of no field
  countColumn("backlgo", "Backlog"),
  // @ts-expect-error: a column of text, formatted as a number
  countColumn("name", "Queue"),
  // @ts-expect-error: an option that no column has
  countColumn("active", "Running", { widht: 82 }),
];
