// The dashboard: the list over HTTP, brought up to date by the WebSocket, and polled while that is away.

import { LiveClient } from "/client.js";
import { Alerts } from "./alerts.js";
import { Details } from "./details.js";
import { atMostEvery, byId, oncePerFrame, setAttribute, setHidden, setText } from "./dom.js";
import * as format from "./format.js";
import { Jobs } from "./jobs.js";
import { Letters } from "./letters.js";
import { Queues } from "./queues.js";
import { RecordingList } from "./recordings.js";
import { Route } from "./route.js";
import { Store, fetchJson } from "./store.js";
import { Topology } from "./topology.js";
import { Workers } from "./workers.js";

const REFRESH_MS = 1000;
const POLL_MS = 3000;
const LETTERS_MS = 3000;
const TOPOLOGY_MS = 2000;
const IDLE_MS = 15_000;
const OVERVIEW_MS = 5000;
const TYPING_MS = 200;
const SPREAD_MS = 2000;

const store = new Store();
const jobs = new Jobs();
const details = new Details(jobs);
const letters = new Letters();
const topology = new Topology();
const queues = new Queues();
const workers = new Workers();
const alerts = new Alerts();
const route = new Route(showPlace);
const list = new RecordingList(store, (id) => route.go("recordings", id, filtered()));
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

// What of the list's query is in the address.
function filtered() {
  return { status: store.query.status, q: store.query.q };
}

function look(changes) {
  Object.assign(store.query, { offset: 0 }, changes);
  route.note("recordings", "", filtered());
  showQuery();
  store.load();
}

function showQuery() {
  byId("status").value = store.query.status;
  for (const card of document.querySelectorAll("button.card")) {
    setAttribute(card, "aria-pressed", String(card.dataset.status === store.query.status));
  }
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
    showTab("recordings");
    look({ status: store.query.status === card.dataset.status ? "" : card.dataset.status });
  });
}

const TABS = {
  recordings: "tab-recordings",
  "dead-letters": "tab-failures",
  topology: "tab-topology",
  queues: "tab-queues",
  workers: "tab-workers",
};
const REFRESHED = { "dead-letters": refreshLetters, topology: refreshTopology, queues: refreshOverview, workers: refreshOverview };
const tabs = Object.values(TABS).map(byId);

function showTab(view) {
  const chosen = byId(TABS[view]);
  for (const tab of tabs) {
    setAttribute(tab, "aria-selected", String(tab === chosen));
    tab.tabIndex = tab === chosen ? 0 : -1;
    setHidden(byId(tab.getAttribute("aria-controls")), tab !== chosen);
  }
  REFRESHED[view]?.();
}

// What an address means; one that means nothing is the list.
function showPlace(place) {
  const { view, name, query } = place.view in TABS ? place : { view: "recordings", name: "", query: {} };
  showTab(view);
  if (view === "recordings") {
    const { status = "", q = "" } = query;
    if (status !== store.query.status || q !== store.query.q) {
      Object.assign(store.query, { offset: 0, status, q });
      byId("search").value = q;
      showQuery();
      store.load();
    }
  }
  if (view === "recordings" && name) details.open(name);
  else details.close();
  if (view === "queues") queues.show(name);
  if (view === "dead-letters" && name) letters.choose(name);
}

for (const [view, id] of Object.entries(TABS)) {
  const tab = byId(id);
  const go = (to) => route.go(to, "", to === "recordings" ? filtered() : {});
  tab.addEventListener("click", () => go(view));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    go(Object.keys(TABS)[tabs.indexOf(next)]);
    next.focus();
  });
}
details.addEventListener("closed", () => route.note("recordings", "", filtered()));

function refreshOverview() {
  if (document.hidden) return;
  alerts.load().catch(() => undefined);
  if (!byId("queues").hidden) queues.load().catch(() => undefined);
  if (!byId("workers").hidden) workers.load().catch(() => undefined);
}
setInterval(refreshOverview, OVERVIEW_MS);

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
  if (target.closest(".buried")) route.go("dead-letters");
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
route.start();
refresh();
refreshLetters();
refreshOverview();
live.subscribe("*");
live.start();
