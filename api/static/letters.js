// Dead letters: what they died of, which of them are looked at, and what was done with them.

import { arrange, byId, make, setHidden, setText } from "./dom.js";
import * as format from "./format.js";
import { LetterAudit } from "./letter_audit.js";
import { LetterDialogs } from "./letter_dialogs.js";
import { LetterFilters } from "./letter_filters.js";
import { LetterQueue } from "./letter_queue.js";
import { fetchJson } from "./store.js";

const SHOWN_PER_QUEUE = 50;
const MOST_GROUPED = 10_000;

export class Letters {
  #known = "";
  #asked = 0;
  #queues = new Map();
  #filters = new LetterFilters(() => this.#again());
  #audit = new LetterAudit();
  #dialogs = new LetterDialogs((told) => this.#done(told));
  #empty = make("div", { class: "empty" });

  // Something failed since: the entries are read again even where the depths are the same.
  outdated() {
    this.#known = "";
  }

  // Shows those of one queue.
  choose(queue) {
    this.#filters.choose(queue);
  }

  // Reads the depths, and the entries only where they are looked at and may have changed: reading them makes the
  // broker hand them out.
  async load() {
    const asked = ++this.#asked;
    const depths = await fetchJson("/v1/dlq");
    setText(byId("dead-letters"), depths.total ? format.count(depths.total) : "");
    const filled = depths.items.filter((queue) => queue.messages > 0);
    const now = JSON.stringify([filled, this.#filters.query("")]);
    if (byId("failures").hidden || now === this.#known) return;
    const groups = filled.length ? await fetchJson(`/v1/dlq/groups?limit=${MOST_GROUPED}`) : { items: [] };
    const { queue } = this.#filters.chosen();
    const looked = filled.filter((each) => !queue || each.name === queue);
    const found = await Promise.all(looked.map((each) => this.#read(each)));
    if (asked !== this.#asked) return;
    this.#known = now;
    this.#filters.draw(groups.items);
    this.#draw(found.filter((each) => each.items.length), filled.length);
  }

  // One queue's entries, and how many of them there are where not all are meant.
  async #read(queue) {
    const path = `/v1/dlq/${encodeURIComponent(queue.name)}`;
    const query = this.#filters.query("&");
    const [list, groups] = await Promise.all([
      fetchJson(`${path}?limit=${SHOWN_PER_QUEUE}${query}`),
      query ? fetchJson(`${path}/groups?limit=${MOST_GROUPED}${query}`) : { total: queue.messages },
    ]);
    return { ...list, total: Math.max(groups.total, list.items.length) };
  }

  #draw(found, filled) {
    const sections = found.map((each) => {
      if (!this.#queues.has(each.name)) this.#queues.set(each.name, new LetterQueue(each, this.#filters, this.#dialogs));
      const section = this.#queues.get(each.name);
      section.draw(each.items, each.total);
      return section.node;
    });
    const [title, text] = filled
      ? ["No dead letter matches", "Others wait: show all to see them."]
      : ["No dead letters", "Everything was processed."];
    this.#empty.replaceChildren(make("h2", {}, title), make("p", {}, text));
    setHidden(byId("letter-tools"), !filled);
    arrange(byId("letters"), sections.length ? sections : [this.#empty]);
  }

  #again() {
    this.outdated();
    this.load().catch((error) => setText(byId("replay-result"), error.message));
  }

  #done(told) {
    setText(byId("replay-result"), told);
    this.#audit.outdated();
    this.#again();
    byId("failures").focus({ preventScroll: true });
  }
}
