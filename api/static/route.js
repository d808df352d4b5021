// Where on the page one is, as the part of the address after "#/": a view, one thing in it, and a query.

export function parse(hash) {
  if (!hash.startsWith("#/")) return null;
  const [path, search = ""] = hash.slice(2).split("?", 2);
  const [view, ...rest] = path.split("/");
  return { view, name: decoded(rest.join("/")), query: Object.fromEntries(new URLSearchParams(search)) };
}

export function hashOf(view, name = "", query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const search = new URLSearchParams(given).toString();
  return `#/${view}${name && `/${encodeURIComponent(name)}`}${search && `?${search}`}`;
}

// Calls `show` with the place whenever it changes: by a link, by Back, or by `go`.
export class Route {
  #show;

  constructor(show) {
    this.#show = show;
    addEventListener("popstate", () => this.#changed());
  }

  // Shows the place that the page was opened at, if it was at one.
  start() {
    if (parse(location.hash)) this.#changed();
  }

  // To another place, from which Back leads here.
  go(view, name = "", query = {}) {
    const hash = hashOf(view, name, query);
    if (hash !== location.hash) history.pushState(null, "", hash);
    this.#changed();
  }

  // Notes a place that is shown already.
  note(view, name = "", query = {}) {
    const hash = hashOf(view, name, query);
    if (hash !== location.hash) history.replaceState(null, "", hash);
  }

  #changed() {
    this.#show(parse(location.hash) ?? { view: "recordings", name: "", query: {} });
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
