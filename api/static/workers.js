// The workers that are about: where, since when, which stages and which revision, and what they wait for.

import { byId, make, setHidden } from "./dom.js";
import * as format from "./format.js";
import { fetchJson } from "./store.js";

export class Workers {
  // Rejects where the service does not answer.
  async load() {
    const { items } = await fetchJson("/v1/workers");
    setHidden(byId("no-workers"), items.length > 0);
    byId("worker-list").replaceChildren(...items.map(card));
  }
}

function card(worker) {
  const waiting = Object.entries(worker.away ?? {});
  return make(
    "li",
    { class: "worker" },
    make("h2", {}, `${worker.host} · process ${worker.pid}`),
    make(
      "p",
      { class: "muted" },
      `Since ${format.time(worker.started_at)}. Revision `,
      make("code", {}, worker.revision),
      ` since ${format.time(worker.in_force_since)}. Last heard of at ${format.clock(worker.seen_at)}.`,
    ),
    worker.refused ? make("p", { class: "refused" }, `A newer file is not taken over: ${worker.refused}`) : null,
    ...waiting.map(([name, state]) => make("p", { class: "refused" }, `Waits for ${name}: its breaker is ${state}.`)),
    make("ul", { class: "chips", "aria-label": "Stages" }, ...worker.stages.map((stage) => make("li", {}, stage))),
  );
}
