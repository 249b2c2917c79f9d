// Words that were read in a picture: listed beside it, and laid over it, where they can be chosen and copied. Loaded with the
// first picture that has any.

import { copyButton, el } from "./dom.js";
import { textOf } from "./client.js";

const SVG = "http://www.w3.org/2000/svg";
const LETTERS = 0.78; // of a line's height that its letters are set in
const BASELINE = 0.22; // and how far above its lower edge they stand

/** `place` has the `stage` and the `panel`; those that `query` asks for are marked, and then shown at once. */
export async function tellWords({ stage, panel, level = 2 }, picture, query, signal) {
  const told = await textOf(picture.image_id, query, signal).catch(() => null);
  if (signal.aborted || !told?.lines.length) return;
  const layer = layerOf(told.lines, picture);
  const button = el("button", { class: "button", type: "button" }, "Show in the picture");
  const show = (on) => {
    button.setAttribute("aria-pressed", String(on));
    stage.lay(on ? layer : null);
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-pressed") !== "true"));
  const section = el("section", { class: "read-words" },
    el(`h${level + 1}`, {}, "Words in the picture"),
    el("div", { class: "lines", role: "group", tabindex: "0", "aria-label": "Words in the picture" }, ...told.lines.flatMap(marked)),
    el("div", { class: "acts" }, button, copyButton(told.text, "the words")));
  panel.querySelector(".facts").before(section);
  show(told.lines.some((line) => line.words.some((word) => word.matched)));
}

/** A line's words, those asked for in <mark>, and the end of the line. */
function marked(line) {
  const parts = line.words.flatMap((word) => [word.matched ? el("mark", {}, word.text) : word.text, " "]);
  return [...parts, el("br")];
}

function layerOf(lines, { width, height }) {
  const at = (corners) => corners.map(([x, y]) => [x * width, y * height]);
  const layer = draw("svg", { class: "read", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const line of lines) {
    const corners = at(line.box);
    layer.append(draw("polygon", { points: corners.join(" ") }));
    for (const word of line.words) if (word.matched) layer.append(draw("polygon", { points: at(word.box).join(" "), class: "matched" }));
    layer.append(letters(line.text, corners));
  }
  return layer;
}

/** Unseen letters that fill the line's box, so that what is chosen with the mouse is what stands there. */
function letters(text, [start, end, , low]) {
  const [length, tall] = [Math.hypot(end[0] - start[0], end[1] - start[1]), Math.hypot(low[0] - start[0], low[1] - start[1])];
  const [x, y] = [0, 1].map((axis) => low[axis] + (start[axis] - low[axis]) * BASELINE);
  const degrees = (Math.atan2(end[1] - start[1], end[0] - start[0]) * 180) / Math.PI;
  const made = draw("text", { transform: `translate(${x} ${y}) rotate(${degrees})`, "font-size": tall * LETTERS, textLength: length, lengthAdjust: "spacingAndGlyphs" });
  made.textContent = text;
  return made;
}

function draw(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
