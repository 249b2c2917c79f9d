// The search page: what is asked, shown and opened stands in the address, so that back, reload and sharing work.

import { address, keyOf, readAddress } from "./address.js";
import { ask, askWithPicture, streamSearch } from "./client.js";
import { count, ROOT, several } from "./dom.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { filtersOf, wordsOf } from "./query.js";
import { drawSmall, keepPicture, keptPicture, takePictures } from "./upload.js";
import { makeDialog, Viewer } from "./viewer.js";

const find = (id) => document.getElementById(id);
const list = find("grid");
const more = find("more");
const everyPicture = list.dataset.every; // the query that lists the library
const limit = Number(list.dataset.limit);
const answers = new Map(); // search -> what is shown of it, so that going back is at once
let state = readAddress();
let shown = { answer: null, next: null, search: null };
let stop = () => {};
let openedHere = false; // the lightbox has put an entry into the history

/** Go to another state, as a new entry of the history or in place of this one. */
function go(change, { replace = false } = {}) {
  const next = { ...state, ...change };
  if (address(next) !== address(state)) history[replace ? "replaceState" : "pushState"](null, "", address(next));
  settle(next);
}

/** Make the page show a state. */
function settle(next) {
  const searched = keyOf(next) !== keyOf(state);
  if (searched && answers.has(keyOf(state))) answers.get(keyOf(state)).scroll = scrollY;
  state = next;
  if (searched) {
    viewer.close({ quiet: true });
    search();
  }
  if (state.picture) openPicture(state.picture);
  else viewer.close({ quiet: true });
}

function search() {
  stop();
  stop = () => {};
  field.value = state.q;
  filters.show(state.q);
  showUpload();
  document.title = state.q ? `${state.q} - imgsearch` : "imgsearch";
  const key = keyOf(state);
  const known = answers.get(key);
  if (known) {
    draw(known.answer, { moving: false });
    if (known.hits.length > known.answer.hits.length) grid.append(known.hits.slice(known.answer.hits.length), Boolean(known.next));
    keep(key, known.answer, known.hits, known.next);
    requestAnimationFrame(() => scrollTo(0, known.scroll ?? 0));
    return;
  }
  shown = { answer: null, next: null, search: key };
  list.classList.add("waiting");
  say("Looking …", true);
  if (state.upload) searchWithPicture(key);
  else stop = streamSearch(query(), { first: (answer) => draw(answer, { first: true }), last: (answer) => finish(key, answer), failed });
}

const query = () => ({ q: state.q || everyPicture, limit, ...(state.all ? { all: 1 } : {}) });

async function searchWithPicture(key) {
  const waiting = new AbortController();
  stop = () => waiting.abort();
  try {
    const picture = await keptPicture(state.upload);
    if (waiting.signal.aborted) return;
    if (!picture) {
      return report("This search was for a picture that is not kept in this browser.", "Drop the picture here once more.");
    }
    finish(key, await askWithPicture(picture, { q: state.q, limit, all: state.all ? "1" : "" }, waiting.signal));
  } catch (problem) {
    if (problem.name !== "AbortError") failed(problem);
  }
}

function finish(key, answer) {
  draw(answer, { moving: shown.answer !== null });
  keep(key, answer, answer.hits, answer.next_cursor);
}

function keep(key, answer, hits, next) {
  shown = { answer, next, search: key };
  answers.set(key, { answer, hits, next });
  if (answers.size > 20) answers.delete(answers.keys().next().value);
}

/** Show an answer; `first` is the one by vectors alone, which the next one will put in order. */
function draw(answer, { first = false, moving = false } = {}) {
  const fresh = shown.answer === null;
  const hits = answer.hits.length ? answer.hits : answer.closest;
  shown.answer = answer;
  grid.show(hits, { more: Boolean(answer.next_cursor) && !first, moving });
  if (fresh && !moving) scrollTo(0, 0);
  onward(first ? null : answer.next_cursor);
  notes(answer);
  verdict(answer, first);
  viewer.refresh();
}

function verdict(answer, first) {
  const nothing = find("nothing");
  nothing.hidden = answer.hits.length > 0;
  find("title").textContent = state.upload ? "Pictures like yours" : state.q || "Newest pictures";
  if (first) return say("First look. Reading the best again …", true);
  const seconds = answer.took_ms?.total >= 10 ? `${(answer.took_ms.total / 1000).toFixed(2)} s` : "";
  if (answer.hits.length) return say([ordering(answer), seconds].filter(Boolean).join(" · "));
  const empty = !answer.closest.length;
  nothing.querySelector("h2").textContent = empty ? "No picture found" : "Nothing matches with confidence";
  nothing.querySelector("p").textContent = empty ? "" : "These are the closest pictures. They may show something else.";
  find("unfilter").hidden = !filtersOf(state.q).length;
  say(empty ? "No picture found" : `Nothing matches with confidence; ${several(answer.closest.length, "picture")} come closest`);
  return undefined;
}

function ordering(answer) {
  const number = answer.next_cursor ? "" : several(answer.hits.length, "picture");
  if (state.upload || /(^|\s)(similar|like):/i.test(state.q)) return number || "Most alike first";
  if (!wordsOf(state.q)) return number || (state.q ? "Newest first" : "");
  const read = answer.reranked ? `${count(answer.reranked)} read closely` : "";
  return [number, "Best match first", read].filter(Boolean).join(" · ");
}

