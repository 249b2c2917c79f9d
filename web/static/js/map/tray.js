// The pictures of one place, over the lower edge of the map.

import { ask } from "../client.js";
import { count, el, icon, ROOT, several } from "../dom.js";
import { addressOf } from "./pins.js";

const FIRST = 24; // pictures; more are a click away

export class Tray {
  /** `closed()` is called when a person has closed it. */
  constructor(place, closed) {
    Object.assign(this, { place, closed, waiting: null });
  }

  get open() {
    return !this.place.hidden;
  }

  /** Show what `search` finds; `title` says where, or the server does if it is to be `named`; `pictures`: how many, if known. */
  async show({ search, title, named = false, pictures = null, focus = false }) {
    this.waiting?.abort();
    const waiting = (this.waiting = new AbortController());
    const head = el("h2", {}, title);
    const status = el("p", { role: "status" }, pictures === null ? "Counting …" : several(pictures, "picture"));
    const all = el("a", { class: "button", href: addressOf(search) }, "Show all");
    const close = el("button", { class: "round", type: "button", "aria-label": "Close", click: () => this.close() }, icon("close"));
    const row = el("ul", {});
    this.place.replaceChildren(el("div", { class: "head" }, head, status, all, close), row);
    this.place.hidden = false;
    if (focus) all.focus({ preventScroll: true });
    try {
      const found = await ask("/search", { query: { q: search, limit: FIRST, rerank: 0 }, signal: waiting.signal });
      const total = found.total ?? pictures;
      status.textContent = total === null ? `${found.next_cursor ? "more than " : ""}${several(found.hits.length, "picture")}` : several(total, "picture");
      all.hidden = !found.hits.length;
      if (named) head.textContent = found.title.replace(/^Pictures: (.)/, (_, first) => first.toUpperCase());
      row.replaceChildren(...found.hits.map((hit) => shown(hit, search)));
      const rest = total === null ? 0 : total - found.hits.length;
      if (rest > 0) row.append(el("li", { class: "rest" }, el("a", { href: addressOf(search) }, `${count(rest)} more`)));
    } catch (problem) {
      if (problem.name !== "AbortError") status.textContent = `${problem.message} ${problem.hint ?? ""}`;
    }
  }

  close() {
    if (!this.open) return;
    this.waiting?.abort();
    this.place.hidden = true;
    this.place.replaceChildren();
    this.closed();
  }
}

function shown(hit, search) {
  const address = `${ROOT}/?${new URLSearchParams({ q: search, picture: hit.image_id })}`;
  return el("li", {}, el("a", { href: address, title: hit.name }, el("img", { src: hit.thumbnail, alt: hit.alt || hit.name, decoding: "async", loading: "lazy" })));
}
