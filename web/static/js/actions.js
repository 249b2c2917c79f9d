// What is done with pictures of a list, those that are chosen or the one that has the focus: keys, buttons of the bar, and
// how the list follows.

import { CAN_SHARE, el, icon } from "./dom.js";
import { albumOf, chooseAlbum, heartTiles, mark, put, toggleFavourite } from "./keep.js";

const asksHidden = (query) => /(^|\s)is:"?hidden"?(\s|$)/i.test(query);

export class Actions {
  /** `list`: what `Selection` wants, and { at(number), shownAt(number), drop(ids), refresh() }. */
  constructor(list, selection) {
    Object.assign(this, { list, selection, album: null });
    document.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("kept", ({ detail }) => this.#follow(detail));
    const hearts = () => heartTiles(list.element, list.hitOf);
    const before = list.changed;
    list.changed = () => {
      before?.();
      hearts();
    };
    new MutationObserver(hearts).observe(list.element, { childList: true });
    hearts();
    selection.more = () => this.#buttons();
    selection.shown = () => this.#shown();
  }

  get chosen() {
    return [...this.selection.chosen.values()];
  }

  /** Who asks for hidden pictures shows them again with the same key. */
  hide(hits) {
    const on = !hits.every((hit) => hit.hidden);
    this.selection.clear();
    return mark("hidden", hits, on);
  }

  /** From the one with the focus on, or of those that are chosen. */
  async play() {
    const { playSlides } = await import("./slides.js");
    const hits = this.chosen;
    if (hits.length) return playSlides({ hitAt: (number) => hits[number] });
    const here = this.list.element.contains(document.activeElement) ? this.list.hitOf(document.activeElement.closest(".tile")) : null;
    const start = here ? this.list.numberOf(here.image_id) : 0;
    return playSlides({ hitAt: this.list.at, start: Math.max(0, start ?? 0), ended: (number) => this.list.shownAt(number) });
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input, textarea, select, dialog, [popover]:not(.toast)")) return;
    if (document.querySelector("dialog:modal")) return;
    const tile = this.list.element.contains(event.target) ? event.target.closest(".tile") : null;
    const hits = this.selection.active ? this.chosen : [tile && this.list.hitOf(tile)].filter(Boolean);
    const act = {
      f: hits.length && (() => toggleFavourite(hits)),
      b: hits.length && (() => chooseAlbum(hits)),
      h: hits.length && (() => this.hide(hits)),
      p: () => this.play(),
      z: () => import("./toast.js").then(({ undoLast }) => undoLast(), () => {}),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** Something was kept or undone, here or in the lightbox. */
  #follow({ mark: name, album, ids, on, inside, back }) {
    const query = this.list.query?.() ?? "";
    for (const tile of this.list.element.querySelectorAll(".tile")) {
      const hit = ids.includes(Number(tile.dataset.id)) ? this.list.hitOf(tile) : null;
      if (hit && name) hit[name] = on;
    }
    heartTiles(this.list.element, this.list.hitOf);
    this.#shown();
    if (name === "hidden" && on !== asksHidden(query)) return this.list.drop(ids);
    if (name === "hidden" && back) return this.list.refresh();
    if (!album || !/(^|\s)album:/i.test(query) || album.id !== this.album?.id) return undefined;
    return inside || back ? this.list.refresh() : this.list.drop(ids);
  }

  #buttons() {
    const button = (name, image, text, act) => el("button", { class: "button", type: "button", "data-do": name, title: text, click: act }, icon(image), el("span", {}, text));
    this.#findAlbum();
    return [
      button("favourite", "heart@more", "Favourite", () => toggleFavourite(this.chosen)),
      button("album", "albums", "Album", () => chooseAlbum(this.chosen)),
      button("out", "out@more", "Take out", () => this.album && put(this.album, this.chosen, false)),
      button("hide", "hide@more", "Hide", () => this.hide(this.chosen)),
      button("slides", "play", "Slideshow", () => this.play()),
      CAN_SHARE ? button("share", "share@more", "Share", () => import("./give.js").then(({ share }) => share(this.chosen), () => {})) : null,
    ].filter(Boolean);
  }

  /** The buttons say what they would do with those that are chosen now. */
  #shown() {
    const bar = this.selection.element;
    if (!bar) return;
    const hits = this.chosen;
    const named = (name, text) => {
      const button = bar.querySelector(`[data-do="${name}"]`);
      if (!button) return;
      button.title = text;
      button.querySelector("span").textContent = text;
    };
    named("favourite", hits.every((hit) => hit.favourite) ? "No favourite" : "Favourite");
    named("hide", hits.every((hit) => hit.hidden) ? "Show again" : "Hide");
    bar.querySelector('[data-do="out"]').hidden = !this.album;
  }

  /** In an album, pictures may be taken out of it. */
  async #findAlbum() {
    const query = this.list.query?.() ?? "";
    if (!/(^|\s)album:/i.test(query)) this.album = null;
    else if (this.asked !== query) {
      this.asked = query;
      this.album = await albumOf(query).catch(() => null);
    }
    this.#shown();
  }
}
