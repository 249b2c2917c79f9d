// The pictures by date. A window moves over the layout (months.js): only what is near the eye is in the page, and the page is never
// taller than TALL, since browsers round positions past 16 million pixels and stop at 33 million.

import { ask, srcset } from "./client.js";
import { count, day, el, later, ROOT, several } from "./dom.js";
import { altOf } from "./grid.js";
import { monthName, Months } from "./months.js";
import { Scrubber } from "./scrubber.js";
import { OpenedByDate } from "./timeline_open.js";

const TALL = 4_000_000; // px
const NEAR = 900; // px above and below what is seen
const STRETCH = 100; // pictures that are asked for at a time
const PAUSE = 90; // ms of rest before pictures are asked for: a scrubber flies over thousands

const find = (id) => document.getElementById(id);
const place = find("timeline");
const q = place.dataset.q;
let sort = new URLSearchParams(location.search).get("sort") === "oldest" ? "oldest" : "newest";
let months = new Months(JSON.parse(place.dataset.months));
let base = 0; // the height of the layout at which the page's own begins
let stretches = new Map(); // number -> hits, or a promise of them
let tiles = new Map(); // number of the picture -> its tile
let headings = new Map();
const numbers = new Map(); // id -> number
let resting = 0;

const bar = document.querySelector(".bar");
const top = () => place.offsetTop - bar.offsetHeight; // where the window stands when the layout's beginning is below the bar
const room = () => innerHeight - bar.offsetHeight;
const most = () => Math.max(0, months.height - room() + 80); // css/timeline.css leaves 80 px below
const seen = () => base + scrollY - top();

function lay() {
  months.fit(place.clientWidth, innerWidth <= 600);
  place.style.setProperty("--cell", `${months.cell}px`);
  place.style.height = `${Math.min(months.height, TALL)}px`;
  place.replaceChildren();
  tiles = new Map();
  headings = new Map();
  scrubber.show(months);
}

/** Bring a height of the layout to the top of the window. */
function jump(y) {
  const wanted = Math.min(most(), Math.max(0, y));
  shift(Math.min(Math.max(0, months.height - TALL), Math.max(0, wanted - TALL / 2)));
  scrollTo(0, wanted ? wanted - base + top() : 0);
  draw();
}

function shift(to) {
  if (to === base) return;
  base = to;
  place.replaceChildren();
  tiles = new Map();
  headings = new Map();
}

/** Near an end of the page, but not of the layout: the page is put elsewhere under the eye. */
function recentre() {
  const y = seen();
  const local = y - base;
  if (months.height <= TALL || (local > TALL * 0.1 && local < TALL * 0.9)) return;
  const to = Math.min(months.height - TALL, Math.max(0, y - TALL / 2));
  if (Math.abs(to - base) < TALL * 0.1) return;
  shift(Math.round(to));
  scrollTo(0, y - base + top());
}

function draw() {
  recentre();
  const y = seen();
  const wanted = new Set();
  const named = new Set();
  for (const { month, from, to } of months.between(y - NEAR, y + room() + NEAR)) {
    named.add(month);
    if (!headings.has(month)) headings.set(month, place.appendChild(headingOf(month)));
    for (let index = from; index < to; index += 1) wanted.add(index);
  }
  prune(headings, named);
  prune(tiles, wanted);
  for (const index of wanted) if (!tiles.has(index)) tiles.set(index, place.appendChild(tileOf(index)));
  scrubber.follow(Math.max(0, y), most());
  clearTimeout(resting);
  resting = setTimeout(load, stretches.size ? PAUSE : 0);
}

function prune(held, wanted) {
  for (const [key, made] of held) {
    if (wanted.has(key) || made.contains(document.activeElement)) continue;
    made.remove();
    held.delete(key);
  }
}

function headingOf(month) {
  const made = el("h2", {}, monthName(month), el("span", {}, several(month.count, "picture")));
  made.style.top = `${month.top - base}px`;
  return made;
}

