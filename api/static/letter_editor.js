// The body of one dead letter, to be corrected and sent back; what its stage would refuse is told beside it.

import { make, setText } from "./dom.js";
import { fetchJson, postJson } from "./store.js";

// Fills the form; `done` is called with what was done, in words.
export async function editor(form, queue, letter, done) {
  const told = make("p", { id: "letter-problem", role: "status", "aria-live": "polite" }, "Reading it");
  const problems = make("ul", { class: "refusals", id: "letter-problems", "aria-label": "What is wrong" });
  const text = make("textarea", {
    name: "body",
    rows: 14,
    spellcheck: "false",
    autocomplete: "off",
    disabled: true,
    "aria-describedby": "letter-problem letter-problems",
  });
  const check = make("button", { type: "button", disabled: true }, "Check");
  const send = make("button", { type: "submit", class: "primary", disabled: true }, "Send back");
  const fields = make("div", { class: "beside" }, make("label", { class: "line" }, make("span", {}, "Body"), text), make("div", {}, told, problems));
  form.append(fields, make("div", { class: "buttons" }, check, send));
  const url = `/v1/dlq/${encodeURIComponent(queue.name)}`;
  const query = new URLSearchParams({ message_ids: letter.message_id, bodies: "true", limit: "1" });
  let found;
  try {
    [found] = (await fetchJson(`${url}?${query}`)).items;
  } catch (error) {
    setText(told, error.message);
    return;
  }
  if (!found || found.body === undefined) {
    setText(told, found ? "It is not text: the command line can replace all of it." : "It is gone already.");
    return;
  }
  text.value = pretty(found.body);
  text.disabled = check.disabled = send.disabled = false;
  setText(told, `${letter.error_code || "UNKNOWN"}: ${letter.error_message || "no reason given"}`);
  text.focus();

  const attempt = async (dryRun) => {
    check.disabled = send.disabled = true;
    problems.replaceChildren();
    text.removeAttribute("aria-invalid");
    const wanted = { message_id: letter.message_id, body: text.value, expected: found.body_sha256, dry_run: dryRun };
    try {
      const answer = await postJson(`${url}/edit`, wanted);
      if (answer.edited) {
        done(`Sent back: ${answer.fields.join(", ")} changed.`);
        return;
      }
      setText(told, answer.fields.length ? `It would be taken: ${answer.fields.join(", ")} changed.` : "Nothing is changed yet.");
    } catch (error) {
      text.setAttribute("aria-invalid", "true");
      setText(told, error.reasons?.length ? "Its stage would refuse it:" : error.message);
      problems.replaceChildren(...(error.reasons ?? []).map(({ field, problem }) => make("li", {}, make("code", {}, field), " ", problem)));
    }
    check.disabled = send.disabled = false;
  };
  check.addEventListener("click", () => attempt(true));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(false);
  });
}

// Indented, unless it has numbers that JavaScript would change.
function pretty(body) {
  if (/\d{16}|\d[eE]/.test(body)) return body;
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
