// The panel of one recording: all that is known of it, live while it is open.

import { Actions } from "./actions.js";
import { atMostEvery, byId, make, setHidden, setText } from "./dom.js";
import * as format from "./format.js";
import { Cover, Waveform } from "./pictures.js";
import { drawCamelot } from "./recordings.js";
import { Sheets } from "./sheets.js";
import { fetchJson } from "./store.js";

const MAIN = ["bpm", "key", "energy"];
const IDS = new Set(["Recording id", "SHA-256"]);
const LABELS = {
  open_key: "Open Key",
  tuning_cents: "Tuning in cents",
  loudness_lufs: "Loudness in LUFS",
  analysed_seconds: "Seconds analysed",
};
const TAGS = [
  ["genre", "Genre"],
  ["year", "Year"],
  ["label", "Label"],
  ["bpm", "BPM in the tags"],
  ["key", "Key in the tags"],
  ["comment", "Comment"],
];
const SHOWN_ELSEWHERE = new Set([...MAIN, "camelot", "duration_seconds"]);

// Events: "closed" when its reader has closed it.
export class Details extends EventTarget {
  #id = null;
  #dialog = byId("details");
  #live = make("div");
  #facts = make("div");
  #actions;
  // What stays as it is while its recording is looked at: it may hold the focus, or something half written.
  #lasting;
  #refresh = atMostEvery(500, () => this.#load());

