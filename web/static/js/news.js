// Pictures that came since a page was made: filled in where nothing moves, else a button says how many there are.

import { ask } from "./client.js";
import { el, icon, several, styled } from "./dom.js";

const REST = 10_000; // ms between two looks
const BUSY = 2_000; // while a run brings pictures
const SHARE = 10; // times as long as filling in took, at least: a map of a million is not read anew all the time

export class News {
  /**
   * `query()` is what the page shows, null for nothing that could be read; `fill(count, newest)` puts new pictures where nothing moves, and says whether it did; `show()` makes the
   * page anew, because somebody wants to see them; `whole` is false where words decide, so that nobody knows what of the new fits.
   */
  constructor({ query, fill, show, whole = () => true }) {
    Object.assign(this, { query, fill, show, whole, timer: 0, asked: 0 });
    this.since = Number(document.getElementById("newest")?.dataset.newest ?? 0);
    this.place = el("p", { class: "news", role: "status" });
    styled("news").catch(() => {});
    document.querySelector("main").prepend(this.place);
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
    document.addEventListener("run-over", () => this.look());
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#later(document.getElementById("running") ? BUSY : REST);
  }

  /** The page shows something else: only what comes from now on is new. `newest` is the id of the last picture that it may hold. */
  async begin(newest = null) {
    const mine = (this.asked += 1);
    this.place.replaceChildren();
    if (newest !== null) this.since = newest;
    else {
      const told = await ask("/changes").catch(() => null);
      if (mine === this.asked && told) this.since = told.newest;
    }
  }

  async look() {
    clearTimeout(this.timer);
    if (document.hidden || !navigator.onLine || this.query() === null) return this.#later(REST);
    const mine = this.asked;
    let pause = REST;
    try {
      const told = await ask("/changes", { query: { q: this.query(), since: this.since } });
      if (told.job && told.job.state !== "paused") pause = BUSY;
      if (mine === this.asked && told.count) {
        const begun = performance.now();
        const filled = await this.fill(told.count, told.newest);
        pause = Math.max(pause, SHARE * (performance.now() - begun));
        if (filled) this.begin(told.newest);
        else if (mine === this.asked) this.#tell(told.count);
      }
    } catch {
      // the page says itself that the server does not answer
    }
    return this.#later(pause);
  }

  #later(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), pause);
  }

  #tell(count) {
    const text = this.whole() ? several(count, "new picture") : `${several(count, "new picture")}: search again`;
    const button = this.place.querySelector("button");
    if (button?.textContent === text) return;
    if (button) button.lastChild.textContent = text;
    else this.place.append(el("button", { class: "button", type: "button", title: "Show them (n)", "aria-keyshortcuts": "n", click: () => this.#wanted() }, icon("up"), el("span", {}, text)));
  }

  #wanted() {
    this.begin();
    this.show();
  }

  #key(event) {
    if (event.key !== "n" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, dialog, [popover]")) return;
    if (this.place.firstChild) this.#wanted();
  }
}
