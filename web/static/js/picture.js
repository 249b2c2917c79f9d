// A picture's own page: zoom, and why it matched.

import { fillDetails } from "./details.js";
import { ROOT } from "./dom.js";
import { Stage } from "./stage.js";

const place = document.getElementById("picture");
const picture = JSON.parse(place.dataset.picture);
const stage = new Stage(place.querySelector(".stage"));
place.querySelector(".still").remove();
stage.show(picture);
fillDetails(place.querySelector(".panel"), picture, {
  text: place.dataset.query,
  warm: (grid) => stage.warm(grid),
  alike: (id) => `${ROOT}/?${new URLSearchParams({ q: `similar:${id}` })}`,
  signal: new AbortController().signal,
  level: 1,
});
