// Signing in, where the service asks for a token: it is kept in a cookie that scripts can't read.

import { byId, setHidden, setText } from "./dom.js";

const dialog = byId("sign-in");
const problem = byId("sign-in-problem");

// Opens the dialog, once; the page is loaded anew when the token is taken.
export function askForToken() {
  if (!dialog.open) dialog.showModal();
}

byId("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token: byId("token").value.trim() }),
  }).catch(() => null);
  if (answer?.ok) {
    location.reload();
    return;
  }
  const body = await answer?.json().catch(() => null);
  setText(problem, body?.error ?? "The service does not answer; try again.");
  setHidden(problem, false);
});

byId("sign-out").addEventListener("click", async () => {
  await fetch("/v1/session", { method: "DELETE" }).catch(() => null);
  location.reload();
});
