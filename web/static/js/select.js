// Choosing pictures: a tick on each tile, `x`, a long press, Shift for a stretch, and a bar with what may be done with them.

import { API, change, csrf } from "./client.js";
import { el, icon, ROOT, several, styled, written } from "./dom.js";

export const MOST = 20_000; // pictures, as the server has it
const LONG = 450; // ms
const COMPARED = 50; // pictures of one search, so that as many may be added to be less like

export class Selection {
  /**
   * `list` says what can be chosen: { element, hitOf(tile), numberOf(id), between(one, other), all(most), total() }. Numbers are places
   * in the whole list; `between` and `all` give hits. `list.changed` is set, to be called when tiles have come. `more()` may give the
   * bar further buttons, `shown()` is called when the bar is drawn.
   */
  constructor(list) {
    Object.assign(this, { list, chosen: new Map(), anchor: null, press: 0 });
    const { element } = list;
    styled("select").catch(() => {});
    element.addEventListener("click", (event) => this.#clicked(event), true);
    element.addEventListener("pointerdown", (event) => this.#pressed(event));
    for (const name of ["pointerup", "pointercancel", "pointermove"]) {
      element.addEventListener(name, (event) => (name !== "pointermove" || Math.hypot(event.movementX, event.movementY) > 4) && clearTimeout(this.press));
    }
    element.addEventListener("contextmenu", (event) => this.held && event.preventDefault());
    for (const name of ["pointerover", "focusin"]) element.addEventListener(name, (event) => this.#ticked(event.target.closest(".tile")));
    document.addEventListener("keydown", (event) => this.#key(event));
    list.changed = () => this.#mark();
    new MutationObserver(() => this.#mark()).observe(element, { childList: true });
    this.#mark();
  }

  get active() {
    return this.chosen.size > 0;
  }

  clear() {
    this.chosen.clear();
    this.anchor = null;
    this.#mark();
  }

  #toggle(tile, stretch = false) {
    const hit = this.list.hitOf(tile);
    if (!hit) return;
    const number = this.list.numberOf(hit.image_id);
    if (stretch && this.anchor !== null && number !== undefined) this.#add(this.list.between(this.anchor, number));
    else {
      if (!this.chosen.delete(hit.image_id)) this.chosen.set(hit.image_id, hit);
      this.anchor = number ?? null;
      this.#mark();
    }
  }

  async #add(coming) {
    this.element?.setAttribute("aria-busy", "true");
    this.#say("Choosing …"); // thousands take some seconds
    try {
      for (const hit of await coming) if (this.chosen.size < MOST) this.chosen.set(hit.image_id, hit);
      this.#mark();
    } catch (problem) {
      this.#say(problem.message);
    }
    this.element?.removeAttribute("aria-busy");
  }

  #clicked(event) {
    const tile = event.target.closest(".tile");
    if (!tile || event.button || event.metaKey || event.ctrlKey) return;
    const ticked = Boolean(event.target.closest(".tick"));
    if (!ticked && !this.active && !this.held) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.held) this.held = false; // the end of the long press that chose it
    else this.#toggle(tile, event.shiftKey);
  }

  #pressed(event) {
    this.held = false;
    const tile = event.target.closest(".tile");
    if (!tile || event.pointerType === "mouse" || event.target.closest(".tick")) return;
    clearTimeout(this.press);
    this.press = setTimeout(() => {
      this.held = true;
      this.#toggle(tile);
      navigator.vibrate?.(12);
    }, LONG);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest?.("input, textarea, dialog, [popover]")) return;
    const tile = this.list.element.contains(event.target) ? event.target.closest(".tile") : null;
    if (event.key.toLowerCase() === "x" && tile) this.#toggle(tile, event.shiftKey);
    else if (event.key === "Escape" && this.active) this.clear();
    else return;
    event.preventDefault();
  }

  /** A tile gets its tick when it is pointed at, or while pictures are chosen: most never need one. */
  #ticked(tile) {
    if (!tile?.querySelector("a") || tile.querySelector(".tick")) return;
    const name = this.list.hitOf(tile)?.name ?? "picture";
    tile.append(el("button", { class: "tick", type: "button", "aria-label": `Choose ${name}`, "aria-pressed": String(tile.classList.contains("chosen")) }, icon("done")));
  }

  #mark() {
    const { element } = this.list;
    element.classList.toggle("selecting", this.active);
    for (const tile of element.querySelectorAll(".tile")) {
      const on = this.chosen.has(Number(tile.dataset.id));
      tile.classList.toggle("chosen", on);
      if (this.active) this.#ticked(tile);
      tile.querySelector(".tick")?.setAttribute("aria-pressed", String(on));
    }
    if (this.active) this.#bar();
    else {
      this.element?.remove();
      this.element = null;
    }
  }

  #bar() {
    if (!this.element) {
      const button = (name, image, text, act) => el("button", { class: "button", type: "button", "data-do": name, title: text, click: act }, icon(image), el("span", {}, text));
      this.element = el("div", { class: "chosen-bar", role: "toolbar", "aria-label": "Chosen pictures" },
        el("strong", { role: "status" }),
        button("all", "library", "All", () => this.#add(this.list.all(MOST))),
        button("like", "alike", "More like these", () => this.#alike((id) => `similar:${id}`)),
        button("unlike", "unlike", "Less like these", () => this.#alike((id) => `-similar:${id}`)),
        ...(this.more?.() ?? []),
        button("zip", "fetch", "Download", () => this.#download()),
        button("paths", "copy", "Paths", () => this.#copy()),
        button("clear", "close", "Clear", () => this.clear()));
      document.querySelector("main").append(this.element);
    }
    this.element.querySelector('[data-do="all"]').hidden = this.chosen.size >= Math.min(MOST, this.list.total());
    this.element.querySelector('[data-do="unlike"]').hidden = !/(^|\s)(similar|like):/i.test(this.list.query?.() ?? "");
    this.#say(`${several(this.chosen.size, "picture")}`);
    this.shown?.();
  }

  /** Search by the chosen ones: more like them, or, where the search compares already, less like them. */
  #alike(term) {
    const terms = [...this.chosen.keys()].slice(0, COMPARED).map(term);
    const known = (this.list.query?.() ?? "").match(/\S*"[^"]*"|\S+/g) ?? [];
    const kept = terms[0].startsWith("-") ? known : known.filter((one) => /^-?\p{L}{2,}:/u.test(one) && !/^-?(similar|like):/i.test(one));
    location.assign(`${ROOT}/?${new URLSearchParams({ q: [...kept, ...terms].join(" ") })}`);
  }

  #say(text) {
    const place = this.element?.querySelector("strong");
    if (place && place.textContent !== text) place.textContent = text;
  }

  /** One original as it is; several as a zip, which the browser's own download takes. */
  #download() {
    const ids = [...this.chosen.keys()];
    if (ids.length === 1) return el("a", { href: `${API}/pictures/${ids[0]}/original?download=1`, download: "" }).click();
    const hidden = (name, value) => el("input", { type: "hidden", name, value });
    const form = el("form", { method: "post", action: `${API}/selections/zip`, hidden: true }, hidden("ids", ids.join(",")), hidden("csrf_token", csrf()));
    document.body.append(form);
    form.submit();
    form.remove();
    return undefined;
  }

  async #copy() {
    try {
      const { paths } = await change("/selections/paths", "POST", { ids: [...this.chosen.keys()] });
      this.#say((await written(paths.join("\n"))) ? `${several(paths.length, "path")} copied` : "The browser did not allow it");
    } catch (problem) {
      this.#say(problem.message);
    }
  }
}
