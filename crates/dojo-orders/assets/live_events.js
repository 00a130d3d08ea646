// A connection to GET /events that goes on: it notices when it is dead, and opens another one at the last cursor. It runs in the shared
// worker, or in the page where the browser has no such worker.

export const TYPES = ["order", "audit", "dlq", "settings", "status", "run", "rebalance"];
// The server sends a heartbeat every three seconds: a connection that was cut off looks like a quiet one.
const SILENT_AFTER_MS = 7000;
const TRY_AGAIN_AFTER_MS = 2000;

const NO_ANSWER = "no answer from the order service. If other tabs show the dojo, close some: a browser opens six connections to a host";

export class LiveEvents {
  cursor = "";
  #deliver;
  #source = null;
  #heard = 0;
  #timer = 0;

  // `deliver` gets each event as `{type, data, id}`, and what becomes of the connection as `{state, why}`.
  constructor(deliver) {
    this.#deliver = deliver;
  }

  get isOpen() { return this.#source?.readyState === EventSource.OPEN; }

  start(cursor) {
    this.stop();
    this.cursor = cursor;
    this.#timer = setInterval(() => this.#look(), 1000);
    this.#open();
  }

  stop() {
    clearInterval(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    this.#source?.close();
    this.#heard = performance.now();
    const address = `/events?after=${encodeURIComponent(this.cursor)}`;
    const source = this.#source = new EventSource(address);
    for (const type of [...TYPES, "heartbeat", "gap"]) {
      source.addEventListener(type, ({ data, lastEventId }) => {
        this.#heard = performance.now();
        // Heartbeats and rebalances have no id of their own.
        this.cursor = lastEventId || this.cursor;
        this.#deliver({ type, data, id: this.cursor });
      });
    }
    source.onopen = () => {
      this.#heard = performance.now();
      this.#deliver({ state: "open" });
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) this.#askWhy(source, address);
      else this.#deliver({ state: "away", why: "" });
    };
  }

  // An event source doesn't say why it was refused.
  async #askWhy(source, address) {
    let why = "";
    try {
      const answer = await fetch(address, { signal: AbortSignal.timeout(SILENT_AFTER_MS), cache: "no-store" });
      if (answer.ok) await answer.body.cancel();
      else why = (await answer.json()).detail ?? "";
    } catch {
      // Then it doesn't answer at all.
    }
    if (this.#source !== source) return;
    this.#deliver({ state: "away", why });
    setTimeout(() => this.#source === source && this.#open(), TRY_AGAIN_AFTER_MS);
  }

  #look() {
    // A closed one is opened again by its own timer.
    if (this.#source.readyState === EventSource.CLOSED) return;
    if (performance.now() - this.#heard < SILENT_AFTER_MS) return;
    this.#deliver({ state: "away", why: this.isOpen ? "" : NO_ANSWER });
    this.#open();
  }
}
