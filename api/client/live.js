// A WebSocket that comes back and goes on where it was: reconnects with full-jitter backoff, repeats its subscriptions
// from the last event of each, and notices a connection that is open but dead.
//
//   import { LiveClient } from "/client.js";
//   const live = new LiveClient("ws://localhost:8000/v1/ws");
//   live.addEventListener("message", ({ detail }) => console.log(detail));
//   live.subscribe("recording-1");
//   live.start();
//
// Events: "state" with detail {state, wait}, where state is connecting, open, waiting (for `wait` ms), replaced or
// refused; "message" with the parsed message as detail. Where what was missed is not known any more, the current state
// comes, marked `snapshot: true`; who follows "*" reads the list again when "subscribed" comes.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const PING_EVERY_MS = 20_000;
const ANSWER_WITHIN_MS = 10_000;
const FOR_GOOD = { 4401: "refused", 4403: "refused", 4409: "replaced" };

export class LiveClient extends EventTarget {
  #url;
  #socket = null;
  #failures = 0;
  #retry = 0;
  #ping = 0;
  #deadline = 0;
  #subscriptions = new Map(); // id to filter, if it has one
  #positions = new Map(); // id to the sequence and epoch of its last event

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

  // Follow a recording or a job; "*" for all recordings, or those events that the filter {status, stage} chooses.
  subscribe(recordingId, filter = undefined) {
    this.#subscriptions.set(recordingId, filter);
    this.#positions.delete(recordingId);
    this.#ask(recordingId);
  }

  unsubscribe(recordingId) {
    this.#subscriptions.delete(recordingId);
    this.#positions.delete(recordingId);
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
      for (const id of this.#subscriptions.keys()) this.#ask(id);
      this.#tell("open");
    });
    socket.addEventListener("message", (event) => {
      if (socket !== this.#socket) return;
      this.#failures = 0;
      clearTimeout(this.#deadline);
      this.#deadline = 0;
      const message = JSON.parse(event.data);
      this.#note(message);
      this.dispatchEvent(new CustomEvent("message", { detail: message }));
    });
    socket.addEventListener("close", (event) => socket === this.#socket && this.#lost(event.code));
  }

  #ask(id) {
    this.#send({ type: "subscribe", recording_id: id, filter: this.#subscriptions.get(id), ...this.#positions.get(id) });
  }

  // Remembers where each subscription is.
  #note(message) {
    if (message.recovered === false) this.#positions.delete(message.recording_id);
    const key = message.job_id ?? message.recording_id;
    if (message.sequence !== undefined && this.#subscriptions.has(key)) {
      this.#positions.set(key, { last_sequence: message.sequence, epoch: message.epoch });
    }
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
    if (code in FOR_GOOD) {
      this.#tell(FOR_GOOD[code]);
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
