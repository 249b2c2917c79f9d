// What stands between the field and the grid: what was asked, how the answer came about, and what to do without one.

import { askAlternatives } from "./client.js";
import { count, el, several } from "./dom.js";
import { filtersOf, wordsOf } from "./query.js";

const find = (id) => document.getElementById(id);
const nothing = find("nothing");

/** A sentence for eyes and screen readers; `busy` while something goes on. */
export function say(text, busy = false) {
  const status = find("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("busy", busy);
}

/** The heading, and the name of the page. */
export function entitle(title) {
  find("title").textContent = title || "Newest pictures";
  document.title = title ? `${title} - imgsearch` : "imgsearch";
}

/** Tell of an answer; `first` is the one by vectors alone. `state` is what was asked, `go` asks something else. */
export function tell(answer, state, { first = false, go }) {
  entitle(state.upload ? "Pictures like yours" : answer.title ?? (state.q && "Search"));
  note(answer.notes);
  nothing.hidden = answer.hits.length > 0 || first;
  if (first) return say(answer.judged && !state.all ? `Reading the ${several(answer.hits.length, "likeliest picture")} …` : "First look. Reading the best again …", true);
  const seconds = answer.took_ms?.total >= 10 ? `${(answer.took_ms.total / 1000).toFixed(2)} s` : "";
  if (answer.hits.length) return say([ordering(answer, state), seconds].filter(Boolean).join(" · "));
  const empty = !answer.closest.length;
  advise(empty ? "No picture found" : "Nothing matches with confidence", empty ? sentences(answer.notes) : "These are the closest pictures. They may show something else.");
  if (empty) note([]);
  find("unfilter").hidden = !filtersOf(state.q).length || !wordsOf(state.q);
  if (empty && filtersOf(state.q).length) offer(state.q, go);
  return say(empty ? "No picture found" : `Nothing matches with confidence; ${several(answer.closest.length, "picture")} come closest`);
}

/** Say what went wrong. `again` asks once more; `waits` if that happens by itself, too. */
export function tellProblem(problem, state, { again = null, waits = false } = {}) {
  note([]);
  entitle(state.upload ? "Pictures like yours" : wordsOf(state.q) || (state.q && "Search"));
  nothing.hidden = false;
  advise(problem.message, waits ? "The search goes on by itself as soon as the server answers." : problem.hint);
  find("unfilter").hidden = true;
  if (again) nothing.querySelector("ul").append(el("li", {}, el("button", { class: "chip", type: "button", id: "again", click: again }, "Try again")));
  say("");
}

/** Sentences about an answer. The page says itself that nothing matches. */
export function note(notes) {
  const told = (notes ?? []).filter((text) => !text.includes("matches with confidence"));
  find("notes").replaceChildren(...told.map((text) => el("li", {}, text)));
}

const sentences = (notes) => (notes ?? []).map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`).join(" ");

function advise(heading, text) {
  nothing.querySelector("h2").textContent = heading;
  nothing.querySelector("p").textContent = text ?? "";
  for (const old of nothing.querySelectorAll("li:not(:has(#unfilter))")) old.remove();
}

/** The nearest searches that find something. */
async function offer(q, go) {
  const { alternatives } = await askAlternatives(q).catch(() => ({ alternatives: [] }));
  if (find("q").value.trim() !== q || nothing.hidden) return; // something else was asked meanwhile
  nothing.querySelector("ul").append(...alternatives.map(({ text, search, count: many }) =>
    el("li", {}, el("button", { class: "chip", type: "button", click: () => go(search) }, text, many === null ? null : el("span", { class: "muted" }, count(many))))));
}

function ordering(answer, state) {
  const total = answer.total ?? (answer.next_cursor ? null : answer.hits.length);
  const known = answer.judged || answer.order === "newest";
  const number = total !== null && (known || !answer.next_cursor) ? several(total, "picture") : "";
  if (state.upload || answer.order === "likeness") return [number, "Most alike first"].filter(Boolean)[0];
  if (!state.q) return "";
  if (answer.order === "newest") return [number, "Newest first"].filter(Boolean).join(" · ");
  const read = answer.reranked ? `${count(answer.reranked)} read closely` : "";
  return [number, "Best match first", read].filter(Boolean).join(" · ");
}
