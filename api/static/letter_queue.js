// The dead letters of one queue that are meant: the oldest of them, to be chosen and dealt with.

import { arrange, make, setHidden, setText } from "./dom.js";
import * as format from "./format.js";

const MOST_AT_ONCE = 1000;

export class LetterQueue {
  #queue;
  #filters;
  #dialogs;
  #total = 0;
  #rows = new Map();
  #all = make("input", { type: "checkbox" });
  #chosen = make("p", { class: "muted", role: "status" });
  #replay = make("button", { type: "button" });
  #purge = make("button", { type: "button" });
  #list = make("ul", { class: "letters" });
  #more = make("p", { class: "muted" });

  constructor({ name, origin }, filters, dialogs) {
    this.#queue = { name, origin };
    this.#filters = filters;
    this.#dialogs = dialogs;
    this.#all.addEventListener("change", () => this.#chooseAll());
    this.#replay.addEventListener("click", () => dialogs.replay(this.#queue, this.#wanted(), this.#what()));
    this.#purge.addEventListener("click", () => dialogs.purge(this.#queue, this.#wanted(), this.#what()));
    const head = make("h2", {}, origin);
    this.#list.setAttribute("aria-label", `Dead letters of ${origin}`);
    this.node = make(
      "section",
      { class: "queue", "aria-label": origin },
      make("div", { class: "queue-head" }, head, make("div", { class: "buttons" }, this.#replay, this.#purge)),
      make("div", { class: "choice" }, make("label", {}, this.#all, " All that are shown"), this.#chosen),
      this.#list,
      this.#more,
    );
  }

  draw(letters, total) {
    this.#total = total;
    const rows = new Map(letters.map((letter) => [keyOf(letter), letter]));
    for (const key of this.#rows.keys()) if (!rows.has(key)) this.#rows.delete(key);
    for (const [key, letter] of rows) if (!this.#rows.has(key)) this.#rows.set(key, this.#row(letter));
    arrange(this.#list, [...rows.keys()].map((key) => this.#rows.get(key).node));
    const more = total > letters.length ? `The oldest ${letters.length} of ${format.count(total)} are shown.` : "";
    setText(this.#more, more);
    setHidden(this.#more, !more);
    this.#tell();
  }

  #row(letter) {
    const what = `${letter.message}: ${letter.error_message || letter.error_code || "no reason given"}`;
    const box = make("input", { type: "checkbox", "aria-label": `Choose ${what}`, disabled: !letter.message_id });
    box.addEventListener("change", () => this.#tell());
    const replay = make("button", { type: "button", "aria-label": `Replay ${what}`, disabled: !letter.message_id }, "Replay");
    const edit = make("button", { type: "button", "aria-label": `Edit ${what}`, disabled: !letter.message_id }, "Edit");
    replay.addEventListener("click", () =>
      this.#dialogs.replay(this.#queue, { message_ids: [letter.message_id] }, "one dead letter"),
    );
    edit.addEventListener("click", () => this.#dialogs.edit(this.#queue, letter));
    const facts = [
      letter.message,
      letter.stage && `stage ${letter.stage}`,
      letter.attempts && `${letter.attempts} ${letter.attempts === 1 ? "attempt" : "attempts"}`,
      letter.failed_at && format.time(Date.parse(letter.failed_at) / 1000),
      format.size(letter.body_size),
    ];
    const node = make(
      "li",
      { class: "letter" },
      make("label", { class: "choose" }, box),
      make(
        "div",
        {},
        make("p", { class: "reason" }, make("code", {}, letter.error_code || "UNKNOWN"), " ", letter.error_message || "No reason given"),
        make("p", { class: "muted" }, facts.filter(Boolean).join(" · ")),
        letter.message_id
          ? make("p", { class: "muted id" }, letter.message_id)
          : make("p", { class: "muted" }, "Without an id: it is meant by its error, its stage or its age only."),
      ),
      make("div", { class: "buttons" }, edit, replay),
    );
    return { node, box, letter };
  }

  #ids() {
    return [...this.#rows.values()].filter((row) => row.box.checked).map((row) => row.letter.message_id);
  }

  // What a request asks for: those that are chosen, or else all that the filters leave.
  #wanted() {
    const ids = this.#ids();
    if (ids.length) return { message_ids: [...new Set(ids)] };
    const { fields } = this.#filters.chosen();
    return Object.keys(fields).length ? fields : { limit: MOST_AT_ONCE };
  }

  #what() {
    const count = this.#ids().length || this.#total;
    return count === 1 ? "one dead letter" : `${format.count(count)} dead letters`;
  }

  #chooseAll() {
    for (const { box } of this.#rows.values()) box.checked = this.#all.checked && !box.disabled;
    this.#tell();
  }

  #tell() {
    const count = this.#ids().length;
    const able = [...this.#rows.values()].filter((row) => !row.box.disabled).length;
    this.#all.checked = count > 0 && count === able;
    this.#all.indeterminate = count > 0 && count < able;
    this.#all.disabled = !able;
    const which = count ? `${format.count(count)} chosen` : this.#total === 1 ? "it" : `all ${format.count(this.#total)}`;
    setText(this.#replay, `Replay ${which}`);
    setText(this.#purge, `Purge ${which}`);
    setText(this.#chosen, count ? `${format.count(count)} chosen.` : "");
  }
}

// A letter that failed again is another one.
function keyOf(letter) {
  const { position, ...rest } = letter;
  return JSON.stringify(letter.message_id ? rest : letter);
}
