// What the search page does without until its pictures are there: choosing and acting on pictures, earlier searches, news, dropped
// pictures.

import { Actions } from "./actions.js";
import { keyOf } from "./address.js";
import { API, ask } from "./client.js";
import { el, icon } from "./dom.js";
import { albumOf } from "./keep.js";
import { News } from "./news.js";
import { filtersOf, wordsOf } from "./query.js";
import { Recent } from "./recent.js";
import { Selection } from "./select.js";
import { keepPicture, takePictures, tooLarge } from "./upload.js";

const PAGE = 500; // hits that are asked for at a time where all are wanted
const FILLED = 240; // pictures, up to which new ones are put behind those that are shown
const find = (id) => document.getElementById(id);

/** `page` is search.js's: { list, grid, everyPicture, state(), shown(), query(), retell(), loadMore(), keep(...), forget(), search(),
 * askAnew(), turn(q), go(change), failed(problem), quit() }. Returns { news, recent }. */
export function surround(page) {
  const acted = answerList({ element: page.list, ...page, drop: (ids) => drop(page, ids), refresh: () => (page.forget(), page.search()) });
  new Actions(acted, new Selection(acted));
  takePictures({ input: find("file"), veil: find("drop"), taken: (file) => takePicture(page, file) });
  if (find("file").files.length) takePicture(page, find("file").files[0]); // chosen before somebody listened
  offerZip(page);
  const recent = new Recent(find("seek"), page.turn);
  recent.note(page.state().q);
  const news = new News({
    query: () => (page.state().upload ? "" : page.shown().answer ? page.state().q : null),
    whole: () => !page.state().upload && !wordsOf(page.state().q),
    fill: (count) => fill(page, count),
    show: page.askAnew,
  });
  if (keyOf(page.state()) === keyOf({ q: "" })) news.since = Math.max(0, ...page.grid.hits.map((hit) => hit.image_id));
  return { news, recent };
}

/** Where an album or the favourites are shown, and nothing else: all of it as one file. */
function offerZip({ list, state }) {
  let shown = "";
  const update = async () => {
    const { q, upload } = state();
    if (q === shown) return;
    shown = q;
    find("album-zip")?.remove();
    const [path, title] = (!upload && (await wholeOf(q).catch(() => null))) || [];
    if (!path || q !== shown || find("album-zip")) return;
    find("status").after(el("a", { class: "chip", id: "album-zip", href: `${API}${path}/zip`, title }, "Download", icon("fetch")));
  };
  new MutationObserver(update).observe(list, { childList: true });
  update();
}

/** What a query shows all of: its path and what is said of it; null for any other query. */
async function wholeOf(q) {
  if (/^is:"?favou?rites?"?$/i.test(q.trim())) return (await ask("/albums")).favourites.count ? ["/favourites", "All favourites as one zip"] : null;
  const album = /^album:("[^"]+"|[^\s"]+)$/i.test(q) && (await albumOf(q));
  return album?.count ? [`/albums/${album.id}`, "All pictures of the album as one zip"] : null;
}

/** Pictures have left the answer: hidden, taken out of the album. Other answers may have held them, too. */
function drop({ grid, shown, keep, forget, retell }, ids) {
  forget();
  const { answer, next, search } = shown();
  if (!answer) return;
  const gone = grid.hits.filter((hit) => ids.includes(hit.image_id)).length;
  answer.hits = answer.hits.filter((hit) => !ids.includes(hit.image_id));
  if (answer.total !== null) answer.total = Math.max(0, answer.total - gone);
  grid.drop(ids);
  keep(search, answer, [...grid.hits], next);
  retell();
}

/** Put new pictures behind the others, where the whole library is shown: nothing moves. Whether they are there now. */
async function fill({ grid, state, shown, keep, everyPicture }, count) {
  const key = keyOf(state());
  if (key !== keyOf({ q: "" }) || shown().next || !shown().answer || grid.hits.length + count > FILLED) return false;
  const { hits } = await ask("/search", { query: { q: everyPicture, limit: count } });
  if (key !== shown().search) return false;
  grid.append(hits.reverse(), false);
  find("nothing").hidden = true;
  keep(key, { ...shown().answer, total: null }, [...grid.hits], null);
  return true;
}

async function takePicture({ state, go, failed, quit }, file) {
  const refused = tooLarge(file);
  if (refused) return failed({ status: 413, message: refused, hint: "A smaller copy is enough to search by." });
  const upload = await keepPicture(file);
  quit();
  return go({ upload, q: filtersOf(state().q).filter((term) => !/^(similar|like):/i.test(term)).join(" "), all: false, picture: null });
}

/** An answer as a list that pictures are chosen from, acted on and leafed through: what select.js, actions.js and slides.js ask for. */
function answerList({ element, grid, state, shown, query, loadMore, drop, refresh }) {
  /** Every hit of the answer, not only those that are shown; `most` of them. */
  async function all(most) {
    const hits = [...grid.hits];
    let next = state().upload ? null : shown().next; // a picture would be sent again for each page
    while (next && hits.length < most) {
      const page = await ask("/search", { query: { ...query(), limit: PAGE, cursor: next } });
      hits.push(...page.hits);
      next = page.next_cursor;
    }
    return hits.slice(0, most);
  }
  return {
    element, all, drop, refresh,
    hitOf: (tile) => grid.hits.find((hit) => hit.image_id === Number(tile.dataset.id)),
    numberOf: (id) => grid.hits.findIndex((hit) => hit.image_id === id),
    between: async (one, other) => grid.hits.slice(Math.min(one, other), Math.max(one, other) + 1),
    query: () => state().q,
    total: () => shown().answer?.total ?? grid.hits.length + (shown().next ? 1 : 0),
    /** The hit of a number; more are asked for where it lies behind those that are shown. */
    at: async (number) => {
      for (let before = -1; number >= grid.hits.length && shown().next && before !== grid.hits.length;) {
        before = grid.hits.length;
        await loadMore();
      }
      return grid.hits[number] ?? null;
    },
    shownAt: (number) => grid.focus(grid.hits[number]?.image_id),
  };
}
