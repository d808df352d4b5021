// What the page knows: one page of recordings, the counts, and the events that are newer than what was fetched.

import { askForToken } from "./session.js";

const EVENTS_REMEMBERED = 2000;

export const PAGE = 50;

export async function fetchJson(url, options = {}) {
  const response = await fetch(url, { headers: { Accept: "application/json" }, ...options });
  const body = await response.json();
  if (response.status === 401) askForToken();
  if (!response.ok) {
    const error = new Error([body.error, body.fix].filter(Boolean).join(". "));
    throw Object.assign(error, { reasons: body.reasons ?? [] });
  }
  return body;
}

export function postJson(url, body) {
  return fetchJson(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

// Events: "page" after a fetch, "item" with a recording that an event has changed, "unreachable" with an error.
export class Store extends EventTarget {
  items = [];
  total = 0;
  counts = {};
  finishedLastMinute = 0;
  query = { offset: 0, status: "", q: "", sort: "active" };
  loaded = false;

  #byId = new Map();
  #events = new Map();
  #fetching = null;

  // Fetches the current page; a fetch that is still running is given up. False if the service can't be reached.
  async load() {
    this.#fetching?.abort();
    const fetching = new AbortController();
    this.#fetching = fetching;
    const { offset, status, q, sort } = this.query;
    const parameters = new URLSearchParams({ offset, limit: PAGE, sort });
    if (status) parameters.set("status", status);
    if (q) parameters.set("q", q);
    try {
      const page = await fetchJson(`/v1/recordings?${parameters}`, { signal: fetching.signal });
      if (page.total > 0 && offset >= page.total) {
        this.query.offset = Math.floor((page.total - 1) / PAGE) * PAGE;
        return this.load();
      }
      this.#take(page);
      return true;
    } catch (error) {
      if (error.name === "AbortError") return true;
      this.dispatchEvent(new CustomEvent("unreachable", { detail: error }));
      return false;
    }
  }

  // Forgets the events: the service says that its list is right, whatever came before.
  forget() {
    this.#events.clear();
  }

  get(recordingId) {
    return this.#byId.get(recordingId);
  }

  // Takes in an event of the socket. True if counts, or what belongs on the page, may have changed.
  apply(event) {
    const item = this.#byId.get(event.recording_id);
    const known = item?.status ?? statusOf(this.#events.get(event.recording_id));
    const moved = known !== statusOf(event);
    this.#remember(event);
    if (item && update(item, event)) this.dispatchEvent(new CustomEvent("item", { detail: item }));
    return moved;
  }

  #take(page) {
    this.items = page.items;
    this.total = page.total;
    this.counts = page.counts;
    this.finishedLastMinute = page.finished_last_minute;
    this.loaded = true;
    this.#byId = new Map(page.items.map((item) => [item.recording_id, item]));
    for (const item of page.items) {
      const event = this.#events.get(item.recording_id);
      if (event && (item.epoch === event.epoch || !item.sequence)) update(item, event);
    }
    this.dispatchEvent(new Event("page"));
  }

  #remember(event) {
    this.#events.delete(event.recording_id);
    this.#events.set(event.recording_id, event);
    if (this.#events.size > EVENTS_REMEMBERED) this.#events.delete(this.#events.keys().next().value);
  }
}

// Undefined without an event.
function statusOf(event) {
  return event && (event.data.status ?? "completed");
}

// Brings a recording up to date; false if the event is not newer than what is known.
export function update(item, event) {
  if (item.epoch === event.epoch && item.sequence >= event.sequence) return false;
  const { data } = event;
  item.epoch = event.epoch;
  item.sequence = event.sequence;
  item.updated_at = data.timestamp;
  item.status = statusOf(event);
  item.message = data.message ?? null;
  item.progress = data.type === "progress" ? data.progress : null;
  item.results = data.results ?? null;
  item.error = data.type === "error" ? { message: data.error, error_code: data.details?.error_code ?? null } : null;
  return true;
}
