// What is known of a picture, and why it matched.

import { CAN_SHARE, copyButton, day, el, icon, percent, ROOT, size, WRITES } from "./dom.js";
import { full, matchOf, original, pictureOf } from "./client.js";
import { wordsOf } from "./query.js";

const NEAR_KM = 1; // "near here"
const NEAR_ZOOM = 8; // of the map that opens: some 60 km

/**
 * Fill `panel` for one hit. `text` is the query, `warm(grid | null)` lays a heat map over the picture, `alike(id)` the
 * address of a search for similar pictures. Returns the picture's facts, null where `signal` was raised before.
 */
export async function fillDetails(panel, hit, { text, warm, alike, signal, level = 2 }) {
  const reasons = text && wordsOf(text) ? el("section", {}, el(`h${level + 1}`, {}, "Why it matched"), meters(hit), because(hit), el("div", { class: "why" })) : null;
  panel.replaceChildren(heading(hit, level), ...(reasons ? [reasons] : []), ...(WRITES ? [el("section", { class: "ask" })] : []), ...acts(hit, alike), el("p", { class: "kept", hidden: true }), el("section", { class: "facts" }));
  panel.scrollTop = 0;
  if (reasons) explain(reasons, hit, text, warm, signal);
  try {
    const picture = await pictureOf(hit.image_id, text, signal);
    if (signal.aborted) return null;
    panel.firstElementChild.replaceWith(heading(picture, level));
    panel.querySelector(":scope > .lost")?.remove();
    panel.querySelector(":scope > .acts").replaceWith(...acts(picture, alike));
    panel.querySelector(".facts").replaceChildren(...facts(picture, `h${level + 1}`));
    keptOf(panel, picture);
    return picture;
  } catch (problem) {
    if (!signal.aborted) panel.querySelector(".facts").replaceChildren(el("p", { class: "word-of-warning" }, problem.message));
    return null;
  }
}

/** Say anew what a person keeps about a picture. */
export async function fillKept(panel, id, signal) {
  const picture = await pictureOf(id, "", signal).catch(() => null);
  if (picture && !signal.aborted) keptOf(panel, picture);
}

/** The albums that hold a picture, and whether it is hidden. */
function keptOf(panel, { albums = [], hidden }) {
  const place = panel.querySelector(".kept");
  if (!place) return;
  const links = albums.flatMap(({ name, search }, at) => [at ? ", " : "", el("a", { href: `${ROOT}/?${new URLSearchParams({ q: search })}` }, el("bdi", {}, name))]);
  place.replaceChildren(...(albums.length ? [albums.length > 1 ? "In the albums " : "In the album ", ...links, ". "] : []), ...(hidden ? ["Hidden: it is in no answer."] : []));
  const hides = panel.querySelector('.acts [data-act="hide"]');
  if (hides) hides.lastChild.textContent = hidden ? "Show again" : "Hide";
  place.hidden = !place.childNodes.length;
}

/** The caption of a hit, and questions about it; nothing of it is loaded where there is neither. `filling` gives the
 * picture's facts; `place` has the `stage`, the `panel` and the `caption` to fill. */
export async function fillTexts(place, hit, filling, signal) {
  if (!WRITES && !(await filling)?.caption) return;
  const { tell } = await import("./ask.js");
  if (!signal.aborted) tell(place, hit.image_id, filling, signal);
}

/** The words that were read in a hit; nothing of it is loaded where there are none. */
export async function fillWords(place, hit, filling, query, signal) {
  const picture = await filling;
  if (!picture?.read_words || signal.aborted) return;
  const { tellWords } = await import("./read_words.js");
  if (!signal.aborted) tellWords(place, picture, query, signal);
}

function heading(picture, level) {
  const when = picture.taken_at && picture.taken_source !== "file" ? el("p", { class: "when" }, day(picture.taken_at, true)) : null;
  return el("div", {}, el(`h${level}`, { class: "title" }, picture.name ?? `Picture ${picture.image_id}`), when);
}

/** ITC runs from -1 to 1; the bar shows what is above 0. */
function meters({ itc, itm_probability: sure }) {
  const row = (name, value, text, max) =>
    el("div", {}, el("span", {}, name), el("span", { class: "value" }, text), el("meter", { min: 0, max, value: Math.max(0, value), "aria-label": name }));
  const rows = [];
  if (typeof sure === "number") rows.push(row("The words fit the picture (ITM)", sure, percent(sure), 1));
  if (typeof itc === "number") rows.push(row("Likeness of words and picture (ITC)", itc, itc.toFixed(3), 1));
  return el("div", { class: "meters" }, ...rows);
}

/** Words about the picture, or in it, that the query asks for; on a picture's own page `words` are all that it has. */
function because({ words }) {
  return words && typeof words === "string" ? el("p", { class: "because" }, words[0].toUpperCase() + words.slice(1)) : null;
}

