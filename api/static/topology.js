// The topology as the server draws it, brought up to date while it is looked at; and the same as a table.

import { byId, make, setHidden, setText } from "./dom.js";
import * as format from "./format.js";
import { fetchJson } from "./store.js";

export class Topology {
  #drawn = "";

  // Rejects where the service does not answer.
  async load() {
    const answer = await fetch("/v1/topology.svg");
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const text = await answer.text();
    if (text !== this.#drawn) {
      this.#drawn = text;
      this.#show(text);
    }
    await this.#loadWorkers();
    if (byId("topology-table").open) await this.loadTable();
  }

  async #loadWorkers() {
    const { items, revisions } = await fetchJson("/v1/workers");
    const count = (number) => `${format.count(number)} worker${number === 1 ? "" : "s"}`;
    const told = Object.entries(revisions).map(([revision, number]) => `revision ${revision} in ${count(number)}`);
    setText(byId("revisions"), told.length ? `In force: ${told.join(", ")}.` : "No worker is running.");
    const refused = [...new Set(items.map((worker) => worker.refused).filter(Boolean))];
    setText(byId("refused"), refused.length ? `A newer one is not taken over: ${refused.join("; ")}` : "");
    setHidden(byId("refused"), !refused.length);
    const away = [...new Set(items.flatMap((worker) => Object.keys(worker.away ?? {})))].sort();
    setText(byId("away"), away.length ? `Waiting for what is away: ${away.join(", ")}. Its queues are not consumed.` : "");
    setHidden(byId("away"), !away.length);
  }

  async loadTable() {
    const graph = await fetchJson("/v1/topology");
    const takers = new Map();
    for (const edge of graph.edges.filter(({ kind }) => kind === "consumes")) {
      takers.set(edge.source, [...(takers.get(edge.source) ?? []), edge.target.replace(/^stage:/, "")]);
    }
    const flow = (name) => graph.flows[name] ?? {};
    const figure = (value) => (value === null || value === undefined ? "–" : format.count(value));
    const rows = graph.nodes
      .filter(({ kind }) => kind === "queue")
      .map((node) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, node.name),
          make("td", {}, figure(flow(node.name).messages)),
          make("td", {}, figure(flow(node.name).consumers)),
          make("td", {}, node.dead_letters ? figure(flow(node.dead_letters).messages) : "none"),
          make("td", {}, node.external ? "outside" : (takers.get(node.id) ?? ["nothing"]).join(", ")),
        ),
      );
    const waiting = graph.retries.map((name) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, name),
        make("td", {}, figure(flow(name).messages)),
        make("td", {}, "–"),
        make("td", {}, "none"),
        make("td", {}, "their own queues, later"),
      ),
    );
    byId("topology-rows").replaceChildren(...rows, ...waiting);
  }

  #show(text) {
    // The page's policy takes styles from files only: topology.css has the same.
    const bare = text.replace(/<style>[^<]*<\/style>/, "");
    const picture = new DOMParser().parseFromString(bare, "image/svg+xml").documentElement;
    byId("picture").replaceChildren(document.importNode(picture, true));
    setHidden(byId("picture"), false);
    setText(byId("topology-state"), `As of ${new Date().toLocaleTimeString()}`);
  }
}
