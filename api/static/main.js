// The dashboard: the list over HTTP, brought up to date by the WebSocket, and polled while that is away.

import { LiveClient } from "/client.js";
import { Details } from "./details.js";
import { atMostEvery, byId, oncePerFrame, setAttribute, setHidden, setText } from "./dom.js";
import * as format from "./format.js";
import { Jobs } from "./jobs.js";
import { Letters } from "./letters.js";
import { RecordingList } from "./recordings.js";
import { Store, fetchJson } from "./store.js";
import { Topology } from "./topology.js";

const REFRESH_MS = 1000;
const POLL_MS = 3000;
const LETTERS_MS = 3000;
const TOPOLOGY_MS = 2000;
const IDLE_MS = 15_000;
const TYPING_MS = 200;
const SPREAD_MS = 2000;

const store = new Store();
const jobs = new Jobs();
const details = new Details(jobs);
const letters = new Letters();
const topology = new Topology();
const list = new RecordingList(store, (id) => details.open(id));
const scheme = location.protocol === "https:" ? "wss:" : "ws:";
const live = new LiveClient(`${scheme}//${location.host}/v1/ws`);

const refresh = atMostEvery(REFRESH_MS, () => store.load());
const refreshLetters = atMostEvery(LETTERS_MS, () => letters.load().catch(() => undefined));

function refreshTopology() {
  if (!document.hidden && !byId("topology").hidden) topology.load().catch(() => undefined);
}

function showConnection(state) {
  const texts = {
    connecting: "Connecting",
    open: "Live",
    waiting: "Reconnecting",
    replaced: "Opened elsewhere",
    refused: "Refused",
  };
  const node = byId("connection");
  const shown = state === "connecting" && node.dataset.state === "waiting" ? "waiting" : state;
  setAttribute(node, "data-state", shown);
  setText(node, texts[shown]);
}

live.addEventListener("state", ({ detail }) => showConnection(detail.state));

live.addEventListener("message", ({ detail: message }) => {
  if (message.recording_id && message.data) {
    if (message.job_id) {
      jobs.apply(message);
      if (message.data.status === "completed") refresh();
    } else if (store.apply(message)) refresh();
    if (message.data.type === "error") {
      letters.outdated();
      refreshLetters();
    }
    details.notice(message.recording_id);
  } else if (message.code === "degraded") {
    tell(message.message);
  } else if (message.type === "notice") {
    // All pages are told at once: they come at different times.
    setTimeout(refresh, Math.random() * SPREAD_MS);
    setTimeout(refreshLetters, Math.random() * SPREAD_MS);
  } else if (message.type === "subscribed") {
    // Events are followed from here on: what happened before is in the list.
    store.forget();
    refresh();
    refreshLetters();
  }
});

store.addEventListener(
  "page",
  oncePerFrame(() => {
    setHidden(byId("banner"), true);
    for (const status of ["queued", "analyzing", "completed", "failed"]) {
      const number = byId(`count-${status}`);
      setText(number, format.count(store.counts[status] ?? 0));
      number.classList.toggle("zero", !store.counts[status]);
    }
    setText(byId("throughput"), format.count(store.finishedLastMinute));
    const all = Object.values(store.counts).reduce((sum, value) => sum + value, 0);
    setText(byId("total"), format.count(all));
  }),
);

store.addEventListener("unreachable", ({ detail: error }) => {
  tell(error instanceof TypeError ? "The service does not answer; trying again." : error.message);
});

function tell(text) {
  setText(byId("banner"), text);
  setHidden(byId("banner"), false);
}

function look(changes) {
  Object.assign(store.query, { offset: 0 }, changes);
  byId("status").value = store.query.status;
  for (const card of document.querySelectorAll("button.card")) {
    setAttribute(card, "aria-pressed", String(card.dataset.status === store.query.status));
  }
  store.load();
}

let typing = 0;
byId("search").addEventListener("input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => look({ q: event.target.value.trim() }), TYPING_MS);
});
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("status").addEventListener("change", (event) => look({ status: event.target.value }));
byId("sort").addEventListener("change", (event) => look({ sort: event.target.value }));
for (const card of document.querySelectorAll("button.card")) {
  card.addEventListener("click", () => {
    showTab(tabs[0]);
    look({ status: store.query.status === card.dataset.status ? "" : card.dataset.status });
  });
}

const tabs = [...document.querySelectorAll("[role=tab]")];
function showTab(chosen) {
  for (const tab of tabs) {
    setAttribute(tab, "aria-selected", String(tab === chosen));
    tab.tabIndex = tab === chosen ? 0 : -1;
    setHidden(byId(tab.getAttribute("aria-controls")), tab !== chosen);
  }
  if (chosen === tabs[1]) refreshLetters();
  if (chosen === tabs[2]) refreshTopology();
}
for (const tab of tabs) {
  tab.addEventListener("click", () => showTab(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    showTab(next);
    next.focus();
  });
}

setInterval(refreshTopology, TOPOLOGY_MS);
byId("topology-table").addEventListener("toggle", ({ target }) => {
  if (target.open) topology.loadTable().catch(() => undefined);
});
const whole = byId("whole-picture");
const showWhole = () => byId("picture").classList.toggle("whole", whole.checked);
whole.addEventListener("change", showWhole);
// On a small screen the whole of it could not be read.
whole.checked = matchMedia("(min-width: 60rem)").matches;
showWhole();
// A queue with dead letters leads to them.
byId("picture").addEventListener("click", ({ target }) => {
  if (target.closest(".buried")) showTab(tabs[1]);
});

// While the socket is away the list is polled; while it is there, now and then, so that the last minute's count falls.
let idle = 0;
setInterval(() => {
  idle += POLL_MS;
  if (document.hidden || (live.isOpen && idle < IDLE_MS)) return;
  idle = 0;
  refresh();
  refreshLetters();
}, POLL_MS);

fetchJson("/v1/info")
  .then((info) => {
    list.roots = info.roots;
    setHidden(byId("sign-out"), !info.subject);
    setText(byId("engine"), info.engine === "embedded" ? "embedded engines" : info.engine);
  })
  .catch(() => undefined);
refresh();
refreshLetters();
live.subscribe("*");
live.start();
