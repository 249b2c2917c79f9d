// The sheet that says what the keys do, opened by "?".

import { el, icon, styled } from "./dom.js";

const SHEET = [
  ["Everywhere", [["/", "search"], ["?", "this sheet"], ["Esc", "close, let go of what was chosen"], ["z", "undo the last change"]]],
  ["Pictures", [["← ↑ ↓ →", "from picture to picture"], ["Enter", "open"], ["x", "choose"], ["Shift x", "choose all up to here"], ["f", "favourite"], ["b", "put into an album"], ["h", "hide, show again"], ["p", "slideshow from here"], ["n", "show those that came since"]]],
  ["An open picture", [["← →", "before, behind"], ["+ − 0", "larger, smaller, fit"], ["i", "details"], ["f", "favourite"], ["b", "put into an album"], ["h", "hide, show again"], ["c", "copy the picture"], ["p", "slideshow"]]],
  ["Slideshow", [["Space", "pause, go on"], ["← →", "before, behind"], ["+ −", "faster, slower"], ["f", "full screen"], ["Esc", "close"]]],
];

/** Show the sheet, or close it. */
export async function toggleKeys() {
  const shown = document.querySelector("dialog.keys-sheet");
  if (shown) return shown.close();
  await styled("keep");
  const sheet = el("dialog", { class: "keys-sheet", "aria-labelledby": "keys-title" },
    el("header", {}, el("h2", { id: "keys-title" }, "Keys"), el("button", { class: "round", type: "button", "aria-label": "Close", click: () => sheet.close() }, icon("close"))),
    el("div", { class: "keys-of" }, ...SHEET.map(([title, keys]) => el("section", {}, el("h3", {}, title),
      el("dl", {}, ...keys.flatMap(([key, text]) => [el("dt", {}, ...key.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, text)]))))));
  sheet.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "?") sheet.close();
  });
  sheet.addEventListener("close", () => sheet.remove());
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  document.body.append(sheet);
  sheet.showModal();
  return undefined;
}
