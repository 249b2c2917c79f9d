// Pictures that move: animations, Live Photos and motion photos, on hover and in the lightbox. Whoever asked the system for less
// motion sees them move only on request.

import { ask } from "./client.js";
import { calm, el, icon } from "./dom.js";

const MAY_MOVE = new Set(["GIF", "PNG", "WEBP", "AVIF", "JPEG", "MPO", "HEIF"]);
const AT_ONCE = 100;
const MOST_BYTES = 24e6; // of what begins to move under the mouse
const PAUSE = 180; // milliseconds over a tile, so that crossing it loads nothing

const known = new Map(); // image id -> what moves, or null

/** Learn how hits move; the promise is of a function that tells it by id. */
export async function learn(hits) {
  const fresh = hits.filter((hit) => !known.has(hit.image_id) && MAY_MOVE.has(hit.format)).map((hit) => hit.image_id);
  for (let at = 0; at < fresh.length; at += AT_ONCE) {
    const ids = fresh.slice(at, at + AT_ONCE);
    const { motion } = await ask("/motion", { query: { ids: ids.join(",") } }).catch(() => ({ motion: [] }));
    for (const id of ids) known.set(id, null);
    for (const one of motion) known.set(one.image_id, one);
  }
  return (id) => known.get(id) ?? null;
}

/** Mark the tiles of a grid that move, and move them under the mouse and the keyboard. `tiles`: image id -> tile. */
export async function enliven(hits, tiles) {
  const motionOf = await learn(hits);
  for (const { image_id: id } of hits) {
    const [motion, tile] = [motionOf(id), tiles.get(id)];
    if (!motion || !tile || tile.querySelector(".moves")) continue;
    const link = tile.querySelector("a");
    link.append(el("span", { class: "moves" }, motion.kind === "film" ? "Live" : "Moves"));
    let timer = null;
    let moving = null;
    const start = () => {
      if (calm.matches || motion.size_bytes > MOST_BYTES) return;
      timer = setTimeout(() => {
        moving = playing(motion, { class: "moving" });
        link.append(moving);
      }, PAUSE);
    };
    const stop = () => {
      clearTimeout(timer);
      moving?.remove();
      moving = null;
    };
    for (const kind of ["pointerenter", "focus"]) link.addEventListener(kind, start);
    for (const kind of ["pointerleave", "blur", "click"]) link.addEventListener(kind, stop);
  }
}

/** Let the picture on a stage move, with a button that stops and starts it; nothing where it stands still. */
export async function moveStage(stage, hit, signal) {
  const motion = (await learn([hit]))(hit.image_id);
  if (!motion || signal.aborted) return;
  let moving = null;
  const button = el("button", { class: "button play", type: "button" });
  const set = (on) => {
    moving?.remove();
    moving = on ? playing(motion, { class: "moving" }, refused) : null;
    if (moving) stage.large.after(moving); // below the heat map and the words
    button.replaceChildren(icon(on ? "pause" : "play"), on ? "Stop" : motion.kind === "film" ? "Play the live picture" : "Play");
    button.setAttribute("aria-pressed", String(on));
  };
  const refused = () => {
    set(false);
    button.textContent = "This browser cannot play it";
    button.disabled = true;
  };
  button.addEventListener("click", () => set(!moving));
  signal.addEventListener("abort", () => {
    moving?.remove();
    button.remove();
  });
  stage.place.append(button);
  set(!calm.matches);
}

/** What moves over the still of the same shape; `failed` is called where this browser cannot play it. */
function playing(motion, attributes, failed = () => {}) {
  const film = motion.kind === "film";
  const made = el(film ? "video" : "img", { ...attributes, "aria-hidden": "true", draggable: "false", ...(film ? { loop: true, playsinline: true } : { alt: "" }) });
  made.muted = true; // a sound out of nothing is not wanted; browsers start nothing else by themselves
  made.addEventListener(film ? "playing" : "load", () => made.classList.add("on"));
  made.addEventListener("error", () => {
    made.remove();
    failed();
  });
  made.src = motion.source;
  if (film) made.play().catch(() => {});
  return made;
}
