// The lightbox: a dialog over the grid. Which picture it shows stands in the address.

import { el, icon, legible, WRITES } from "./dom.js";
import { large } from "./client.js";
import { fillDetails, fillKept, fillTexts, fillWords } from "./details.js";
import { Stage } from "./stage.js";

const PANEL_KEY = "imgsearch.panel";
const WIDE = matchMedia("(min-width: 861px)");

export class Viewer {
  /** `beside(id)` gives the hits before and behind; `query()` the text; `alike(id)` an address; `moved(id | null)` is told
   * which picture is shown, null when the dialog has closed. */
  constructor(dialog, { beside, query, alike, moved }) {
    Object.assign(this, { dialog, beside, query, alike, moved, shown: null, leaving: new AbortController() });
    this.panel = dialog.querySelector(".panel");
    this.caption = dialog.querySelector(".caption");
    this.name = dialog.querySelector("header h2");
    this.info = dialog.querySelector("[data-do=info]");
    this.steps = { "-1": dialog.querySelector(".back"), 1: dialog.querySelector(".forth") };
    this.stage = new Stage(dialog.querySelector(".stage"), { swiped: (way) => this.step(way), dismissed: () => this.close() });
    dialog.querySelector("[data-do=close]").addEventListener("click", () => this.close());
    for (const act of ["favourite", "slides"]) dialog.querySelector(`[data-do=${act}]`).addEventListener("click", () => this.#do(act));
    this.panel.addEventListener("click", (event) => {
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (act) this.#do(act);
    });
    document.addEventListener("kept", ({ detail }) => this.#kept(detail));
    dialog.querySelector("[data-do=zoom]").addEventListener("click", () => this.stage.zoom(this.stage.scale > 1 ? 1 : 2.5));
    this.info.addEventListener("click", () => this.#fold(!this.panel.hidden));
    for (const way of [-1, 1]) this.steps[way].addEventListener("click", () => this.step(way));
    dialog.addEventListener("keydown", (event) => this.#key(event));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    this.#fold(WIDE.matches ? localStorage.getItem(PANEL_KEY) === "folded" : true, false);
  }

  /** Show a hit: opens the dialog if it is closed. */
  open(hit) {
    if (!this.dialog.open) {
      veil(true);
      this.dialog.showModal();
      this.dialog.querySelector("[data-do=close]").focus();
    }
    if (this.shown?.image_id === hit.image_id) return;
    this.shown = hit;
    this.leaving.abort();
    this.leaving = new AbortController();
    this.name.textContent = legible(hit.name ?? "");
    this.dialog.setAttribute("aria-label", hit.name ?? "Picture");
    this.caption.textContent = "";
    this.caption.hidden = !WRITES; // its place is kept where one may come
    this.stage.show(hit);
    this.#heart();
    this.refresh();
    this.#fill(hit, this.leaving.signal);
  }

  /** The grid has changed: other pictures may stand beside this one. */
  refresh() {
    if (!this.shown) return;
    const [before, behind] = this.beside(this.shown.image_id);
    const active = document.activeElement;
    this.steps[-1].disabled = !before;
    this.steps[1].disabled = !behind;
    if (active?.disabled) this.dialog.querySelector("[data-do=close]").focus();
    for (const hit of [behind, before]) if (hit) new Image().src = large(hit);
  }

  step(way) {
    const next = this.beside(this.shown.image_id)[way < 0 ? 0 : 1];
    if (!next) return;
    this.open(next);
    this.moved(next.image_id);
  }

  /** Close, and tell it; `quiet` where the address has changed already. */
  close({ quiet = false } = {}) {
    if (!this.dialog.open) return;
    this.leaving.abort();
    this.dialog.close();
    veil(false);
    const last = this.shown;
    this.shown = null;
    if (!quiet) this.moved(null, last);
  }

  async #fill(hit, signal) {
    const text = this.query();
    const filling = fillDetails(this.panel, hit, { text, warm: (grid) => this.stage.warm(grid), alike: this.alike, signal });
    fillTexts(this, hit, filling, signal);
    fillWords(this, hit, filling, text, signal);
    this.filled = false;
    const picture = await filling;
    if (!picture || signal.aborted) return;
    this.filled = true;
    hit.favourite = picture.favourite;
    hit.hidden = picture.hidden;
    this.#heart();
    const { moveStage } = await import("./motion.js");
    if (!signal.aborted) moveStage(this.stage, picture, signal);
  }

  /** What may be done with the picture that is shown; nothing of it is loaded before. */
  async #do(act) {
    const hit = this.shown;
    const { actOn } = await import("./viewer_acts.js");
    if (hit) actOn(act, hit, this);
  }

  #kept({ mark, ids, on }) {
    if (!this.shown || !ids.includes(this.shown.image_id)) return;
    if (mark) this.shown[mark] = on;
    this.#heart();
    if (this.filled) fillKept(this.panel, this.shown.image_id, this.leaving.signal);
  }

  #heart() {
    const button = this.dialog.querySelector("[data-do=favourite]");
    button.setAttribute("aria-pressed", String(Boolean(this.shown?.favourite)));
  }

  #fold(folded, remembered = true) {
    this.panel.hidden = folded;
    this.info.setAttribute("aria-expanded", String(!folded));
    if (remembered && WIDE.matches) localStorage.setItem(PANEL_KEY, folded ? "folded" : "open");
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input")) return;
    const act = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      "+": () => this.stage.zoom(this.stage.scale * 1.5),
      "=": () => this.stage.zoom(this.stage.scale * 1.5),
      "-": () => this.stage.zoom(this.stage.scale / 1.5),
      0: () => this.stage.zoom(1),
      i: () => this.#fold(!this.panel.hidden),
      ...Object.fromEntries(Object.entries({ f: "favourite", b: "album", h: "hide", c: "copy", p: "slides", z: "undo" }).map(([key, act]) => [key, () => this.#do(act)])),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** Keep the page behind from scrolling, and from growing by the width of its scrollbar. */
function veil(on) {
  const bar = innerWidth - document.documentElement.clientWidth;
  document.documentElement.classList.toggle("veiled", on);
  document.body.style.paddingRight = on && bar ? `${bar}px` : "";
}

/** The dialog's parts; made here, since without scripts there is none. */
export function makeDialog() {
  const button = (name, act, label, kind = "round") => el("button", { class: kind, type: "button", "data-do": act, "aria-label": label, title: label }, icon(name));
  return el("dialog", { class: "viewer" },
    el("header", {}, el("h2", {}), button("heart@more", "favourite", "Favourite"), button("play", "slides", "Slideshow"), button("zoom", "zoom", "Zoom"), button("info", "info", "Details"), button("close", "close", "Close")),
    el("div", { class: "stage" }, button("left", "back", "Previous picture", "round step back"), button("right", "forth", "Next picture", "round step forth")),
    el("p", { class: "caption", hidden: true }),
    el("aside", { class: "panel", "aria-label": "Details", tabindex: "0" }));
}
