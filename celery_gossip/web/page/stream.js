// Stream: the only EventSource of the page. It is closed while the page is hidden, reopened when the topics change, and
// counts as lost after five seconds without an event.

import { serverUrl } from "./url.js";

const LOST_AFTER = 5; // seconds without an event
const REOPEN_AFTER = 15; // seconds without an event, for a stream that still seems to be open
const MAX_PAUSE = 10; // seconds between two attempts

const seconds = () => Date.now() / 1000;

export class Stream {
  state = "connecting"; // or live, lost, signed out, paused (the page is hidden)
  lastEventAt = 0; // Unix seconds of this machine
  #openedAt = 0;
  /** @type {string[]} */
  #topics = [];
  /** @type {EventSource | null} */
  #source = null;
  #attempts = 0;
  #retry = 0;
  #options;

  /**
   * `onState()`: when the state changes, `isSignedOut()`: called after a failure.
   * @param {{onTables: (data: Page.TablesEvent, boot: string) => void, onState: () => void, isSignedOut: () => Promise<boolean>}} options
   */
  constructor(options) {
    this.#options = options;
    document.addEventListener("visibilitychange", () => this.#onVisibilityChange());
    addEventListener("online", () => this.#open());
  }

  /** @param {string[]} topics */
  watch(topics) {
    if (this.#topics.join("\n") === topics.join("\n")) return;
    this.#topics = topics;
    this.#open();
  }

  /** Call it once per second while the page is visible. */
  check() {
    if (this.state === "paused" || this.state === "signed out") return;
    const elapsed = seconds() - Math.max(this.lastEventAt, this.#openedAt);
    if (elapsed > LOST_AFTER) this.#setState("lost");
    if (elapsed > REOPEN_AFTER && this.#source) this.#open();
  }

  #onVisibilityChange() {
    if (!document.hidden) {
      this.#open();
      return;
    }
    this.#close();
    this.#setState("paused");
  }

  #open() {
    this.#close();
    if (this.#topics.length === 0 || document.hidden) return;
    this.#openedAt = seconds();
    if (this.state === "paused") this.#setState("connecting");
    const query = new URLSearchParams(this.#topics.map((topic) => ["topic", topic]));
    const source = new EventSource(serverUrl(`api/events?${query}`));
    source.addEventListener("tables", (event) => this.#onTables(event));
    source.addEventListener("over", () => this.#setState("lost"));
    source.addEventListener("error", () => this.#onError(source));
    this.#source = source;
  }

  #close() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  /** @param {MessageEvent<string>} event */
  #onTables(event) {
    this.lastEventAt = seconds();
    this.#attempts = 0;
    this.#setState("live");
    this.#options.onTables(JSON.parse(event.data), event.lastEventId.split("-")[0]);
  }

  /** @param {EventSource} source */
  async #onError(source) {
    // Until the source is closed, the browser reconnects by itself, and check() detects missing events.
    if (source !== this.#source || source.readyState !== EventSource.CLOSED) return;
    this.#close();
    this.#setState("lost");
    const pause = Math.min(2 ** this.#attempts, MAX_PAUSE);
    this.#attempts += 1;
    this.#retry = setTimeout(() => this.#open(), pause * 1000);
    if (!(await this.#options.isSignedOut())) return;
    this.#close();
    this.#setState("signed out");
  }

  /** @param {string} state */
  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#options.onState();
  }
}
