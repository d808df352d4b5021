// What was asked of the service, followed by the socket's messages, and by polling while those are away.

import { fetchJson } from "./store.js";

const POLL_MS = 2000;
const POLLS_OF_UNKNOWN = 5;
const ENDED = new Set(["completed", "failed", "cancelled"]);

export class Jobs {
  #followed = new Map();

  // Sends a request. `tell` is called with each state of its job; where there is none, nothing is followed.
  // Throws with the service's reason where it is refused.
  async ask(method, url, body, tell = null) {
    const accepted = await fetchJson(url, {
      method,
      headers: { Accept: "application/json", "Content-Type": "application/json" },
      body: body === null ? undefined : JSON.stringify(body),
    });
    if (tell) this.#follow(accepted.job_id, tell);
    return accepted;
  }

  // Takes in a message of the socket.
  apply(message) {
    const { data } = message;
    this.#tell(message.job_id, {
      status: data.status ?? "completed",
      progress: data.type === "progress" ? data.progress : null,
      message: data.message ?? null,
      results: data.results ?? null,
      error: data.type === "error" ? { message: data.error, error_code: data.details?.error_code ?? null } : null,
    });
  }

  #follow(jobId, tell) {
    this.#followed.set(jobId, tell);
    let unknown = 0;
    const poll = async () => {
      if (!this.#followed.has(jobId)) return;
      try {
        this.#tell(jobId, await fetchJson(`/v1/jobs/${encodeURIComponent(jobId)}`));
      } catch {
        // Not there yet, or the service is away: asked again, but not for ever.
        unknown += 1;
      }
      if (unknown >= POLLS_OF_UNKNOWN) this.#followed.delete(jobId);
      else setTimeout(poll, POLL_MS);
    };
    setTimeout(poll, POLL_MS);
  }

  #tell(jobId, state) {
    const tell = this.#followed.get(jobId);
    if (!tell) return;
    if (ENDED.has(state.status)) this.#followed.delete(jobId);
    tell(state);
  }
}

// One line about a job, for people.
export function summary(state, doing, done) {
  if (state.status === "completed") return done;
  if (state.status === "cancelled") return "Cancelled.";
  if (state.status === "failed") {
    const code = state.error?.error_code ? ` (${state.error.error_code})` : "";
    return `Failed: ${state.error?.message ?? "no reason given"}${code}.`;
  }
  const percent = state.progress ? ` ${Math.round(state.progress * 100)}\u00a0%` : "";
  return `${doing}…${percent}`;
}