function tileOf(index) {
  const made = el("div", { class: "tile", "data-index": index });
  const { x, y } = months.place(index);
  made.style.transform = `translate(${x}px, ${y - base}px)`;
  const hit = hitAt(index);
  if (hit) fill(made, hit);
  return made;
}

/** How long the picture's longer side is when the shorter one fills the square; on a plain screen the small thumbnail does. */
function sizesOf({ width, height }) {
  const longer = Math.min(16 / 9, Math.max(width, height) / Math.max(1, Math.min(width, height)));
  return `${Math.min(320, Math.ceil(months.cell * longer))}px`;
}

function fill(tile, hit) {
  if (tile.dataset.id) return;
  tile.dataset.id = hit.image_id;
  const image = el("img", { src: hit.thumbnail, srcset: srcset(hit), sizes: sizesOf(hit), alt: altOf(hit), decoding: "async" });
  const says = el("span", { class: "says", "aria-hidden": "true" }, el("span", {}, hit.name), el("span", {}, hit.taken_at ? day(hit.taken_at) : ""));
  tile.append(el("a", { href: `${ROOT}/pictures/${hit.image_id}` }, image, says));
  list.changed?.();
}

function hitAt(index) {
  const hits = stretches.get(Math.floor(index / STRETCH));
  return Array.isArray(hits) ? hits[index % STRETCH] : undefined;
}

/** Ask for the pictures of the tiles that have none. */
function load() {
  const asked = new Set();
  for (const [index, tile] of tiles) if (!tile.dataset.id) asked.add(Math.floor(index / STRETCH));
  for (const number of asked) stretch(number).then(fillAll, failed);
}

/** The hits of a stretch; asked for once. */
function stretch(number) {
  if (!stretches.has(number)) {
    const known = stretches;
    const coming = ask("/timeline", { query: { q, sort, start: number * STRETCH, limit: STRETCH } }).then(({ hits }) => {
      known.set(number, hits);
      hits.forEach((hit, at) => known === stretches && numbers.set(hit.image_id, number * STRETCH + at));
      return hits;
    });
    coming.catch(() => known.delete(number));
    stretches.set(number, coming);
  }
  return Promise.resolve(stretches.get(number));
}

function fillAll() {
  find("status").textContent = total();
  for (const [index, tile] of tiles) {
    const hit = tile.dataset.id ? null : hitAt(index);
    if (hit) fill(tile, hit);
  }
}

function failed(problem) {
  find("status").textContent = `${problem.message} ${problem.hint ?? ""}`;
  clearTimeout(resting);
  resting = setTimeout(load, 4000); // the server may be back
}

const total = () => {
  const undated = months.all.find((month) => !month.year)?.count ?? 0;
  return several(months.total, "picture") + (undated && undated < months.total ? `, ${count(undated)} without a date` : "");
};

async function turn(order) {
  const told = await ask("/timeline/months", { query: { q, sort: order } }).catch(failed);
  if (!told) return;
  sort = order;
  for (const button of document.querySelectorAll("[data-sort]")) button.setAttribute("aria-pressed", String(button.dataset.sort === sort));
  months = new Months(told.months.map(({ year, month, count: pictures }) => [year, month, pictures]));
  stretches = new Map();
  numbers.clear();
  base = 0;
  const given = new URLSearchParams({ ...(q ? { q } : {}), ...(sort === "oldest" ? { sort } : {}) }).toString();
  history.replaceState(null, "", `${ROOT}/timeline${given ? `?${given}` : ""}`);
  lay();
  jump(0);
}

/** Take over other months; what is looked at stays, unless it lies in a month that is gone. */
function renew(told) {
  const [held, rest] = [months.all[months.at(seen() + 1)], seen() - (months.all[months.at(seen() + 1)]?.top ?? 0)];
  months = new Months(told.months.map(({ year, month, count: pictures }) => [year, month, pictures]));
  stretches = new Map();
  numbers.clear();
  document.querySelector("main > .nothing")?.remove();
  lay();
  const same = held && seen() > 0 ? months.all.find((one) => one.year === held.year && one.month === held.month) : null;
  jump(same ? same.top + rest : 0);
  find("status").textContent = total();
}

