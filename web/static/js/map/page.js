// The map of places: asks for what is looked at, and brings drawing, pins, list and tray together.

import { ask } from "../client.js";
import { calm, later, ROOT, several } from "../dom.js";
import { pieces, wordsOf } from "../query.js";
import { Drawing } from "./draw.js";
import { Gestures } from "./gestures.js";
import { readOutlines } from "./outlines.js";
import { Pins, saidOf } from "./pins.js";
import { Tray } from "./tray.js";
import { distance, MOST, View } from "./view.js";

const find = (id) => document.getElementById(id);
const atlas = find("atlas");
const place = find("map");
const q = atlas.dataset.q;
const REST = 140; // ms without a movement before the server is asked
const AROUND = 0.35; // of the window's size, beyond each edge: what is asked for in advance
const TOWNS_FROM = 4.4; // zoom
const SPOT = 0.06; // km: pictures within are opened, not taken apart further
const FLIGHT = 280; // ms

const view = new View();
const drawing = new Drawing(find("canvas"), view);
const pins = new Pins(find("pins"), find("listed"), view, choose);
const tray = new Tray(find("tray"), () => {
  drawing.area = null;
  area(false);
  draw();
});
let measuring = false;
let frame = 0;
let resting = 0;
let waiting = null;
let told = { clusters: [] };

function draw() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    drawing.avoided = pins.put();
    drawing.draw();
    scaleBar();
  });
}

/** The window has moved. */
function moved() {
  draw();
  place.setAttribute("aria-busy", "true");
  clearTimeout(resting);
  resting = setTimeout(load, REST);
}

async function load() {
  remember();
  waiting?.abort();
  const { signal } = (waiting = new AbortController());
  const box = view.box(AROUND).map((value) => value.toFixed(5)).join(",");
  const zoom = Math.max(0, Math.min(18, Math.round(view.zoom)));
  try {
    const towns = Promise.resolve(view.zoom >= TOWNS_FROM ? ask("/places/towns", { query: { box: view.box(0).map((value) => value.toFixed(4)).join(","), limit: 60 }, signal }) : { towns: [] });
    towns.catch(() => {}); // what is wrong is told once, by the other question
    told = await ask("/places", { query: { q, box, zoom }, signal });
    pins.show(told.clusters);
    find("status").textContent = summary(told, pins.tell());
    drawing.towns = (await towns).towns;
    draw();
    place.setAttribute("aria-busy", "false");
  } catch (problem) {
    if (problem.name === "AbortError") return;
    find("status").textContent = `${problem.message} ${problem.hint ?? ""}`;
    resting = setTimeout(load, 4000); // the server may be back
  }
}

function summary({ total, placed, unplaced, best_of: best }, seen) {
  const all = best ? `the best ${several(total, "match").replace(/matchs$/, "matches")}` : several(total, "picture");
  const parts = [unplaced ? `${placed.toLocaleString("en")} of ${all} with a place` : all];
  if (seen < placed) parts.push(`${seen.toLocaleString("en")} in sight`);
  return parts.join(", ");
}

/** A cluster is clicked: it falls apart, or its pictures are shown. */
function choose(one, { open = false } = {}) {
  const { bounds: [south, west, north, east], radius_km: radius } = one;
  const spot = radius <= SPOT || view.zoom >= MOST - 0.01;
  if (open || spot || one.count === 1) {
    drawing.area = null;
    tray.show({ search: one.search, title: saidOf(one), pictures: one.count, focus: open || document.activeElement?.matches(".pin:focus-visible") });
    if (open) fly({ lat: one.latitude, lon: one.longitude, zoom: Math.max(view.zoom, Math.min(7, view.fitted(one.bounds).zoom)) });
    return draw();
  }
  tray.close();
  const to = view.fitted([south, west, north, east], MOST);
  return fly({ ...to, zoom: Math.max(to.zoom, view.zoom + 0.8) });
}

let flying = 0;
function fly(to) {
  cancelAnimationFrame(flying);
  const from = { lat: view.lat, lon: view.lon, zoom: view.zoom };
  const turn = ((((to.lon - from.lon + 180) % 360) + 360) % 360) - 180;
  const begun = performance.now();
  const step = (now) => {
    const share = calm.matches ? 1 : Math.min(1, Math.max(0, (now - begun) / FLIGHT));
    const eased = share * (2 - share);
    Object.assign(view, { lat: from.lat + (to.lat - from.lat) * eased, lon: from.lon + turn * eased, zoom: from.zoom + (to.zoom - from.zoom) * eased });
    view.settle();
    moved();
    if (share < 1) flying = requestAnimationFrame(step);
  };
  step(calm.matches ? begun + FLIGHT : begun);
}

const gestured = {
  pan: (x, y) => {
    cancelAnimationFrame(flying);
    view.pan(x, y);
    moved();
  },
  zoomAt: (zoom, x, y, smoothly) => {
    cancelAnimationFrame(flying);
    if (!smoothly || calm.matches) {
      view.zoomAt(zoom, x, y);
      return moved();
    }
    const now = { lat: view.lat, lon: view.lon, zoom: view.zoom };
    view.zoomAt(zoom, x, y);
    const to = { lat: view.lat, lon: view.lon, zoom: view.zoom };
    Object.assign(view, now);
    return fly(to);
  },
  all: showAll,
  measuring: () => measuring,
  measure: (from, to, done) => measure(view.at(...from), distance(view.at(...from), view.at(...to)), done),
  escape: () => (tray.open ? tray.close() : area(false)),
};

