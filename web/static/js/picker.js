// Chooses a folder of the machine that the server runs on: a dialog with the folders in a folder.

import { change, inSentences } from "./client.js";
import { el, icon, legible, several } from "./dom.js";

let dialog = null;
let parts = null;
let here = null; // the listing that is shown
let chosen = () => {};

/** Ask for a folder; `taken(path, shown)` is called with the one that is chosen. */
export function chooseFolder(taken) {
  dialog ?? make();
  chosen = taken;
  dialog.showModal();
  go(here?.path ?? null);
}

function make() {
  const [title, list, says] = [el("h2", { id: "picker-title" }), el("ul", { class: "folders" }), el("p", { class: "muted", role: "status" })];
  const up = el("button", { class: "round", type: "button", "aria-label": "The folder above", title: "The folder above", click: () => go(here.parent) }, icon("up"));
  const take = el("button", { class: "button main", type: "button", click: finish }, "Choose this folder");
  const cancel = el("button", { class: "button", type: "button", click: () => dialog.close() }, "Cancel");
  dialog = el("dialog", { class: "picker", "aria-labelledby": "picker-title" },
    el("header", {}, up, title), list, el("footer", {}, says, el("div", { class: "acts" }, cancel, take)));
  parts = { title, list, says, up, take };
  list.addEventListener("keydown", stepped);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
}

function finish() {
  dialog.close();
  chosen(here.path, here.shown);
}

async function go(path) {
  const from = here?.path;
  parts.list.setAttribute("aria-busy", "true");
  try {
    here = await change("/setup/folders", "POST", path ? { path } : {});
  } catch (problem) {
    if (path && !here) return go(null);
    parts.says.textContent = inSentences(problem);
    return undefined;
  } finally {
    parts.list.removeAttribute("aria-busy");
  }
  return show(from);
}

function show(from) {
  const { title, list, says, up, take } = parts;
  title.textContent = legible(here.shown ?? "This computer");
  up.hidden = here.parent === null;
  take.hidden = here.path === null;
  list.replaceChildren(...here.folders.map(({ name, path }) =>
    el("li", {}, el("button", { type: "button", click: () => go(path), "data-path": path }, icon("folder"), el("bdi", {}, name)))));
  list.scrollTop = 0;
  says.textContent = [
    here.folders.length ? "" : "No folders in here.",
    here.path === null ? "" : here.folders.length ? `${several(here.pictures, "picture")} directly in it, and those in its folders.` : `${several(here.pictures, "picture")} in it.`,
    here.elsewhere ? `${several(here.elsewhere, "link")} to other places ${here.elsewhere === 1 ? "is" : "are"} left out.` : "",
    here.cut ? "Only the first 2,000 folders are shown." : "",
  ].filter(Boolean).join(" ");
  const back = [...list.querySelectorAll("button")].find((one) => one.dataset.path === from);
  (back ?? list.querySelector("button") ?? (take.hidden ? up : take)).focus();
}

/** Arrow keys walk over the folders, left goes up, and a letter goes to the next name that begins with it. */
function stepped(event) {
  const all = [...parts.list.querySelectorAll("button")];
  const at = all.indexOf(document.activeElement);
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const to = { ArrowDown: all[at + 1], ArrowUp: all[at - 1], Home: all[0], End: all.at(-1) }[event.key];
  if (event.key === "ArrowRight") all[at].click();
  else if (event.key === "ArrowLeft" || event.key === "Backspace") {
    if (here.parent !== null) go(here.parent);
  } else if (to) to.focus();
  else if (event.key.length === 1 && event.key !== " ") {
    const begins = (one) => one.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase());
    [...all.slice(at + 1), ...all.slice(0, at + 1)].find(begins)?.focus();
    return;
  } else return;
  event.preventDefault();
}