/** Whether months that end above the lower edge of the window are as they were, so that others can come unseen. */
function unseen(told) {
  const near = months.all.filter((month) => month.top < seen() + room() + NEAR);
  return near.length < months.all.length && near.every(({ year, month, count: pictures }, at) => {
    const now = told.months[at];
    return now?.year === year && now.month === month && now.count === pictures;
  });
}

const monthsNow = () => ask("/timeline/months", { query: { q, sort } });

const scrubber = new Scrubber(find("scrubber"), jump);

/** What a selection asks of this page. */
const list = {
  element: place,
  hitOf: (tile) => hitAt(Number(tile.dataset.index)),
  numberOf: (id) => numbers.get(id),
  between: async (one, other) => {
    const [from, to] = [Math.min(one, other), Math.max(one, other)];
    const wanted = [];
    for (let number = Math.floor(from / STRETCH); number <= Math.floor(to / STRETCH); number += 1) wanted.push(stretch(number));
    return (await Promise.all(wanted)).flat().slice(from % STRETCH, (from % STRETCH) + to - from + 1);
  },
  all: (most) => list.between(0, Math.min(months.total, most) - 1),
  total: () => months.total,
  query: () => q,
  at: async (number) => (number < months.total ? (await list.between(number, number))[0] : null),
  shownAt: (number) => focus(number),
  drop: () => list.refresh(),
  refresh: () => monthsNow().then(renew, failed),
};

const opened = new OpenedByDate({ numbers, hitAt, total: () => months.total, load: (index) => stretch(Math.floor(index / STRETCH)), focus: (index) => focus(index) });

function focus(index) {
  if (index === undefined || index === null) return;
  const { y } = months.place(index);
  if (y < seen() || y + months.row > seen() + room()) jump(y - room() / 2);
  tiles.get(index)?.querySelector("a")?.focus({ preventScroll: true });
}

place.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile?.dataset.id || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  opened.show(hitAt(Number(tile.dataset.index)));
});
place.addEventListener("keydown", (event) => {
  const here = event.target.closest(".tile");
  if (!here || event.altKey || event.ctrlKey || event.metaKey) return;
  const index = Number(here.dataset.index);
  const to = {
    ArrowLeft: () => index - 1, ArrowRight: () => index + 1, ArrowUp: () => months.stepped(index, -1), ArrowDown: () => months.stepped(index, 1),
    Home: () => 0, End: () => months.total - 1,
  }[event.key]?.();
  if (to === undefined) return;
  event.preventDefault();
  if (to === null || to < 0 || to >= months.total) return;
  focus(to);
  if (!hitAt(to)) stretch(Math.floor(to / STRETCH)).then(() => (fillAll(), focus(to)), failed);
});
for (const button of document.querySelectorAll("[data-sort]")) {
  button.setAttribute("aria-pressed", String(button.dataset.sort === sort));
  button.addEventListener("click", () => turn(button.dataset.sort));
  button.addEventListener("focus", () => base && jump(0)); // it stands above the first picture: else the page is put elsewhere under it
}
let drawing = 0;
addEventListener("scroll", () => {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(draw);
}, { passive: true });
let width = 0;
new ResizeObserver(() => {
  if (place.clientWidth === width) return;
  const held = width ? months.all[months.at(seen() + 1)] : null;
  width = place.clientWidth;
  lay();
  if (held) jump(held.top);
  else draw();
}).observe(place);
find("status").textContent = total();
opened.settle();
later(() => import("./news.js").then(({ News }) => new News({
  query: () => q,
  fill: async () => {
    const told = await monthsNow();
    const quiet = !months.total || unseen(told);
    if (quiet) renew(told);
    return quiet;
  },
  show: () => monthsNow().then(renew, failed),
}), () => {}));
later(() => Promise.all([import("./select.js"), import("./actions.js")]).then(([{ Selection }, { Actions }]) => new Actions(list, new Selection(list)), () => {}));
