// A recording's cover and its waveform.

import { make, setAttribute, setHidden } from "./dom.js";
import * as format from "./format.js";

const ATTEMPTS = 30;
const BARS = 200;

export class Cover {
  constructor() {
    this.node = make("img", { class: "cover", alt: "Cover", width: 64, height: 64, hidden: true });
    this.node.addEventListener("error", () => setHidden(this.node, true));
  }

  draw(recording) {
    const address = recording.links.cover;
    if (address && this.node.getAttribute("src") !== address) setAttribute(this.node, "src", address);
    setHidden(this.node, !address);
  }
}

// Shown in the colour of the text: the picture is a mask over it. It is made when it is first asked for, so it may
// have to be asked for again.
export class Waveform {
  #drawn = "";

  constructor() {
    this.node = make("div", { class: "waveform", role: "img", hidden: true });
  }

  draw(recording) {
    const known = recording.status === "completed" && !recording.file.deleted_at;
    const now = `${recording.recording_id} ${recording.file.xxh128_hash}`;
    if (!known) this.#forget();
    else if (now === this.#drawn) setHidden(this.node, false);
    else this.#load(now, recording);
  }

  #forget() {
    this.#drawn = "";
    setHidden(this.node, true);
  }

  async #load(now, recording) {
    this.#drawn = now;
    const address = `${recording.links.waveform}?columns=${BARS}`;
    setAttribute(this.node, "aria-label", `Waveform, ${format.length(recording.results?.duration_seconds)}`);
    this.node.classList.remove("drawn");
    setHidden(this.node, false);
    for (let attempt = 0; attempt < ATTEMPTS && this.#drawn === now; attempt += 1) {
      const answer = await fetch(address).catch(() => null);
      if (this.#drawn !== now) return;
      if (answer?.status === 200) {
        this.node.style.setProperty("--picture", `url("${address}")`);
        this.node.classList.add("drawn");
        return;
      }
      if (answer?.status !== 202) break;
      const seconds = Number(answer.headers.get("Retry-After")) || 2;
      await new Promise((resume) => setTimeout(resume, seconds * 1000));
    }
    if (this.#drawn === now) setHidden(this.node, true);
  }
}
