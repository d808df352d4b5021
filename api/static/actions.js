// What may be asked for a recording: analysis, its end, tags, a tracklist, another name.

import { make, setHidden, setText } from "./dom.js";
import * as format from "./format.js";
import { summary } from "./jobs.js";

const CANCELLABLE = new Set(["queued", "analyzing", "retrying"]);

export class Actions {
  #jobs;
  #changed;
  #url = "";
  #path = "";
  #shown = 0;
  #analyse;
  #cancel;
  #tags;
  #tracklist;
  #open;
  #form;
  #name;
  #said;

  // `changed` is called when a job of this recording has ended.
  constructor(jobs, changed) {
    this.#jobs = jobs;
    this.#changed = changed;
    this.#analyse = button("Analyse again", () => this.#ask("POST", "analysis", {}, "Analysis requested."));
    this.#cancel = button("Cancel analysis", () => this.#ask("DELETE", "analysis", null, "Cancellation requested."));
    this.#tags = button("Read tags", () => this.#follow("metadata", {}, "Reading the tags", "Tags read."));
    this.#tracklist = button("Find tracklist", () =>
      this.#follow("tracklist", { source_hint: "auto" }, "Looking for the tracks", "Tracklist found."),
    );
    this.#open = button("Rename", () => this.#openForm());
    this.#open.setAttribute("aria-expanded", "false");
    this.#name = make("input", { type: "text", name: "name", maxlength: 1024, autocomplete: "off", spellcheck: "false", required: true });
    const give = make("button", { type: "submit" }, "Give this name");
    const keep = button("Keep the old one", () => this.#closeForm());
    this.#form = make("form", { class: "rename", hidden: true }, make("label", {}, make("span", {}, "New name"), this.#name), make("div", { class: "buttons" }, give, keep));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#rename();
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      this.#closeForm();
    });
    this.#said = make("p", { class: "result", role: "status", "aria-live": "polite" });
    this.node = make(
      "section",
      { class: "actions" },
      make("h3", {}, "Actions"),
      make("div", { class: "buttons" }, this.#analyse, this.#cancel, this.#tags, this.#tracklist, this.#open),
      this.#form,
      this.#said,
    );
  }

  // Another recording is looked at.
  reset(recordingId) {
    this.#shown += 1;
    this.#url = `/v1/recordings/${encodeURIComponent(recordingId)}`;
    setHidden(this.#form, true);
    this.#open.setAttribute("aria-expanded", "false");
    setText(this.#said, "");
  }

  draw(recording) {
    setHidden(this.node, false);
    this.#path = recording.path;
    const deleted = Boolean(recording.file.deleted_at);
    for (const each of [this.#analyse, this.#tags, this.#tracklist, this.#open]) each.disabled = deleted;
    this.#cancel.disabled = !CANCELLABLE.has(recording.status);
  }

  say(text) {
    setText(this.#said, text);
  }

  // Asks, and says what became of it as long as the same recording is looked at.
  async follow(method, url, body, doing, done) {
    const shown = this.#shown;
    const tell = (state) => {
      if (shown !== this.#shown) return;
      this.say(summary(state, doing, done));
      if (state.status === "completed" || state.status === "failed") this.#changed();
    };
    try {
      this.say(`${doing}…`);
      await this.#jobs.ask(method, url, body, tell);
    } catch (error) {
      if (shown === this.#shown) this.say(`Not done: ${error.message}`);
    }
  }

  #follow(name, body, doing, done) {
    return this.follow("POST", `${this.#url}/${name}`, body, doing, done);
  }

  async #ask(method, name, body, done) {
    const shown = this.#shown;
    try {
      await this.#jobs.ask(method, `${this.#url}/${name}`, body);
      if (shown === this.#shown) this.say(done);
    } catch (error) {
      if (shown === this.#shown) this.say(`Not done: ${error.message}`);
    }
  }

  #openForm() {
    this.#name.value = format.fileName(this.#path);
    setHidden(this.#form, false);
    this.#open.setAttribute("aria-expanded", "true");
    this.#name.focus();
    const end = this.#name.value.lastIndexOf(".");
    this.#name.setSelectionRange(0, end > 0 ? end : this.#name.value.length);
  }

  #closeForm() {
    setHidden(this.#form, true);
    this.#open.setAttribute("aria-expanded", "false");
    this.#open.focus();
  }

  #rename() {
    const body = { suggested_name: this.#name.value };
    this.#closeForm();
    return this.#follow("rename", body, "Renaming", "Renamed.");
  }
}

function button(text, act) {
  const node = make("button", { type: "button" }, text);
  node.addEventListener("click", act);
  return node;
}