  constructor(jobs) {
    super();
    const actions = new Actions(jobs, () => this.#refresh());
    this.#actions = actions;
    this.#lasting = [new Cover(), new Waveform(), actions, new Sheets(actions), new Duplicates((id) => this.open(id))];
    const [cover, ...others] = this.#lasting.map((part) => part.node);
    byId("details-name").parentElement.before(cover);
    byId("details-body").replaceChildren(this.#live, ...others, this.#facts);
    byId("details-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("close", () => {
      if (this.#id === null) return;
      this.#id = null;
      this.dispatchEvent(new Event("closed"));
    });
  }

  close() {
    this.#id = null;
    if (this.#dialog.open) this.#dialog.close();
  }

  open(recordingId) {
    this.#id = recordingId;
    setText(byId("details-name"), "");
    setText(byId("details-artist"), "");
    this.#live.replaceChildren(make("p", { class: "muted" }, "Loading"));
    this.#facts.replaceChildren();
    this.#actions.reset(recordingId);
    for (const part of this.#lasting) setHidden(part.node, true);
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#dialog.scrollTop = 0;
    this.#load();
  }

  notice(recordingId) {
    if (recordingId === this.#id) this.#refresh();
  }

  async #load() {
    const id = this.#id;
    if (id === null) return;
    try {
      const recording = await fetchJson(`/v1/recordings/${encodeURIComponent(id)}`);
      if (id === this.#id) this.#draw(recording);
    } catch (error) {
      if (id === this.#id) this.#live.replaceChildren(make("p", { class: "banner" }, error.message));
    }
  }

  #draw(recording) {
    const results = recording.results ?? {};
    setText(byId("details-name"), recording.title ?? (format.fileName(recording.path) || recording.recording_id));
    setText(byId("details-artist"), [recording.artist, recording.album].filter(Boolean).join(" · "));
    const parts = [
      make(
        "p",
        { class: "details-line" },
        make("span", { class: "status", "data-status": recording.status }, format.STATUS_NAMES[recording.status]),
        recording.progress !== null && recording.status !== "completed" ? format.percent(recording.progress) : null,
        recording.message ? make("span", { class: "muted" }, recording.message) : null,
      ),
    ];
    if (recording.error) parts.push(failure(recording.error));
    if (recording.results) parts.push(headline(results));
    this.#live.replaceChildren(...parts.filter(Boolean));
    for (const part of this.#lasting) part.draw(recording);
    const further = [
      recording.results ? furtherResults(results) : null,
      section("Tags", facts(tags(recording.metadata))),
      section("File", fileFacts(recording, results)),
      section("History", history(recording.history)),
    ];
    this.#facts.replaceChildren(...further.filter(Boolean));
  }
}

// Other recordings of the same content; made anew only where they have changed, since they may hold the focus.
class Duplicates {
  #open;
  #drawn = "";

  constructor(open) {
    this.#open = open;
    this.node = make("section", { hidden: true });
  }

  draw({ duplicates }) {
    setHidden(this.node, duplicates.length === 0);
    const now = JSON.stringify(duplicates);
    if (now === this.#drawn) return;
    this.#drawn = now;
    const items = duplicates.map((twin) => {
      const button = make("button", { type: "button" }, twin.path);
      button.addEventListener("click", () => this.#open(twin.recording_id));
      return make("li", {}, button);
    });
    this.node.replaceChildren(make("h3", {}, "Same content"), make("ul", { class: "duplicates" }, ...items));
  }
}

function tags(metadata) {
  const told = metadata?.id3_tags ?? {};
  const technical = metadata?.audio_analysis ?? {};
  const rate = technical.sample_rate ? `${technical.sample_rate / 1000} kHz` : "";
  return [
    ...TAGS.map(([name, label]) => [label, told[name]]),
    ["Sound", [technical.codec, rate, technical.bitrate && `${Math.round(technical.bitrate / 1000)} kbit/s`].filter(Boolean).join(", ")],
  ];
}

function section(title, content) {
  return content && make("section", {}, make("h3", {}, title), content);
}

function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  if (!shown.length) return null;
  return make("dl", {}, ...shown.flatMap(([name, value]) => [make("dt", {}, name), make("dd", { class: IDS.has(name) && "id" }, String(value))]));
}

function failure(error) {
  return make(
    "div",
    { class: "failure" },
    make("strong", {}, error.message ?? "Failed"),
    error.error_code ? make("code", {}, error.error_code) : null,
  );
}

function headline(results) {
  const cards = MAIN.filter((name) => results[name] !== undefined).map((name) => {
    const value = make("span", { class: "big" }, written(name, results[name]));
    if (name === "key") drawCamelot(value, results.camelot);
    const confidence = results[`${name}_confidence`];
    const alternatives = results[`${name}_alternatives`] ?? [];
    return make(
      "div",
      { class: "result-card" },
      make("span", { class: "label" }, name === "bpm" ? "BPM" : format.label(name)),
      value,
      Number.isFinite(confidence) ? make("span", { class: "muted" }, `${format.percent(confidence)} sure`) : null,
      alternatives.length
        ? make("span", { class: "muted" }, `Or ${alternatives.map((each) => written(name, each)).join(", ")}`)
        : null,
    );
  });
  return cards.length ? make("div", { class: "result-cards" }, ...cards) : null;
}

function furtherResults(results) {
  const rest = Object.entries(results).filter(
    ([name, value]) => !SHOWN_ELSEWHERE.has(name) && !/_(confidence|alternatives)$/.test(name) && value !== null,
  );
  return section("Results", facts(rest.map(([name, value]) => [LABELS[name] ?? format.label(name), written(name, value)])));
}

function written(name, value) {
  if (name === "bpm") return format.bpm(value);
  if (name === "energy") return value.toFixed(2);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function fileFacts(recording, results) {
  return facts([
    ["Path", recording.path],
    ["Before", recording.file.path_history.map((each) => each.path).join(", ")],
    ["Length", format.length(results.duration_seconds)],
    ["Size", format.size(recording.size_bytes)],
    ["Changed", recording.updated_at ? format.time(recording.updated_at) : ""],
    ["Recording id", recording.recording_id],
    ["SHA-256", recording.file.sha256_hash],
  ]);
}

function history(events) {
  if (!events?.length) return null;
  return make(
    "ol",
    { class: "history" },
    ...events.toReversed().map((data) => {
      const status = data.status ?? "completed";
      const text = data.type === "progress" ? (data.message ?? "") : (data.error ?? format.label(data.type));
      return make(
        "li",
        { "data-status": status },
        make("time", { class: "muted" }, format.clock(data.timestamp)),
        make("span", {}, format.STATUS_NAMES[status] ?? status),
        make("span", { class: "muted" }, data.type === "progress" && data.progress ? format.percent(data.progress) : ""),
        make("span", {}, text),
      );
    }),
  );
}
