// A WebSocket that comes back: reconnects with full-jitter backoff, repeats its subscriptions, and notices
// a connection that is open but dead.
//
// Events: "state" with detail {state, wait}, where state is connecting, open, waiting (for `wait` ms) or
// replaced; "message" with the parsed message as detail.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const PING_EVERY_MS = 20_000;
const ANSWER_WITHIN_MS = 10_000;
const REPLACED = 4409;

export class LiveClient extends EventTarget {
  #url;
  #socket = null;
  #failures = 0;
  #retry = 0;
  #ping = 0;
  #deadline = 0;
  #subscriptions = new Set();

  constructor(url) {
    super();
    this.#url = url;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  start() {
    this.#connect();
  }

  subscribe(recordingId) {
    this.#subscriptions.add(recordingId);
    this.#send({ type: "subscribe", recording_id: recordingId });
  }

  unsubscribe(recordingId) {
    this.#subscriptions.delete(recordingId);
    this.#send({ type: "unsubscribe", recording_id: recordingId });
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.#tell("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      this.#ping = setInterval(() => this.#probe(), PING_EVERY_MS);
      for (const id of this.#subscriptions) this.#send({ type: "subscribe", recording_id: id });
      this.#tell("open");
    });
    socket.addEventListener("message", (event) => {
      if (socket !== this.#socket) return;
      this.#failures = 0;
      clearTimeout(this.#deadline);
      this.#deadline = 0;
      this.dispatchEvent(new CustomEvent("message", { detail: JSON.parse(event.data) }));
    });
    socket.addEventListener("close", (event) => socket === this.#socket && this.#lost(event.code));
  }

  #probe() {
    this.#send({ type: "ping" });
    if (!this.#deadline) this.#deadline = setTimeout(() => this.#lost(0), ANSWER_WITHIN_MS);
  }

  #lost(code) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    clearInterval(this.#ping);
    clearTimeout(this.#deadline);
    this.#deadline = 0;
    if (code === REPLACED) {
      this.#tell("replaced");
      return;
    }
    const wait = Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.#tell("waiting", wait);
  }

  #hurry() {
    if (this.#retry) this.#connect();
  }

  #send(message) {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  #tell(state, wait = 0) {
    this.dispatchEvent(new CustomEvent("state", { detail: { state, wait } }));
  }
}