function notes(answer) {
  const told = answer.notes.filter((note) => !note.includes("matches with confidence")); // the page says so itself
  find("notes").replaceChildren(...told.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
}

function say(text, busy = false) {
  const status = find("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("busy", busy);
}

const failed = (problem) => report(problem.message, problem.hint);

function report(text, hint = "") {
  grid.show([], {});
  onward(null);
  find("notes").replaceChildren();
  const nothing = find("nothing");
  nothing.hidden = false;
  nothing.querySelector("h2").textContent = text;
  nothing.querySelector("p").textContent = hint;
  find("unfilter").hidden = true;
  find("title").textContent = state.q || "Newest pictures";
  say("");
}

/** What stands below the grid: more pictures, or where the sure ones end. */
function onward(next) {
  shown.next = next;
  more.hidden = !next;
  if (next) {
    const given = new URLSearchParams({ ...(state.q ? { q: state.q } : {}), cursor: next, ...(state.all ? { all: 1 } : {}) });
    more.href = `${ROOT}/?${given}`;
  }
  const last = shown.answer?.hits?.at(-1);
  const ended = !next && !state.all && last?.confident === true;
  find("rest").hidden = !ended;
  if (ended) find("rest-link").href = address({ ...state, all: true, picture: null });
}

let loading = false;
async function loadMore() {
  const { next, search: key } = shown;
  if (!next || loading) return;
  loading = true;
  try {
    const fields = { ...query(), cursor: next };
    const page = state.upload ? await askWithPicture(await keptPicture(state.upload), { ...fields, q: state.q }) : await ask("/search", { query: fields });
    if (key !== shown.search) return;
    grid.append(page.hits, Boolean(page.next_cursor));
    keep(key, shown.answer, [...(answers.get(key)?.hits ?? []), ...page.hits], page.next_cursor);
    onward(page.next_cursor);
    viewer.refresh();
  } catch (problem) {
    more.textContent = `${problem.message} Try again`;
    shown.next = null;
    more.dataset.retry = next;
  } finally {
    loading = false;
  }
  if (key === shown.search && shown.next && more.getBoundingClientRect().top < innerHeight + 1400) loadMore();
}

/** Open the lightbox on a picture: of the grid, or by its id alone after a reload. */
async function openPicture(id) {
  const hit = grid.hits.find((one) => one.image_id === id);
  if (hit) return viewer.open(hit);
  try {
    const picture = await ask(`/pictures/${id}`);
    if (state.picture === id) viewer.open(picture);
  } catch {
    go({ picture: null }, { replace: true });
  }
  return undefined;
}

/** The lightbox shows another picture, or has closed. */
function pictureMoved(id, last) {
  if (id) return go({ picture: id }, { replace: true });
  if (openedHere) history.back();
  else go({ picture: null }, { replace: true });
  openedHere = false;
  if (last) grid.focus(last.image_id);
  return undefined;
}

async function takePicture(file) {
  const upload = await keepPicture(file);
  viewer.close({ quiet: true });
  go({ upload, q: filtersOf(state.q).filter((term) => !/^(similar|like):/i.test(term)).join(" "), all: false, picture: null });
}

async function showUpload() {
  const place = find("uploaded");
  place.hidden = !state.upload;
  const picture = state.upload && (await keptPicture(state.upload));
  if (picture) drawSmall(picture, place.querySelector("canvas"));
}

const field = find("q");
const grid = new Grid(list, {
  linked: (hit) => `${ROOT}/pictures/${hit.image_id}${state.q ? `?${new URLSearchParams({ q: state.q })}` : ""}`,
  opened: (hit) => {
    openedHere = true;
    go({ picture: hit.image_id });
  },
});
const viewer = new Viewer(document.body.appendChild(makeDialog()), {
  beside: (id) => {
    const [before, behind] = grid.beside(id);
    if (!behind && shown.next) loadMore();
    return [before, behind];
  },
  query: () => state.q,
  alike: (id) => address({ q: `similar:${id}` }),
  moved: pictureMoved,
});
const filters = new Filters(find("facets"), (q) => go({ q, all: false, picture: null }));

find("seek").addEventListener("submit", (event) => {
  event.preventDefault();
  go({ q: field.value.trim(), all: false, picture: null });
  if (matchMedia("(hover: none)").matches) field.blur(); // a phone's keyboard hides the answer
});
find("choose").addEventListener("click", () => find("file").click());
find("uploaded").querySelector("button").addEventListener("click", () => go({ upload: null, picture: null }));
find("unfilter").addEventListener("click", () => go({ q: wordsOf(state.q), all: false }));
more.addEventListener("click", (event) => {
  event.preventDefault();
  shown.next ??= more.dataset.retry ?? null;
  more.textContent = "More pictures";
  loadMore();
});
takePictures({ input: find("file"), veil: find("drop"), taken: takePicture });
new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && loadMore(), { rootMargin: "1400px" }).observe(more);
addEventListener("popstate", () => {
  openedHere = false;
  settle(readAddress());
});
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, dialog, [popover]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  field.focus();
  field.select();
});
// Links of ours that stay on this page need no new one: similar pictures, the rest of the matches, the brand.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-alike], #rest-link, a.brand");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const given = new URL(link.href).searchParams;
  go({ q: given.get("q") ?? "", all: given.get("all") === "1", upload: link.id === "rest-link" ? state.upload : null, picture: null });
});

/** Begin with what the server drew, if that is the whole answer. */
function begin() {
  grid.adopt(Boolean(list.dataset.next));
  filters.show(state.q);
  if (state.upload || list.dataset.complete !== "1") search();
  else {
    const answer = { hits: grid.hits, closest: [], notes: [], next_cursor: list.dataset.next || null, reranked: Number(list.dataset.reranked), took_ms: {} };
    if (list.dataset.closest === "1") Object.assign(answer, { hits: [], closest: grid.hits });
    keep(keyOf(state), answer, answer.hits, answer.next_cursor);
    onward(answer.next_cursor);
    if (answer.hits.length) say(ordering(answer));
  }
  if (state.picture) openPicture(state.picture);
}
begin();
