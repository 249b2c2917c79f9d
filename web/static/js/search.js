// The search page: what is asked, shown and opened stands in the address, so that back, reload and sharing work.

import { address, keyOf, readAddress } from "./address.js";
import { ask, askWithPicture, streamSearch } from "./client.js";
import { whenBack } from "./again.js";
import { ahead, later, ROOT, styled } from "./dom.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { wordsOf } from "./query.js";
import { note, say, tell, tellProblem } from "./telling.js";

const find = (id) => document.getElementById(id);
const list = find("grid");
const more = find("more");
const everyPicture = list.dataset.every; // the query that lists the library
const limit = Number(list.dataset.limit);
const answers = new Map(); // search -> what is shown of it, so that going back is at once
let state = readAddress();
let shown = { answer: null, next: null, search: null };
let stop = () => {};
const cameFrom = { here: false }; // whether the lightbox has put an entry into the history

/** Go to another state, as a new entry of the history or in place of this one. */
function go(change, { replace = false } = {}) {
  const next = { ...state, ...change };
  if (address(next) !== address(state)) history[replace ? "replaceState" : "pushState"](null, "", address(next));
  settle(next);
}

/** Enter always asks: the library may have changed, or the server is back. */
function askAnew() {
  answers.delete(keyOf(state));
  search();
}

/** Make the page show a state. */
function settle(next) {
  const searched = keyOf(next) !== keyOf(state);
  if (searched && answers.has(keyOf(state))) answers.get(keyOf(state)).scroll = scrollY;
  state = next;
  if (searched) {
    lightbox?.close();
    search();
  }
  if (state.picture) openPicture(state.picture);
  else lightbox?.close();
}

function search() {
  stop();
  callOff();
  stop = callOff = () => {};
  field.value = state.q;
  filters.show(state.q);
  showUpload();
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
  around.news?.begin();
  list.classList.add("waiting");
  say("Looking …", true);
  if (state.upload) searchWithPicture(key);
  else if (state.sort !== "best") stop = sortedSearch(key);
  else stop = streamSearch(query(), { first: (answer) => draw(answer, { first: true }), last: (answer) => finish(key, answer), failed });
}

const query = () => ({ q: state.q || everyPicture, limit, ...(state.all ? { all: 1 } : {}), ...(state.sort === "best" || state.upload ? {} : { sort: state.sort }) });

/** In another order than best first there is nothing to see before all is known. */
function sortedSearch(key) {
  const waiting = new AbortController();
  ask("/search", { query: query(), signal: waiting.signal }).then((answer) => finish(key, answer), (problem) => problem.name === "AbortError" || failed(problem));
  return () => waiting.abort();
}

