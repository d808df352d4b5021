// The tracklists of a recording, and the sheets that are made from them.

import { make, setHidden } from "./dom.js";
import * as format from "./format.js";

const FORMATS = [
  ["standard", "CUE, standard"],
  ["cdj", "CUE for CDJ"],
  ["traktor", "CUE for Traktor"],
  ["serato", "CUE for Serato"],
  ["rekordbox", "CUE for rekordbox"],
  ["kodi", "CUE for Kodi"],
  ["traktor_nml", "Traktor NML"],
  ["rekordbox_xml", "rekordbox XML"],
];
const FORMAT_NAMES = Object.fromEntries(FORMATS);
const SOURCES = {
  embedded: "from the file's own sheet",
  chapters: "from the file's chapters",
  sidecar: "from the sheet beside it",
  audio: "heard in the audio",
  manual: "written by hand",
};

export class Sheets {
  #actions;
  #drawn = "";

  constructor(actions) {
    this.#actions = actions;
    this.node = make("section", { class: "sheets", hidden: true });
  }

  // Draws only what has changed, so that a choice being made is not lost.
  draw(recording) {
    const { tracklists, cue_files: files } = recording;
    const now = JSON.stringify([recording.recording_id, tracklists, files]);
    setHidden(this.node, tracklists.length + files.length === 0);
    if (now === this.#drawn) return;
    this.#drawn = now;
    this.node.replaceChildren(
      make("h3", {}, "Tracklists and sheets"),
      make("ul", { class: "tracklists" }, ...tracklists.map((each) => this.#tracklist(each))),
      files.length ? make("ul", { class: "files" }, ...files.map(file)) : "",
    );
  }

  #tracklist(tracklist) {
    const count = `${format.count(tracklist.track_count)} ${tracklist.track_count === 1 ? "track" : "tracks"}`;
    const about = [count, SOURCES[tracklist.source] ?? tracklist.source, `${format.percent(tracklist.confidence ?? 0)} sure`];
    const choice = make("select", { name: "format" }, ...FORMATS.map(([value, text]) => make("option", { value }, text)));
    const form = make(
      "form",
      { class: "make-sheet" },
      make("label", {}, make("span", {}, "Format"), choice),
      make("button", { type: "submit" }, "Make sheet"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const url = `/v1/tracklists/${encodeURIComponent(tracklist.tracklist_id)}/cue`;
      this.#actions.follow("POST", url, { format: choice.value }, "Writing the sheet", "Sheet written.");
    });
    return make("li", {}, make("p", {}, make("strong", {}, tracklist.title ?? "Tracklist"), " ", make("span", { class: "muted" }, about.join(" · "))), form);
  }
}

function file(each) {
  const name = FORMAT_NAMES[each.format] ?? each.format;
  const made = format.time(Date.parse(each.created_at) / 1000);
  return make(
    "li",
    {},
    make("span", {}, name, " ", make("span", { class: "muted" }, `${format.size(each.file_size)} · ${made}`)),
    make("a", { href: each.content_url, download: true, "aria-label": `Download ${name}` }, "Download"),
  );
}
