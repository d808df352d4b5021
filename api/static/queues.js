// The queues as a table: what waits in each, who consumes it, and how that was in the last minutes.

import { arrange, byId, make, setText } from "./dom.js";
import * as format from "./format.js";
import { hashOf } from "./route.js";
import { Sparkline } from "./sparkline.js";
import { fetchJson } from "./store.js";

const FEWEST_PLACES = 24;

export class Queues {
  #rows = new Map();
  #known = null;
  #marked = "";

  // Rejects where the service does not answer.
  async load() {
    this.#known ??= held(await fetchJson("/v1/topology"));
    const { times, queues } = await fetchJson("/v1/history");
    const nodes = this.#known.map((queue) => {
      if (!this.#rows.has(queue.name)) this.#rows.set(queue.name, new Row(queue));
      const row = this.#rows.get(queue.name);
      row.draw(queues[queue.name], queues[queue.dead_letters]);
      return row.node;
    });
    arrange(byId("queue-rows"), nodes);
    setText(byId("queues-state"), times.length ? `As of ${format.clock(times.at(-1))}` : "The broker has not answered yet");
    this.#mark();
  }

  // Brings one queue into view, and shows which it is.
  show(name) {
    this.#marked = name;
    this.#mark(true);
  }

  #mark(scroll = false) {
    for (const [name, row] of this.#rows) {
      const marked = name === this.#marked;
      const news = marked && !row.node.hasAttribute("aria-current");
      if (marked) row.node.setAttribute("aria-current", "true");
      else row.node.removeAttribute("aria-current");
      if (marked && (scroll || news)) row.node.scrollIntoView({ block: "center" });
    }
  }
}

// The queues of the file, and those in which messages wait for another attempt.
function held({ nodes, edges, retries }) {
  const stages = (id) => edges.filter((edge) => edge.kind === "consumes" && edge.source === id);
  const queues = nodes
    .filter(({ kind }) => kind === "queue")
    .map(({ id, name, dead_letters, external }) => ({
      name,
      dead_letters,
      by: external ? "outside" : stages(id).map(({ target }) => target.replace(/^stage:/, "")).join(", "),
    }));
  return [...queues, ...retries.map((name) => ({ name, dead_letters: null, by: "its own queue, later" }))];
}

class Row {
  #queue;
  #messages = make("span", { class: "figure" });
  #rates = make("span", { class: "figure" });
  #consumers = make("td", { class: "figure" });
  #dead;
  #depth = new Sparkline(["depth"]);
  #flow = new Sparkline(["in", "out"]);

  constructor(queue) {
    this.#queue = queue;
    this.#dead = make("a", { href: queue.dead_letters ? hashOf("dead-letters", queue.dead_letters) : "#/dead-letters" });
    this.node = make(
      "tr",
      { "data-queue-row": queue.name },
      make("th", { scope: "row" }, make("span", { class: "queue-name" }, queue.name), make("span", { class: "muted" }, queue.by)),
      make("td", {}, make("div", { class: "measured" }, this.#messages, this.#depth.node)),
      make("td", {}, make("div", { class: "measured" }, this.#rates, this.#flow.node)),
      this.#consumers,
      make("td", { class: "figure" }, queue.dead_letters ? this.#dead : "–"),
    );
  }

  draw(history, letters) {
    const now = (values) => values?.at(-1) ?? null;
    const [messages, consumers] = [now(history?.messages), now(history?.consumers)];
    setText(this.#messages, messages === null ? "not there" : format.count(messages));
    setText(this.#consumers, consumers === null ? "–" : format.count(consumers));
    const rates = [now(history?.publish_rate), now(history?.deliver_rate)];
    setText(this.#rates, rates.map((rate, index) => `${perSecond(rate)} ${["in", "out"][index]}`).join(" · "));
    const places = Math.max(FEWEST_PLACES, history?.messages.length ?? 0);
    this.#depth.draw([history?.messages ?? []], places);
    this.#flow.draw([history?.publish_rate ?? [], history?.deliver_rate ?? []], places);
    const dead = now(letters?.messages) ?? 0;
    setText(this.#dead, format.count(dead));
    this.#dead.classList.toggle("bad", dead > 0);
    this.node.classList.toggle("stuck", messages > 0 && consumers === 0 && Boolean(this.#queue.dead_letters));
  }
}

function perSecond(rate) {
  if (rate === null) return "–";
  return rate >= 10 || rate === 0 ? format.count(Math.round(rate)) : rate.toFixed(1);
}
