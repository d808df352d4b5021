// What is asked before something is done with dead letters: what it would do, and whether it is meant.

import { byId, make, setHidden, setText } from "./dom.js";
import { editor } from "./letter_editor.js";
import * as format from "./format.js";
import { postJson } from "./store.js";

const MOST_AT_ONCE = 1000;
const SHOWN_REFUSALS = 20;

export class LetterDialogs {
  #dialog = byId("letter-dialog");
  #body = byId("letter-dialog-body");
  #done;
  #stop = () => undefined;

  // `done` is called with what was done, in words.
  constructor(done) {
    this.#done = done;
    byId("letter-dialog-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#stop());
  }

  // Says first what would be sent and what would fail again; `wanted` is a selection, `what` it in words.
  async replay(queue, wanted, what) {
    const told = status("Looking at what would become of them");
    const refusals = make("ul", { class: "refusals", "aria-label": "Would fail again" });
    const rate = make("input", { type: "number", name: "rate", min: 0.1, max: 100_000, step: "any", placeholder: "no limit" });
    const force = make("input", { type: "checkbox", name: "force" });
    const forced = make("label", { class: "check", hidden: true }, force, " Send those that would fail again, too");
    const go = make("button", { type: "submit", class: "primary", disabled: true }, "Replay");
    const url = `/v1/dlq/${encodeURIComponent(queue.name)}/replay`;
    let would = null;
    const look = async () => {
      go.disabled = true;
      would = await postJson(url, { ...wanted, dry_run: true, validate: !force.checked });
      setText(told, sentence(would, queue));
      refusals.replaceChildren(...refused(would));
      if (would.refused.length) setHidden(forced, false);
      setText(go, `Replay ${format.count(would.replayed)}`);
      go.disabled = !would.replayed;
    };
    const form = this.#open(
      `Replay ${what}`,
      told,
      refusals,
      forced,
      make("label", { class: "line" }, make("span", {}, "At most so many a second"), rate),
      go,
    );
    force.addEventListener("change", () => look().catch((error) => setText(told, error.message)));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      go.disabled = true;
      const request = { validate: !force.checked, ...(rate.value ? { rate_per_s: Number(rate.value) } : {}) };
      this.#repeat(url, { ...wanted, ...request }, would.replayed + would.refused.length, told, "replayed");
    });
    await look().catch((error) => setText(told, error.message));
  }

  async purge(queue, wanted, what) {
    const told = status("Counting them");
    const path = `/v1/dlq/${encodeURIComponent(queue.name)}`;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(wanted)) for (const each of [value].flat()) query.append(name, each);
    const save = make("a", { href: `${path}/export?${query}`, download: `${queue.name}.jsonl` }, "Save them in a file first");
    const go = make("button", { type: "submit", class: "dangerous", disabled: true }, "Purge");
    const form = this.#open(`Purge ${what}`, told, make("p", {}, save), go);
    let would = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      go.disabled = true;
      this.#repeat(`${path}/purge`, wanted, would.purged, told, "purged");
    });
    try {
      would = await postJson(`${path}/purge`, { ...wanted, dry_run: true });
      const more = would.purged === MOST_AT_ONCE ? " That is as many as at once; the rest stays." : "";
      setText(told, `${letters(would.purged)} of ${queue.origin} would be gone for good.${more}`);
      setText(go, `Purge ${format.count(would.purged)}`);
      go.disabled = !would.purged;
    } catch (error) {
      setText(told, error.message);
    }
  }

  async edit(queue, letter) {
    const form = this.#open(`Edit ${letter.message}`);
    await editor(form, queue, letter, (told) => {
      this.#dialog.close();
      this.#done(told);
    });
  }

  // A request takes a while at most: it is repeated until all is done that was said, or the dialog is closed.
  async #repeat(url, wanted, most, told, counted) {
    let [count, going] = [0, true];
    this.#stop = () => (going = false);
    let last = { failed: [], not_found: [] };
    try {
      while (going && count < most) {
        last = await postJson(url, { ...wanted, limit: Math.min(MOST_AT_ONCE, most - count) });
        count += last[counted];
        if (!last[counted] || !last.unread) break;
        setText(told, `${format.count(count)} ${counted} so far; closing this stops it.`);
        if (wanted.rate_per_s) await new Promise((passed) => setTimeout(passed, 1000 / wanted.rate_per_s));
      }
      const verb = counted === "replayed" ? "Replayed" : "Purged";
      const failed = last.failed?.length ? `, ${last.failed.length} could not be sent` : "";
      const stayed = last.refused?.length ? `, ${last.refused.length} stayed` : "";
      this.#finish(`${verb} ${format.count(count)}${failed}${stayed}.`);
    } catch (error) {
      this.#finish(`${count ? `${format.count(count)} ${counted}, then: ` : `Not ${counted}: `}${error.message}`);
    }
  }

  #finish(told) {
    this.#stop = () => undefined;
    if (this.#dialog.open) this.#dialog.close();
    this.#done(told);
  }

  #open(title, ...content) {
    setText(byId("letter-dialog-title"), title);
    const form = make("form", { novalidate: true }, ...content);
    this.#body.replaceChildren(form);
    this.#dialog.showModal();
    return form;
  }
}

function status(text) {
  return make("p", { role: "status", "aria-live": "polite" }, text);
}

function sentence(would, queue) {
  const parts = [`${letters(would.replayed)} would go back to ${queue.origin}.`];
  if (would.refused.length) parts.push(`${letters(would.refused.length)} would fail again and stay.`);
  if (would.not_found.length) parts.push(`${letters(would.not_found.length)} gone already.`);
  if (would.unread) parts.push(`${letters(would.unread)} behind these stay.`);
  return parts.join(" ");
}

function letters(count) {
  return count === 1 ? "One dead letter" : `${format.count(count)} dead letters`;
}

function refused(would) {
  const rows = would.refused.slice(0, SHOWN_REFUSALS).map((each) =>
    make("li", {}, make("span", { class: "id muted" }, each.message_id ?? "without an id"), " ", each.error),
  );
  const more = would.refused.length - SHOWN_REFUSALS;
  return more > 0 ? [...rows, make("li", { class: "muted" }, `and ${format.count(more)} more`)] : rows;
}
