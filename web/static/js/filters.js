// Chips for the filters of the query language, with the values that the library knows and how many pictures have them.

import { count, el, icon, ROOT } from "./dom.js";
import { ask, smallOf } from "./client.js";
import { filtersOf, holds, toggled } from "./query.js";

const SHAPES = ["landscape", "portrait", "square"].map((value) => ({ value, query: `is:${value}` }));
const NONE = {
  years: "None of these pictures tells when it was taken.",
  folders: "All of these pictures lie in one folder.",
  cameras: "None of these pictures tells its camera.",
  types: "No pictures.",
  places: "None of these pictures tells where it was taken.",
};

export class Filters {
  /** `place` holds the buttons and their menus; `changed(text)` is called with the new query. */
  constructor(place, changed) {
    Object.assign(this, { place, changed, text: "", known: {} });
    this.active = place.appendChild(el("div", { class: "active", role: "group", "aria-label": "Filters in use" }));
    for (const menu of place.querySelectorAll(".menu")) {
      menu.addEventListener("beforetoggle", (event) => event.newState === "open" && this.#opening(menu));
      menu.addEventListener("toggle", (event) => event.newState === "open" && menu.querySelector("button")?.focus({ preventScroll: true }));
      menu.addEventListener("keydown", (event) => stepped(menu, event));
    }
  }

  /** Another query is shown: its filters become chips, and the counts are asked for anew when a menu opens. */
  show(text) {
    if (text === this.text && this.active.childElementCount) return;
    this.text = text;
    this.known = {};
    this.place.scrollLeft = 0; // on a phone, where the filters in use are
    const map = this.place.querySelector("#map-link");
    if (map) map.href = `${ROOT}/map${text ? `?${new URLSearchParams({ q: text })}` : ""}`;
    this.active.replaceChildren(...filtersOf(text).map((term) => {
      const label = labelOf(term);
      return el("button", { class: "chip on", type: "button", "aria-label": `Remove the filter ${label}`, click: () => this.changed(toggled(this.text, term)) },
        shownPicture(term), el("span", {}, label), icon("close"));
    }));
  }

  async #opening(menu) {
    const button = this.place.querySelector(`[popovertarget="${menu.id}"]`);
    const box = button.getBoundingClientRect();
    Object.assign(menu.style, { top: `${box.bottom + 6}px`, left: `${Math.max(8, Math.min(box.left, innerWidth - 308))}px` });
    const noun = menu.dataset.facet;
    if (noun === "shapes") return this.#list(menu, SHAPES, "");
    const path = noun === "places" ? "/facets/places" : "/facets";
    const known = this.known;
    if (!known[path]) menu.replaceChildren(el("p", {}, "Counting …"));
    const text = this.text;
    try {
      known[path] ??= ask(path, { query: { q: text } });
      const facets = await known[path];
      if (text === this.text) this.#list(menu, facets[noun] ?? [], NONE[noun]);
    } catch (problem) {
      delete known[path];
      menu.replaceChildren(el("p", {}, problem.message));
    }
  }

  #list(menu, values, none) {
    if (!values.length) return menu.replaceChildren(el("p", {}, none));
    const choose = ({ query, search }) => () => {
      menu.hidePopover();
      this.changed(search === undefined || holds(this.text, query) ? toggled(this.text, query) : search);
    };
    menu.replaceChildren(el("ul", {}, ...values.map((one) => el("li", {},
      el("button", { type: "button", "aria-pressed": String(holds(this.text, one.query)), click: choose(one) },
        el("span", {}, String(one.value)), el("span", {}, one.count === undefined ? "" : count(one.count)))))));
    if (menu.matches(":popover-open")) menu.querySelector("button").focus({ preventScroll: true });
  }
}

function stepped(menu, event) {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  const buttons = [...menu.querySelectorAll("button")];
  buttons[(buttons.indexOf(document.activeElement) + way + buttons.length) % buttons.length]?.focus();
}

/** "-camera:Canon" as "not camera: Canon"; of a folder's path its name. */
function labelOf(term) {
  const [, minus, name, value] = /^(-?)(\p{L}+):(.*)$/su.exec(term.replaceAll('"', ""));
  if (/^(similar|like)$/i.test(name)) return minus ? "less like this one" : "like this picture";
  const short = name.toLowerCase() === "folder" ? value.replace(/\/+$/, "").split("/").at(-1) || value : value;
  return `${minus && "not "}${name.toLowerCase()}: ${short}`;
}

/** The picture that "similar:17" is about. */
function shownPicture(term) {
  const id = /^-?(?:similar|like):(\d{1,18})$/i.exec(term)?.[1];
  return id ? el("img", { src: smallOf(id), alt: "", width: 24, height: 24, error: (event) => event.target.remove() }) : null;
}
