// Which dead letters are meant: by a group of those that died of the same, or by its parts, a name and an age.

import { arrange, byId, make, setAttribute } from "./dom.js";
import * as format from "./format.js";

const SELECTS = { error_code: "letter-code", error_class: "letter-class", stage: "letter-stage" };
const TYPING_MS = 300;

export class LetterFilters {
  #form = byId("letter-filters");
  #changed;
  #buttons = new Map();

  // `changed` is called when others are meant.
  constructor(changed) {
    this.#changed = changed;
    let typing = 0;
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", (event) => event.target === byId("letter-message") || this.#tell());
    byId("letter-message").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#tell(), TYPING_MS);
    });
    this.#form.addEventListener("reset", () => setTimeout(() => this.#tell()));
  }

  // The queue, "" for all, and the fields of a request that are given.
  chosen() {
    const fields = {};
    for (const [name, id] of Object.entries(SELECTS)) if (byId(id).value) fields[name] = byId(id).value;
    const message = byId("letter-message").value.trim();
    if (message) fields.message = message;
    const [direction, age] = byId("letter-age").value.split(" ");
    if (age) fields[direction] = age;
    return { queue: byId("letter-queue").value, fields };
  }

  // The fields as the rest of a query, after `start`; empty where none is given.
  query(start) {
    const text = new URLSearchParams(this.chosen().fields).toString();
    return text && start + text;
  }

  // One queue, and all that is in it.
  choose(queue) {
    const select = byId("letter-queue");
    this.#form.reset();
    if (![...select.options].some(({ value }) => value === queue)) {
      select.append(make("option", { value: queue }, queue.replace(/\.dlq$/, "")));
    }
    select.value = queue;
    this.#tell();
  }

  // Offers what there is; what is chosen stays so, also where there is none of it any more.
  draw(groups) {
    const queues = new Map(groups.map((group) => [group.name, group.origin]));
    offer(byId("letter-queue"), queues);
    for (const [name, id] of Object.entries(SELECTS)) {
      offer(byId(id), new Map(groups.filter((group) => group[name]).map((group) => [group[name], group[name]])));
    }
    const nodes = groups.map((group) => this.#group(group));
    for (const key of this.#buttons.keys()) if (!groups.some((group) => keyOf(group) === key)) this.#buttons.delete(key);
    arrange(byId("groups"), nodes);
    this.#press();
  }

  #group(group) {
    const key = keyOf(group);
    if (!this.#buttons.has(key)) {
      const button = make("button", { type: "button", class: "group", "aria-pressed": "false" });
      button.addEventListener("click", () => this.#choose(group, button.getAttribute("aria-pressed") !== "true"));
      this.#buttons.set(key, { group, button, node: make("li", {}, button) });
    }
    const { button, node } = this.#buttons.get(key);
    const facts = [group.origin, group.error_class, group.stage && `stage ${group.stage}`, span(group)];
    button.replaceChildren(
      make("span", { class: "count" }, format.count(group.count)),
      " ",
      make("code", {}, group.error_code || "UNKNOWN"),
      " ",
      make("span", { class: "muted" }, facts.filter(Boolean).join(" · ")),
    );
    return node;
  }

  #choose(group, on) {
    byId("letter-queue").value = on ? group.name : "";
    for (const [name, id] of Object.entries(SELECTS)) byId(id).value = on ? group[name] : "";
    this.#tell();
  }

  #press() {
    const { queue, fields } = this.chosen();
    for (const { group, button } of this.#buttons.values()) {
      const same = queue === group.name && Object.keys(SELECTS).every((name) => (fields[name] ?? "") === group[name]);
      setAttribute(button, "aria-pressed", String(same));
    }
  }

  #tell() {
    this.#press();
    this.#changed();
  }
}

function keyOf(group) {
  return JSON.stringify([group.name, group.error_code, group.error_class, group.stage]);
}

// When the oldest and the newest died.
function span(group) {
  if (!group.oldest) return "";
  const [oldest, newest] = [group.oldest, group.newest].map((text) => format.time(Date.parse(text) / 1000));
  return oldest === newest ? oldest : `${oldest} – ${newest}`;
}

// The options of a select, the first of which is for all.
function offer(select, choices) {
  const chosen = select.value;
  if (chosen && !choices.has(chosen)) choices.set(chosen, chosen);
  const wanted = [...choices].sort(([, one], [, other]) => one.localeCompare(other));
  const shown = [...select.options].slice(1).map((option) => option.value);
  if (wanted.map(([value]) => value).join("\n") === shown.join("\n")) return;
  select.replaceChildren(select.options[0], ...wanted.map(([value, text]) => make("option", { value }, text)));
  select.value = chosen;
}
