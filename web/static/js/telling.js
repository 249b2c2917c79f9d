// What stands between the field and the grid: what was asked, how the answer came about, and what to do without one.

import { askAlternatives } from "./client.js";
import { count, el, legible, sentence, several } from "./dom.js";
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
  find("title").textContent = legible(title || "Newest pictures");
  document.title = legible(title ? `${title} - imgsearch` : "imgsearch");
}

/** Tell of an answer; `first` is the one by vectors alone. `state` is what was asked, `go` asks something else, `hits` are
 * all that are shown of it by now. */
export function tell(answer, state, { first = false, go, hits = answer.hits }) {
  order(answer, state);
  entitle(state.upload ? "Pictures like yours" : answer.title ?? (state.q && "Search"));
  note(answer.notes);
  nothing.hidden = answer.hits.length > 0 || first;
  if (first) return say(answer.judged && !state.all ? `Reading the ${several(answer.hits.length, "likeliest picture")} …` : "First look. Reading the best again …", true);
  const seconds = answer.took_ms?.total >= 10 ? `${(answer.took_ms.total / 1000).toFixed(2)} s` : "";
  if (answer.hits.length) return say([amount(answer, state, hits), seconds].filter(Boolean).join(" · "));
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
  find("sort").hidden = !document.querySelector(".tile");
  if (again) nothing.querySelector("ul").append(el("li", {}, el("button", { class: "chip", type: "button", id: "again", click: again }, "Try again")));
  say("");
}

/** Sentences about an answer. The page says itself that nothing matches. */
export function note(notes) {
  const told = (notes ?? []).filter((text) => !text.includes("matches with confidence"));
  find("notes").replaceChildren(...told.map((text) => el("li", {}, sentence(text))));
}

const sentences = (notes) => (notes ?? []).map((text) => `${sentence(text)}.`).join(" ");

function advise(heading, text) {
  nothing.querySelector("h2").textContent = heading;
  nothing.querySelector("p").textContent = sentence(text ?? "");
  for (const old of nothing.querySelectorAll("li:not(:has(#unfilter))")) old.remove();
}

/** The nearest searches that find something. */
async function offer(q, go) {
  const { alternatives } = await askAlternatives(q).catch(() => ({ alternatives: [] }));
  if (find("q").value.trim() !== q || nothing.hidden) return; // something else was asked meanwhile
  nothing.querySelector("ul").append(...alternatives.map(({ text, search, count: many }) =>
    el("li", {}, el("button", { class: "chip", type: "button", click: () => go(search) }, text, many === null ? null : el("span", { class: "muted" }, count(many))))));
}

/** How many there are, as far as that is known, and how many of them are sure and shown. */
function amount(answer, state, hits) {
  const { total } = answer;
  const read = answer.reranked && state.sort === "best" ? `${count(answer.reranked)} read closely` : "";
  if (!state.q && !state.upload && state.sort === "best") return "";
  const goes = answer.next_cursor !== null && hits.length !== total;
  const shown = goes ? `${count(hits.length)} shown${total === null ? " so far" : ` of ${count(total)}`}` : several(hits.length, "picture");
  if (answer.judged && state.all) return [`${count(hits.filter((hit) => hit.confident).length)} sure`, shown, read].filter(Boolean).join(", ");
  return [answer.judged || answer.order === "newest" ? (total === null ? shown : several(total, "picture")) : shown, read].filter(Boolean).join(" · ");
}

const BEST = { match: "Best match first", likeness: "Most alike first", newest: "Last added first" };

/** The order, as it is and as it may be. Pictures like one's own have only one. */
function order(answer, state) {
  const select = find("sort");
  select.hidden = Boolean(state.upload) || (!answer.hits.length && state.sort === "best");
  select.options[0].textContent = BEST[answer.order];
  select.value = state.sort;
}
