// Stream: the one EventSource of the page. Closed while the page is hidden, opened anew when its topics change, and
// watched over: one that says nothing for five seconds counts as lost.

const SILENCE = 5; // seconds without an event after which the connection counts as lost
const GIVE_UP = 15; // seconds after which a stream that seems open is opened anew
const LONGEST_PAUSE = 10; // seconds between two attempts

const seconds = () => Date.now() / 1000;

export class Stream {
  state = "connecting"; // or live, lost, signed out, resting (the page is hidden)
  heardAt = 0; // Unix seconds of this machine
  #openedAt = 0;
  #topics = [];
  #source = null;
  #attempts = 0;
  #retry = 0;
  #options;

  /** `onTables(data, boot)`, `onState()` when the state changes, `isSignedOut()`: asked after a failure. */
  constructor(options) {
    this.#options = options;
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("online", () => this.#open());
  }

  watch(topics) {
    if (this.#topics.join("\n") === topics.join("\n")) return;
    this.#topics = topics;
    this.#open();
  }

  /** Call once a second while the page is seen. */
  check() {
    if (this.state === "resting" || this.state === "signed out") return;
    const silence = seconds() - Math.max(this.heardAt, this.#openedAt);
    if (silence > SILENCE) this.#become("lost");
    if (silence > GIVE_UP && this.#source) this.#open();
  }

  #seen() {
    if (!document.hidden) {
      this.#open();
      return;
    }
    this.#close();
    this.#become("resting");
  }

  #open() {
    this.#close();
    if (this.#topics.length === 0 || document.hidden) return;
    this.#openedAt = seconds();
    if (this.state === "resting") this.#become("connecting");
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
    this.heardAt = seconds();
    this.#attempts = 0;
    this.#become("live");
    this.#options.onTables(JSON.parse(event.data), event.lastEventId.split("-")[0]);
  }

  async #failed(source) {
    // While it is not closed, the browser tries again by itself, and check() sees the silence.
    if (source !== this.#source || source.readyState !== EventSource.CLOSED) return;
    this.#close();
    this.#become("lost");
    const pause = Math.min(2 ** this.#attempts, LONGEST_PAUSE);
    this.#attempts += 1;
    this.#retry = setTimeout(() => this.#open(), pause * 1000);
    if (!(await this.#options.isSignedOut())) return;
    this.#close();
    this.#become("signed out");
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#options.onState();
  }
}