async function searchWithPicture(key) {
  const waiting = new AbortController();
  stop = () => waiting.abort();
  try {
    const picture = await uploaded();
    if (waiting.signal.aborted) return;
    if (!picture) {
      return failed({ status: 404, message: "This search was for a picture that is not kept in this browser.", hint: "Drop the picture here once more." });
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
  later(() => import("./motion.js").then(({ enliven }) => enliven(grid.hits, grid.tiles), () => {}));
  if (answers.size > 20) answers.delete(answers.keys().next().value);
}

/** Show an answer; `first` is the one by vectors alone, which the next one will put in order. */
function draw(answer, { first = false, moving = false } = {}) {
  const fresh = shown.answer === null;
  const hits = answer.hits.length ? answer.hits : answer.closest;
  shown.answer = answer;
  list.classList.toggle("unread", first && answer.judged === true && !state.all);
  grid.show(hits, { more: Boolean(answer.next_cursor) && !first, moving, dated: byDate() });
  if (fresh && !moving) scrollTo(0, 0);
  onward(first ? null : answer.next_cursor);
  tell(answer, state, { first, go: turn });
  lightbox?.refresh();
}

let around = { news: null, recent: null }; // comes when the pictures are there
let callOff = () => {}; // the retry that waits for the server

/** Tell of a search that failed, and ask again when it may go better. What the first look found stays. */
function failed(problem) {
  const kept = shown.answer !== null;
  if (!kept) grid.show([], {});
  list.classList.remove("unread", "waiting");
  if (!kept) onward(null);
  const waits = !problem.status || problem.status === 503;
  tellProblem(problem, state, { again: waits || problem.status >= 500 ? search : null, waits });
  callOff = whenBack(problem, search);
}

/** What stands below the grid: more pictures, or where the sure ones end. */
function onward(next) {
  shown.next = next;
  more.hidden = !next;
  if (next) {
    const given = new URLSearchParams({ ...(state.q ? { q: state.q } : {}), cursor: next, ...(state.all ? { all: 1 } : {}), ...(state.sort === "best" ? {} : { sort: state.sort }) });
    more.href = `${ROOT}/?${given}`;
  }
  const last = shown.answer?.hits?.at(-1);
  const ended = !next && !state.all && state.sort === "best" && last?.confident === true;
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
    const page = state.upload ? await askWithPicture(await uploaded(), { ...fields, q: state.q }) : await ask("/search", { query: fields });
    if (key !== shown.search) return;
    grid.append(page.hits, Boolean(page.next_cursor));
    keep(key, shown.answer, [...(answers.get(key)?.hits ?? []), ...page.hits], page.next_cursor);
    onward(page.next_cursor);
    tell(shown.answer, state, { go: turn, hits: grid.hits });
    lightbox?.refresh();
  } catch (problem) {
    more.textContent = `${problem.message} Try again`;
    shown.next = null;
    more.dataset.retry = next;
    callOff = whenBack(problem, () => key === shown.search && more.click());
  } finally {
    loading = false;
  }
  if (key === shown.search && shown.next && more.getBoundingClientRect().top < innerHeight + 1400) loadMore();
}

/** Open the lightbox on a picture. */
async function openPicture(id) {
  try {
    await (await withLightbox()).open(id);
  } catch (problem) {
    if (state.picture !== id) return;
    go({ picture: null }, { replace: true });
    const why = problem instanceof TypeError ? "The server does not answer." : problem.message; // a module did not come
    note([problem.status === 404 ? "That picture is not in the library any more." : `The picture cannot be shown: ${why}`]);
  }
}

async function showUpload() {
  const place = find("uploaded");
  place.hidden = !state.upload;
  const picture = state.upload && (await uploaded());
  if (picture) (await import("./upload.js")).drawSmall(picture, place.querySelector("canvas"));
}

/** The picture that is searched with, as this browser keeps it. */
const uploaded = async () => (await import("./upload.js")).keptPicture(state.upload);

const field = find("q");
const grid = new Grid(list, {
  linked: (hit) => `${ROOT}/pictures/${hit.image_id}${state.q ? `?${new URLSearchParams({ q: state.q })}` : ""}`,
  opened: (hit) => {
    cameFrom.here = true;
    go({ picture: hit.image_id });
  },
});
let lightbox = null; // its modules come when the pictures are there, or with the first one that is opened
let opening = null;

function withLightbox() {
  opening ??= import("./search_open.js").then(({ openedPictures }) => openedPictures(page)).then((made) => (lightbox = made));
  opening.catch(() => (opening = null)); // the server was away: the next one tries again
  return opening;
}

/** Ask something else; other words have their own order. */
function turn(q) {
  go({ q, all: false, sort: wordsOf(q) === wordsOf(state.q) ? state.sort : "best", picture: null });
}
const byDate = () => state.sort === "newest" || state.sort === "oldest";
find("sort").addEventListener("change", (event) => go({ sort: event.target.value, picture: null }));

const filters = new Filters(find("facets"), turn);

find("seek").addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = field.value.trim();
  const next = { ...state, q: asked, all: false, sort: wordsOf(asked) === wordsOf(state.q) ? state.sort : "best", picture: null };
  around.recent?.note(asked);
  if (keyOf(next) === keyOf(state)) askAnew();
  go(next);
  if (matchMedia("(hover: none)").matches) field.blur(); // a phone's keyboard hides the answer
});
find("choose").addEventListener("click", () => find("file").click());
find("uploaded").querySelector("button").addEventListener("click", () => go({ upload: null, picture: null }));
find("unfilter").addEventListener("click", (event) => {
  event.preventDefault();
  turn(wordsOf(state.q));
});
more.addEventListener("click", (event) => {
  event.preventDefault();
  shown.next ??= more.dataset.retry ?? null;
  more.textContent = "More pictures";
  loadMore();
});
new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && loadMore(), { rootMargin: "1400px" }).observe(more);
addEventListener("popstate", () => {
  cameFrom.here = false;
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
  go({ q: given.get("q") ?? "", all: given.get("all") === "1", sort: "best", upload: link.id === "rest-link" ? state.upload : null, picture: null });
});

/** What modules that come later ask of this one. */
const page = {
  list, grid, everyPicture, query, loadMore, keep, search, askAnew, turn, go, failed, cameFrom,
  state: () => state, shown: () => shown, forget: () => answers.clear(), quit: () => lightbox?.close(),
  retell: () => (tell(shown.answer, state, { go: turn, hits: grid.hits }), lightbox?.refresh()),
};

/** Once the pictures are there: what the first one that is opened needs comes as somebody reaches for the grid. */
const soon = () => later(() => {
  for (const kind of ["pointerover", "focusin", "touchstart"]) list.addEventListener(kind, () => withLightbox().catch(() => {}), { once: true, passive: true });
  ahead("around", "actions", "keep", "motion", "news", "recent", "select", "upload");
  styled("keep+news+recent+select").catch(() => {});
  import("./around.js").then(({ surround }) => (around = surround(page)), () => {});
});

/** Begin with what the server drew, if that is the whole answer. */
function begin() {
  grid.adopt(Boolean(list.dataset.next));
  filters.show(state.q);
  if (state.upload || list.dataset.complete !== "1") search();
  else {
    const told = JSON.parse(list.dataset.answer); // null where the query could not be read, which the page says
    if (told) {
      const closest = list.dataset.closest === "1";
      const answer = { ...told, hits: closest ? [] : grid.hits, closest: closest ? grid.hits : [] };
      keep(keyOf(state), answer, answer.hits, answer.next_cursor);
      onward(answer.next_cursor);
      tell(answer, state, { go: turn });
      grid.dated = byDate();
    }
  }
  soon();
  if (state.picture) openPicture(state.picture);
}
begin();