async function explain(section, hit, text, warm, signal) {
  const why = section.querySelector(".why");
  try {
    await pause(200, signal); // whoever leafs through the pictures asks for none of their maps
    const match = await matchOf(hit.image_id, text, signal);
    if (signal.aborted) return;
    section.querySelector(".meters").replaceWith(meters({ itc: match.itc ?? hit.itc, itm_probability: match.itm_probability ?? hit.itm_probability }));
    if (match.words?.length) why.replaceChildren(...wordButtons(match.words, warm));
  } catch (problem) {
    if (problem.name !== "AbortError") why.replaceChildren();
  }
}

function wordButtons(words, warm) {
  const buttons = words.map(({ word, grid }) => {
    const button = el("button", { type: "button", "aria-pressed": "false" }, word);
    button.addEventListener("click", () => {
      const chosen = button.getAttribute("aria-pressed") === "false";
      for (const one of buttons) one.setAttribute("aria-pressed", String(chosen && one === button));
      warm(chosen ? grid : null);
    });
    return button;
  });
  return [
    el("div", { class: "words", role: "group", "aria-label": "Show where a word is seen" }, ...buttons),
    el("p", {}, "Choose a word to see where in the picture the model finds it."),
  ];
}

/** What may be done with a picture, and in words where its original is not there. */
function acts(hit, alike) {
  const similar = el("a", { class: "button", href: alike(hit.image_id), "data-alike": hit.image_id }, icon("alike"), "Similar pictures");
  if (hit.lost) {
    return [el("div", { class: "acts" }, similar),
      el("p", { class: "word-of-warning lost", role: "status" }, `The original cannot be opened: ${hit.lost}. What you see was kept from before.`)];
  }
  return [el("div", { class: "acts" }, similar,
    el("a", { class: "button", href: hit.full ?? full(hit.image_id), target: "_blank", rel: "noopener" }, icon("open"), "Full size"),
    el("a", { class: "button", href: hit.download ?? original(hit.image_id, true) }, icon("fetch"), "Download"),
    act("album", "albums", "Album"), act("copy", "copy", "Copy picture"), CAN_SHARE ? act("share", "share@more", "Share") : null, act("hide", "hide@more", "Hide"))];
}

/** A button whose work viewer.js does, or picture.js. */
const act = (name, image, text) => el("button", { class: "button", type: "button", "data-act": name }, icon(image), text);

function facts(picture, head) {
  const { width, height, latitude, longitude } = picture;
  const rows = [
    [picture.taken_source === "file" ? "File changed" : "Taken", picture.taken_at && day(picture.taken_at, true)],
    ["Camera", picture.camera],
    ["Pixels", `${width} × ${height}${width * height > 1e6 ? ` (${((width * height) / 1e6).toFixed(1)} MP)` : ""}`],
    ["Rating", picture.rating && (picture.rating < 0 ? "rejected" : `${picture.rating} of 5`)],
    ...(picture.words ?? []).map(({ kind, text }) => [kind[0].toUpperCase() + kind.slice(1), text]),
    ["File", [picture.format, picture.size_bytes && size(picture.size_bytes)].filter(Boolean).join(", ")],
  ].filter(([, value]) => value);
  const list = el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  if (typeof latitude === "number" && typeof longitude === "number") {
    const place = `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
    if (picture.place) list.append(el("dt", {}, "Place"), el("dd", {}, picture.place.said));
    list.append(el("dt", {}, picture.place ? "Coordinates" : "Place"), el("dd", { class: "copied" }, el("code", {}, place), copyButton(place, "coordinates")));
    const near = new URLSearchParams({ q: `near:${latitude.toFixed(5)},${longitude.toFixed(5)},${NEAR_KM}` });
    list.append(el("dt", {}, "Nearby"), el("dd", { class: "around" }, el("a", { href: `${ROOT}/?${near}` }, icon("map"), "Pictures near here"),
      el("a", { href: `${ROOT}/map?at=${latitude.toFixed(4)},${longitude.toFixed(4)},${NEAR_ZOOM}` }, icon("globe"), "On the map")));
  }
  const files = (picture.files ?? []).map((file) =>
    el("li", { class: "copied" }, el("code", {}, file.path, file.offline ? " (offline)" : ""), copyButton(file.path, "path")));
  return [el(head, {}, "Details"), list, files.length ? el(head, { class: "where" }, files.length > 1 ? "Files" : "Path") : null,
    files.length ? el("ul", { class: "places-of" }, ...files) : null].filter(Boolean);
}

function pause(milliseconds, signal) {
  return new Promise((done, given_up) => {
    setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => given_up(new DOMException("gone on", "AbortError")));
  });
}
