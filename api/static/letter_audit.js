// What was done with dead letters, and by whom: read when it is looked at.

import { byId, make } from "./dom.js";
import * as format from "./format.js";
import { fetchJson } from "./store.js";

const SHOWN = 100;
const SHOWN_IDS = 3;

export class LetterAudit {
  #details = byId("letter-audit");

  constructor() {
    this.#details.addEventListener("toggle", () => this.#details.open && this.#load());
  }

  // Something was done since.
  outdated() {
    if (this.#details.open) this.#load();
  }

  async #load() {
    const rows = byId("letter-audit-rows");
    try {
      const { items } = await fetchJson(`/v1/dlq/audit?limit=${SHOWN}`);
      rows.replaceChildren(...(items.length ? items.map(row) : [told("Nothing was done with dead letters.")]));
    } catch (error) {
      rows.replaceChildren(told(error.message));
    }
  }
}

function row(record) {
  const chosen = Object.entries(record.selection).map(([name, value]) => `${name} ${value}`);
  const ids = record.message_ids.slice(0, SHOWN_IDS).join(", ");
  const more = record.message_ids.length - SHOWN_IDS;
  return make(
    "tr",
    {},
    make("td", {}, format.time(Date.parse(record.at) / 1000)),
    make("td", {}, `${record.who.name}, ${record.who.address} (${record.who.via})`),
    make("td", {}, record.action),
    make("td", {}, record.queue),
    make("td", {}, format.count(record.count)),
    make("td", {}, [...chosen, ...(record.fields.length ? [`fields ${record.fields.join(", ")}`] : [])].join(" · ")),
    make("td", { class: "id" }, more > 0 ? `${ids} and ${format.count(more)} more` : ids),
  );
}

function told(text) {
  return make("tr", {}, make("td", { colspan: 7, class: "muted" }, text));
}
