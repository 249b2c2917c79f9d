// A picture's own page: zoom, and why it matched.

import { fillDetails, fillTexts, fillWords } from "./details.js";
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
