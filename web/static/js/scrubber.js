// The scrubber of the pictures by date: a slider whose steps are months.

import { el } from "./dom.js";
import { monthName } from "./months.js";

const LEAST = 26; // px between two years

export class Scrubber {
  /** `jump(y)` goes to a height of the layout. */
  constructor(place, jump) {
    Object.assign(this, { place, jump, months: null, quiet: 0 });
    this.said = place.querySelector("output");
    this.thumb = place.querySelector(".thumb");
    place.addEventListener("pointerdown", (event) => {
      place.setPointerCapture(event.pointerId);
      place.classList.add("held");
      this.#drag(event);
    });
    place.addEventListener("pointermove", (event) => place.hasPointerCapture(event.pointerId) && this.#drag(event));
    place.addEventListener("lostpointercapture", () => place.classList.remove("held"));
    place.addEventListener("keydown", (event) => this.#key(event));
  }

  show(months) {
    this.months = months;
    this.place.hidden = months.total === 0;
    this.place.setAttribute("aria-valuemin", "0");
    this.place.setAttribute("aria-valuemax", String(Math.max(0, months.all.length - 1)));
    for (const old of this.place.querySelectorAll(".year")) old.remove();
    const room = this.place.clientHeight;
    let free = -LEAST;
    let before = null;
    for (const month of months.all) {
      const top = (month.top / months.height) * room;
      if (!month.year || month.year === before || top - free < LEAST) continue;
      const mark = el("span", { class: "year", "aria-hidden": "true" }, String(month.year));
      mark.style.top = `${top}px`;
      this.place.append(mark);
      [before, free] = [month.year, top];
    }
  }

  /** The page has been scrolled to a height; `most` is the last one. */
  follow(y, most) {
    if (!this.months?.all.length) return;
    const at = this.months.at(y + 1);
    const share = most > 0 ? Math.min(1, y / most) : 0;
    this.thumb.style.top = this.said.style.top = `${share * this.place.clientHeight}px`;
    const name = monthName(this.months.all[at]);
    if (this.said.textContent !== name) this.said.textContent = name;
    this.place.setAttribute("aria-valuenow", String(at));
    this.place.setAttribute("aria-valuetext", name);
    this.place.classList.add("moving");
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => this.place.classList.remove("moving"), 900);
  }

  #drag(event) {
    const box = this.place.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    this.jump(share * this.months.height, share);
  }

  #key(event) {
    const here = Number(this.place.getAttribute("aria-valuenow"));
    const { all } = this.months;
    const year = (way) => {
      let at = here;
      while (all[at + way] && all[at + way].year === all[here].year) at += way;
      return at + way;
    };
    const to = {
      ArrowUp: () => here - 1, ArrowLeft: () => here - 1, ArrowDown: () => here + 1, ArrowRight: () => here + 1,
      PageUp: () => year(-1), PageDown: () => year(1), Home: () => 0, End: () => all.length - 1,
    }[event.key]?.();
    if (to === undefined) return;
    event.preventDefault();
    this.jump(all[Math.min(all.length - 1, Math.max(0, to))].top);
  }
}
