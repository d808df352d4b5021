// What an operator should know now, above everything else, each with what to do and where to look.

import { arrange, byId, make, setHidden, setText } from "./dom.js";
import { fetchJson } from "./store.js";

const LEVELS = { critical: "Critical", warning: "Warning" };

export class Alerts {
  #shown = new Map();

  // Rejects where the service does not answer.
  async load() {
    const { items } = await fetchJson("/v1/alerts");
    const nodes = new Map(items.map((alert) => [`${alert.code} ${alert.subject}`, this.#draw(alert)]));
    this.#shown = nodes;
    arrange(byId("alerts"), [...nodes.values()]);
    setHidden(byId("alerts"), !items.length);
  }

  // One that is shown already keeps its node, and with it the focus.
  #draw(alert) {
    const node = this.#shown.get(`${alert.code} ${alert.subject}`) ?? made(alert);
    setText(node.querySelector(".alert-text"), alert.text);
    return node;
  }
}

function made({ code, level, fix, place }) {
  return make(
    "li",
    { class: `alert ${level}`, "data-code": code },
    make("span", { class: "alert-level" }, LEVELS[level]),
    make("span", { class: "alert-text" }),
    make("span", { class: "alert-fix" }, ...commands(fix)),
    make("a", { href: `#/${place}` }, "Show"),
  );
}

// What stands between backticks is a command.
function commands(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}
