// Dead letters: what failed, why, and a button to try it again.

import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";
import { fetchJson } from "./store.js";

const SHOWN_PER_QUEUE = 50;

export class Letters {
  #known = "";

  // Something failed since: the entries are read again even where the depths are the same.
  outdated() {
    this.#known = "";
  }

  // Reads the depths, and the entries only where they are looked at and may have changed: reading them makes the
  // broker hand them out.
  async load() {
    const queues = await fetchJson("/v1/dlq");
    setText(byId("dead-letters"), queues.total ? format.count(queues.total) : "");
    const filled = queues.items.filter((queue) => queue.messages > 0);
    const now = JSON.stringify(filled);
    if (byId("failures").hidden || now === this.#known) return;
    const lists = await Promise.all(
      filled.map((queue) => fetchJson(`/v1/dlq/${encodeURIComponent(queue.name)}?limit=${SHOWN_PER_QUEUE}`)),
    );
    this.#known = now;
    byId("letters").replaceChildren(
      ...(lists.length
        ? lists.map((list, index) => this.#queue(list, filled[index].messages))
        : [make("div", { class: "empty" }, make("h2", {}, "No dead letters"), make("p", {}, "Everything was processed."))]),
    );
  }

  #queue(list, total) {
    const all = make("button", { type: "button" }, total === 1 ? "Replay it" : `Replay all ${format.count(total)}`);
    all.addEventListener("click", () => this.#replay(list.name, { limit: 1000 }, all));
    const more = total > list.items.length ? `The oldest ${list.items.length} of ${format.count(total)} are shown.` : "";
    return make(
      "section",
      { class: "queue" },
      make("div", { class: "queue-head" }, make("h2", {}, list.origin), total > 1 ? all : null),
      make("ul", { class: "letters" }, ...list.items.map((letter) => this.#letter(list.name, letter))),
      more ? make("p", { class: "muted" }, more) : null,
    );
  }

  #letter(queue, letter) {
    const facts = [
      letter.message,
      letter.stage && `stage ${letter.stage}`,
      letter.attempts && `${letter.attempts} ${letter.attempts === 1 ? "attempt" : "attempts"}`,
      letter.failed_at && format.time(Date.parse(letter.failed_at) / 1000),
    ];
    const button = make("button", { type: "button", "aria-label": `Replay ${letter.message}: ${letter.error_message}` }, "Replay");
    button.disabled = !letter.message_id;
    button.addEventListener("click", () => this.#replay(queue, { message_ids: [letter.message_id] }, button));
    return make(
      "li",
      { class: "letter" },
      make(
        "div",
        {},
        make("p", { class: "reason" }, make("code", {}, letter.error_code || "UNKNOWN"), " ", letter.error_message || "No reason given"),
        make("p", { class: "muted" }, facts.filter(Boolean).join(" · ")),
      ),
      button,
    );
  }

  async #replay(queue, wanted, button) {
    button.disabled = true;
    try {
      const done = await fetchJson(`/v1/dlq/${encodeURIComponent(queue)}/replay`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(wanted),
      });
      const failed = done.failed.length ? `, ${done.failed.length} could not be sent` : "";
      const gone = done.not_found.length ? ", it was gone already" : "";
      setText(byId("replay-result"), `Replayed ${format.count(done.replayed)}${failed}${gone}.`);
      this.outdated();
      await this.load();
      byId("failures").focus({ preventScroll: true });
    } catch (error) {
      setText(byId("replay-result"), `Not replayed: ${error.message}`);
      button.disabled = false;
    }
  }
}
