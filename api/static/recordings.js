// The list: one row per recording on the page, made once and then only brought up to date.

import { arrange, byId, make, oncePerFrame, setAttribute, setHidden, setText } from "./dom.js";
import * as format from "./format.js";
import { PAGE } from "./store.js";

const RUNNING = new Set(["analyzing", "retrying"]);

export class RecordingList {
  #store;
  #open;
  #roots = [];
  #rows = new Map();
  #changed = new Set();
  #drawChanged = oncePerFrame(() => this.#redrawChanged());

  constructor(store, open) {
    this.#store = store;
    this.#open = open;
    store.addEventListener("page", oncePerFrame(() => this.#drawPage()));
    store.addEventListener("item", (event) => {
      this.#changed.add(event.detail.recording_id);
      this.#drawChanged();
    });
    byId("previous").addEventListener("click", () => this.#turn(-1));
    byId("next").addEventListener("click", () => this.#turn(1));
  }

  set roots(roots) {
    this.#roots = roots;
    if (this.#store.loaded) this.#drawEmpty();
  }

  #turn(direction) {
    this.#store.query.offset = Math.max(0, this.#store.query.offset + direction * PAGE);
    this.#store.load();
    byId("recordings").scrollIntoView({ block: "start" });
  }

  #drawPage() {
    const list = byId("list");
    const kept = new Map();
    for (const item of this.#store.items) {
      const row = this.#rows.get(item.recording_id) ?? new Row(item.recording_id, this.#open);
      row.draw(item);
      kept.set(item.recording_id, row);
    }
    this.#rows = kept;
    arrange(list, [...kept.values()].map((row) => row.node));
    setAttribute(list, "aria-busy", "false");
    this.#drawEmpty();
    this.#drawPager();
  }

  #redrawChanged() {
    for (const id of this.#changed) {
      const item = this.#store.get(id);
      if (item) this.#rows.get(id)?.draw(item);
    }
    this.#changed.clear();
  }

  #drawEmpty() {
    const { query, total } = this.#store;
    const filtered = Boolean(query.status || query.q);
    setHidden(byId("empty"), total > 0);
    setHidden(byId("columns"), total === 0);
    setText(byId("empty-title"), filtered ? "No recordings match" : "Nothing here yet");
    setText(
      byId("empty-text"),
      filtered
        ? "Change the search or the status above."
        : this.#roots.length
          ? "Copy an audio file into a watched folder; it shows up here within seconds:"
          : "Copy an audio file into a watched folder; it shows up here within seconds.",
    );
    byId("empty-paths").replaceChildren(...(filtered ? [] : this.#roots.map((root) => make("code", {}, root))));
  }

  #drawPager() {
    const { query, total, items } = this.#store;
    setHidden(byId("pager"), total <= PAGE);
    setText(
      byId("range"),
      `${format.count(query.offset + 1)} to ${format.count(query.offset + items.length)} of ${format.count(total)}`,
    );
    byId("previous").disabled = query.offset === 0;
    byId("next").disabled = query.offset + items.length >= total;
  }
}

class Row {
  constructor(recordingId, open) {
    this.name = make("span", { class: "name" });
    this.folder = make("span", { class: "folder muted" });
    const button = make("button", { type: "button", class: "open", "aria-haspopup": "dialog" }, this.name, this.folder);
    button.addEventListener("click", () => open(recordingId));
    this.badge = make("span", { class: "status" });
    this.fill = make("span", { class: "fill" });
    this.bar = make("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, this.fill);
    this.note = make("span", { class: "note" });
    this.bpm = fact("BPM", "bpm");
    this.key = fact("Key", "key");
    this.energy = fact("Energy", "energy");
    this.length = fact("Length", "length");
    this.meter = make("span", { class: "meter", "aria-hidden": "true" });
    this.energy.append(this.meter);
    this.node = make(
      "li",
      { class: "row", "data-id": recordingId },
      make("div", { class: "what" }, button),
      make("div", { class: "state" }, this.badge, this.bar, this.note),
      this.bpm,
      this.key,
      this.energy,
      this.length,
    );
  }

  draw(item) {
    const results = item.results ?? {};
    const file = format.fileName(item.path) || item.recording_id;
    const name = item.title ?? file;
    setText(this.name, name);
    setText(this.folder, item.title ? [item.artist, item.path].filter(Boolean).join(" · ") : format.folder(item.path));
    setAttribute(this.name, "title", item.path || item.recording_id);
    setAttribute(this.node, "data-status", item.status);
    setText(this.badge, format.STATUS_NAMES[item.status] ?? item.status);
    this.#drawProgress(item, name);
    setText(this.note, note(item));
    setFact(this.bpm, format.bpm(results.bpm));
    setFact(this.key, results.key ?? "");
    drawCamelot(this.key, results.camelot);
    setFact(this.energy, Number.isFinite(results.energy) ? results.energy.toFixed(2) : "");
    this.meter.style.setProperty("--value", results.energy ?? 0);
    setHidden(this.meter, !Number.isFinite(results.energy));
    setFact(this.length, format.length(results.duration_seconds));
  }

  #drawProgress(item, name) {
    const running = RUNNING.has(item.status);
    setHidden(this.bar, !running);
    if (!running) return;
    const progress = item.progress ?? 0;
    setAttribute(this.bar, "aria-valuenow", String(Math.round(progress * 100)));
    setAttribute(this.bar, "aria-label", `Progress of ${name}`);
    this.fill.style.setProperty("--value", progress);
  }
}

function note(item) {
  if (item.error && item.status !== "cancelled") {
    return [item.error.message, item.error.error_code && `(${item.error.error_code})`].filter(Boolean).join(" ");
  }
  if (RUNNING.has(item.status)) return [format.percent(item.progress ?? 0), item.message].filter(Boolean).join(" · ");
  return "";
}

function fact(label, name) {
  return make(
    "div",
    { class: `fact ${name}` },
    make("span", { class: "fact-label" }, label),
    make("span", { class: "value" }),
  );
}

function setFact(node, text) {
  setText(node.querySelector(".value"), text);
  setHidden(node.querySelector(".fact-label"), text === "");
  node.classList.toggle("none", text === "");
}

// The position on the Camelot wheel, as text and as the colour that DJ programs give it.
export function drawCamelot(parent, camelot) {
  let chip = parent.querySelector(".camelot");
  if (!camelot) {
    chip?.remove();
    return;
  }
  if (!chip) {
    chip = make("span", { class: "camelot" });
    parent.append(chip);
  }
  setText(chip, camelot);
  chip.style.setProperty("--hue", (Number.parseInt(camelot, 10) - 1) * 30);
}
