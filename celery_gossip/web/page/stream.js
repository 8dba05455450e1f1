// Stream: the one EventSource of the page. Closed while the page is hidden, opened anew when its topics change, and
// watched over: a stream that says nothing for five seconds counts as lost.

const SILENCE = 5; // seconds without an event after which the connection counts as lost
const GIVE_UP = 15; // seconds after which a stream that seems open is opened anew
const LONGEST_PAUSE = 10; // seconds between two attempts, at most

export class Stream {
  state = "connecting"; // or live, lost, signed-out, idle (the page is hidden)
  lostSince = null; // Unix seconds of this machine
  #topics = [];
  #source = null;
  #heardAt = 0;
  #attempts = 0;
  #retry = 0;
  #options;

  /** `onTables(data, boot)` for each event, `onState()` when the state changes, `isSignedOut()` is asked after failures. */
  constructor(options) {
    this.#options = options;
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("online", () => this.#source || this.#open());
  }

  watch(topics) {
    if (this.#topics.join("\n") === topics.join("\n")) return;
    this.#topics = topics;
    this.#attempts = 0;
    if (!document.hidden) this.#open();
  }

  /** Call once a second while the page is seen. */
  check(now = Date.now() / 1000) {
    const silence = now - this.#heardAt;
    if (this.state === "idle" || this.state === "signed-out") return;
    if (silence > SILENCE) this.#become("lost");
    if (silence > GIVE_UP && this.#source && this.#source.readyState !== EventSource.CLOSED) this.#open();
  }

  #seen() {
    if (!document.hidden) {
      this.#open();
      return;
    }
    this.#close();
    this.#become("idle");
  }

  #open() {
    this.#close();
    if (this.#topics.length === 0 || document.hidden) return;
    this.#heardAt = Date.now() / 1000;
    if (this.state === "idle") this.#become("connecting");
    const query = new URLSearchParams(this.#topics.map((topic) => ["topic", topic]));
    const source = new EventSource(new URL(`api/events?${query}`, document.baseURI));
    source.addEventListener("tables", (event) => this.#heard(event));
    source.addEventListener("over", () => this.#become("lost"));
    source.addEventListener("error", () => this.#failed(source));
    this.#source = source;
  }

  #close() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #heard(event) {
    this.#heardAt = Date.now() / 1000;
    this.#attempts = 0;
    this.#become("live");
    this.#options.onTables(JSON.parse(event.data), event.lastEventId.split("-")[0]);
  }

  async #failed(source) {
    if (source !== this.#source) return;
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself; check() sees the silence
    this.#become("lost");
    this.#source = null;
    this.#attempts += 1;
    const pause = Math.min(2 ** (this.#attempts - 1), LONGEST_PAUSE);
    this.#retry = setTimeout(() => this.#open(), pause * 1000);
    if (await this.#options.isSignedOut()) {
      this.#close();
      this.#become("signed-out");
    }
  }

  #become(state) {
    if (this.state === state) return;
    this.lostSince = state === "lost" ? this.#heardAt : null;
    this.state = state;
    this.#options.onState();
  }
}
