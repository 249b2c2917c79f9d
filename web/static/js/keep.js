// Favourites, hidden pictures and albums: what is asked of the server, what the page says of it, and how it is undone.

import { ask, change } from "./client.js";
import { ahead, count, el, icon, several, styled } from "./dom.js";

ahead("toast"); // to be there when it has to say that the server is not

/** A sentence at the edge of the page; most visits need none. */
const toast = (...said) => import("./toast.js").then((made) => made.toast(...said), () => {});

/** What is pressed and needs a module that does not come must not seem to have been heard. */
addEventListener("unhandledrejection", ({ reason }) => {
  if (/dynamically imported|module script/i.test(reason?.message)) toast("The server does not answer. Try again when it is back.");
});

styled("keep").catch(() => {});

const SAID = {
  favourite: [(many) => `${many} among the favourites now`, (many) => `${many} taken out of the favourites`],
  hidden: [(many) => `${many} hidden`, (many) => `${many} shown again`],
};

/** Every page listens to `kept`: { mark, ids, on } or { album, ids, inside }; `back` where it was undone. */
function tellPage(detail) {
  document.dispatchEvent(new CustomEvent("kept", { detail }));
}

/** Make pictures (hits) favourites, or hide them; or the contrary. */
export async function mark(name, hits, on, { quiet = false, back = false } = {}) {
  const ids = hits.map((hit) => hit.image_id);
  try {
    const { changed } = await change("/marks", "POST", { mark: name, ids, on });
    for (const hit of hits) hit[name] = on;
    tellPage({ mark: name, ids, on, back });
    if (quiet) return;
    const again = hits.filter((hit) => changed.includes(hit.image_id));
    toast(SAID[name][on ? 0 : 1](several(changed.length || ids.length, "picture")), changed.length ? () => mark(name, again, !on, { quiet: true, back: true }) : null);
  } catch (problem) {
    toast(problem.message);
  }
}

/** Favourites all of them; if they are already, none of them. */
export const toggleFavourite = (hits) => mark("favourite", hits, !hits.every((hit) => hit.favourite), { quiet: hits.length === 1 });

export async function put(album, hits, inside, { back = false } = {}) {
  const ids = hits.map((hit) => hit.image_id);
  try {
    const { changed } = await change(`/albums/${album.id}/pictures`, "POST", { ids, inside });
    tellPage({ album, ids, inside, back });
    if (back) return;
    const again = hits.filter((hit) => changed.includes(hit.image_id));
    const known = ids.length - changed.length;
    const told = `${several(changed.length, "picture")} ${inside ? "put into" : "taken out of"} ${album.name}`;
    toast(inside && known ? `${told}; ${count(known)} in it before` : told, changed.length ? () => put(album, again, !inside, { back: true }) : null);
  } catch (problem) {
    toast(problem.message);
  }
}

/** Ask which album these pictures (hits) go into, an old one or a new one, and put them there. */
export async function chooseAlbum(hits) {
  let albums = [];
  const list = el("ul", {}, el("li", {}, el("p", { class: "muted" }, "Looking …")));
  const field = el("input", { type: "text", maxlength: 200, placeholder: "Name of a new album", "aria-label": "Name of a new album, or part of one that is there", autocomplete: "off" });
  const sheet = el("dialog", { class: "picker", "aria-label": `Put ${several(hits.length, "picture")} into an album` },
    el("header", {}, el("h2", {}, `Put ${several(hits.length, "picture")} into`), el("button", { class: "round", type: "button", "aria-label": "Close", click: () => sheet.close() }, icon("close"))),
    el("form", { method: "dialog", submit: (event) => {
      event.preventDefault();
      make();
    } }, field, el("button", { class: "button main", type: "submit" }, "Make it")),
    list);
  const chosen = (album) => {
    sheet.close();
    put(album, hits, true);
  };
  const draw = () => {
    const part = field.value.trim().toLowerCase();
    const fitting = albums.filter((album) => album.name.toLowerCase().includes(part));
    list.replaceChildren(...fitting.map((album) => el("li", {},
      el("button", { type: "button", click: () => chosen(album) },
        album.cover ? el("img", { src: album.cover, alt: "", width: 40, height: 40 }) : icon("albums"),
        el("span", {}, el("bdi", {}, album.name)), el("span", { class: "muted numbers" }, count(album.count))))));
  };
  const make = async () => {
    const name = field.value.trim();
    const known = albums.find((album) => album.name.toLowerCase() === name.toLowerCase());
    if (!name) return field.focus();
    if (known) return chosen(known);
    try {
      const album = await change("/albums", "POST", { name, ids: hits.map((hit) => hit.image_id) });
      sheet.close();
      tellPage({ album, ids: hits.map((hit) => hit.image_id), inside: true });
      return toast(`The album ${album.name} is made, with ${several(hits.length, "picture")}`, () => change(`/albums/${album.id}`, "DELETE").then(() => tellPage({ album, ids: [], inside: false, back: true }), (problem) => toast(problem.message)));
    } catch (problem) {
      return toast(problem.message);
    }
  };
  field.addEventListener("input", draw);
  sheet.addEventListener("close", () => sheet.remove());
  sheet.addEventListener("keydown", (event) => {
    event.stopPropagation(); // of the lightbox behind it
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const places = [field, ...list.querySelectorAll("button")];
    places[(places.indexOf(document.activeElement) + way + places.length) % places.length]?.focus();
  });
  document.body.append(sheet);
  sheet.showModal();
  field.focus();
  try {
    ({ albums } = await ask("/albums"));
    draw();
  } catch (problem) {
    list.replaceChildren(el("li", {}, el("p", { class: "muted" }, problem.message)));
  }
}

/** The album that a query asks for alone or with more, by its name; null for none. */
export async function albumOf(query) {
  const named = /(?:^|\s)album:(?:"([^"]+)"|(\S+))/i.exec(query);
  if (!named) return null;
  const wanted = (named[1] ?? named[2]).toLowerCase();
  const { albums } = await ask("/albums");
  return albums.find((album) => album.name.replaceAll('"', "").toLowerCase() === wanted) ?? null;
}

/** Show a heart on the tiles of favourites below `element`; `hitOf(tile)` knows them. */
export function heartTiles(element, hitOf) {
  for (const tile of element.querySelectorAll(".tile")) {
    const on = Boolean(hitOf(tile)?.favourite);
    const heart = tile.querySelector(".heart");
    if (on && !heart) tile.append(el("span", { class: "heart", role: "img", "aria-label": "Favourite" }, icon("heart@more")));
    else if (!on) heart?.remove();
  }
}
