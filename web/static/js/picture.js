// A picture's own page: zoom, and why it matched.

import { fillDetails, fillKept, fillTexts, fillWords } from "./details.js";
import { ROOT } from "./dom.js";
import { Stage } from "./stage.js";

const place = document.getElementById("picture");
const picture = JSON.parse(place.dataset.picture);
const stage = new Stage(place.querySelector(".stage"));
place.querySelector(".still").remove();
stage.show(picture);
const leaving = new AbortController();
const filling = fillDetails(place.querySelector(".panel"), picture, {
  text: place.dataset.query,
  warm: (grid) => stage.warm(grid),
  alike: (id) => `${ROOT}/?${new URLSearchParams({ q: `similar:${id}` })}`,
  signal: leaving.signal,
  level: 1,
});
const parts = { stage, panel: place.querySelector(".panel"), caption: place.querySelector(".caption"), level: 1 };
import("./motion.js").then(({ moveStage }) => moveStage(stage, picture, leaving.signal));
fillTexts(parts, picture, filling, leaving.signal);
fillWords(parts, picture, filling, place.dataset.query, leaving.signal);

/** The acts of the panel, and their keys. */
const act = (name) => import("./viewer_acts.js").then(({ actOn }) => actOn(name, picture, null));
parts.panel.addEventListener("click", (event) => {
  const name = event.target.closest("[data-act]")?.dataset.act;
  if (name) act(name);
});
addEventListener("keydown", (event) => {
  const name = { f: "favourite", b: "album", h: "hide", c: "copy", z: "undo" }[event.key];
  if (!name || event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input, textarea, dialog")) return;
  event.preventDefault();
  act(name);
});
document.addEventListener("kept", ({ detail: { mark, ids, on } }) => {
  if (mark && ids.includes(picture.image_id)) picture[mark] = on;
  fillKept(parts.panel, picture.image_id, leaving.signal);
});
