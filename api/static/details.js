// The panel of one recording: all that is known of it, live while it is open.

import { atMostEvery, byId, make, setText } from "./dom.js";
import * as format from "./format.js";
import { drawCamelot } from "./recordings.js";
import { fetchJson } from "./store.js";

const MAIN = ["bpm", "key", "energy"];
const IDS = new Set(["Recording id", "SHA-256"]);
const LABELS = {
  open_key: "Open Key",
  tuning_cents: "Tuning in cents",
  loudness_lufs: "Loudness in LUFS",
  analysed_seconds: "Seconds analysed",
};
const SHOWN_ELSEWHERE = new Set([...MAIN, "camelot", "duration_seconds"]);

export class Details {
  #id = null;
  #dialog = byId("details");
  #body = byId("details-body");
  #refresh = atMostEvery(500, () => this.#load());

  constructor() {
    byId("details-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("close", () => (this.#id = null));
  }

  open(recordingId) {
    this.#id = recordingId;
    setText(byId("details-name"), "");
    this.#body.replaceChildren(make("p", { class: "muted" }, "Loading"));
    this.#dialog.showModal();
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
      if (id === this.#id) this.#body.replaceChildren(make("p", { class: "banner" }, error.message));
    }
  }

  #draw(recording) {
    const results = recording.results ?? {};
    setText(byId("details-name"), format.fileName(recording.path) || recording.recording_id);
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
    if (recording.results) parts.push(headline(results), furtherResults(results));
    parts.push(section("File", fileFacts(recording, results)), section("History", history(recording.history)));
    this.#body.replaceChildren(...parts.filter(Boolean));
  }
}

function section(title, content) {
  return content && make("section", {}, make("h3", {}, title), content);
}

function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  if (!shown.length) return null;
  return make("dl", {}, ...shown.flatMap(([name, value]) => [make("dt", {}, name), make("dd", { class: IDS.has(name) && "id" }, value)]));
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