/** Draw a circle, and show what lies in it once it is `done`. */
function measure(middle, kilometres, done) {
  drawing.area = { middle, kilometres: Math.min(20000, Math.max(0.05, kilometres)) };
  draw();
  if (!done) return;
  const { kilometres: radius } = drawing.area;
  const written = radius < 10 ? radius.toFixed(2) : radius.toFixed(radius < 100 ? 1 : 0);
  const kept = pieces(q).filter(({ text }) => !/^near:/i.test(text)).map(({ text }) => text);
  const near = `near:${middle[0].toFixed(5)},${middle[1].toFixed(5)},${Number(written)}`;
  tray.show({ search: [...kept, near].join(" "), title: `Within ${Number(written).toLocaleString("en")} km`, named: true });
}

function area(on) {
  measuring = on;
  document.querySelector("[data-act=area]").setAttribute("aria-pressed", String(on));
  place.classList.toggle("measuring", on);
}

function act(name) {
  const middle = [view.width / 2, view.height / 2];
  if (name === "in" || name === "out") return gestured.zoomAt(view.zoom + (name === "in" ? 1 : -1), ...middle, true);
  if (name === "all") return showAll();
  if (measuring) return tray.open ? tray.close() : area(false);
  area(true); // a circle to begin with, above the tray
  const [x, y] = [middle[0], Math.max(view.height * 0.3, middle[1] - 95)];
  return measure(view.at(x, y), distance(view.at(x, y), view.at(x, y - Math.min(x, y) * 0.6)), true);
}

/** The window that holds every place. */
async function showAll({ smoothly = true } = {}) {
  const { clusters } = await ask("/places", { query: { q, zoom: 2 } });
  const box = around(clusters);
  const to = clusters.length && box[3] - box[1] < 360 ? view.fitted(box) : whole(clusters[0]);
  if (smoothly) return fly(to);
  Object.assign(view, to);
  view.settle();
  return moved();
}

/** The whole globe; in a tall window rather more than that, beginning with the fullest cluster. */
function whole(fullest) {
  const zoom = Math.max(view.least, Math.log2((view.height * 0.6) / 270));
  return { lat: 0, lon: zoom > view.least + 0.3 && fullest ? fullest.longitude : 10, zoom };
}

/** The smallest box around all clusters: across 180 degrees where that is the shorter way. */
function around(clusters) {
  const south = Math.min(...clusters.map(({ bounds }) => bounds[0]));
  const north = Math.max(...clusters.map(({ bounds }) => bounds[2]));
  const sides = clusters.map(({ bounds }) => [bounds[1], bounds[3]]).sort((one, other) => one[0] - other[0]);
  let reach = -Infinity;
  let gap = { wide: -1, west: -180, east: 180 };
  for (const [west, east] of [...sides, [sides[0][0] + 360, 0]]) {
    if (reach > -Infinity && west - reach > gap.wide) gap = { wide: west - reach, west: west > 180 ? west - 360 : west, east: reach };
    reach = Math.max(reach, east < west && west <= 180 ? east + 360 : east);
  }
  const [west, east] = [gap.west, gap.east > 180 ? gap.east - 360 : gap.east];
  return gap.wide > 150 ? [south, west, north, east] : [south, -180, north, 180];
}

function scaleBar() {
  const here = [view.lat, view.lon];
  const wide = distance(here, view.at(view.width / 2 + 100, view.height / 2)); // km of 100 px
  const step = [5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01].find((one) => one <= wide) ?? 0.005;
  const bar = find("scale");
  bar.style.width = `${(100 * step) / wide}px`;
  bar.firstElementChild.textContent = step >= 1 ? `${step.toLocaleString("en")} km` : `${step * 1000} m`;
}

/** The window stands in the address, so that back and reload show the same. */
function remember() {
  const given = new URLSearchParams({ ...(q ? { q } : {}), at: [view.lat.toFixed(4), view.lon.toFixed(4), view.zoom.toFixed(2)].join(",") });
  history.replaceState(null, "", `${ROOT}/map?${given}`);
}

function remembered() {
  const parts = (new URLSearchParams(location.search).get("at") ?? "").split(",").map(Number);
  return parts.length === 3 && parts.every(Number.isFinite) ? { lat: parts[0], lon: parts[1], zoom: parts[2] } : null;
}

function begin() {
  const known = remembered();
  let settled = false; // before that there is no window to ask for
  const resize = () => {
    view.size(place.clientWidth, place.clientHeight);
    if (settled) moved();
  };
  view.size(place.clientWidth, place.clientHeight);
  new Gestures(place, view, gestured);
  for (const button of document.querySelectorAll("[data-act]")) button.addEventListener("click", () => act(button.dataset.act));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawing.recolour();
    draw();
  });
  if (known) {
    Object.assign(view, known);
    view.settle();
    moved();
    settled = true;
  } else showAll({ smoothly: false }).then(() => (settled = true), (problem) => (find("status").textContent = problem.message));
  new ResizeObserver(resize).observe(place);
  readOutlines(atlas.dataset.outlines).then((outlines) => {
    drawing.outlines = outlines;
    draw();
  }, () => {}); // places and names are there without it
}

/** New pictures come to their places while the window stays; where words decide, somebody has to ask. */
async function fill() {
  if (wordsOf(q)) return false;
  if (!atlas.hidden) return load().then(() => true);
  const { placed } = await ask("/places", { query: { q, zoom: 0 } });
  if (placed || atlas.dataset.total === "0") location.reload(); // another page than one without a map
  return true;
}

if (!atlas.hidden) begin();
later(() => import("../news.js").then(({ News }) => new News({
  query: () => q, whole: () => !wordsOf(q), fill, show: () => (atlas.hidden ? location.reload() : load()),
}), () => {}));
