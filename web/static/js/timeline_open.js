// The lightbox over the timeline. Which picture it shows stands in the address.

import { pictureOf } from "./client.js";
import { ROOT, styled } from "./dom.js";

export class OpenedByDate {
  /** `numbers`: id -> number; `total()` of them; `hitAt(number)` if it is known, else `load(number)`; `focus(number)` for when it closes. */
  constructor({ numbers, total, hitAt, load, focus }) {
    Object.assign(this, { numbers, total, hitAt, load, focus, viewer: null, viewing: null });
    addEventListener("popstate", () => this.settle());
  }

  /** Somebody opened a hit. */
  show(hit) {
    address(hit.image_id, "pushState");
    return this.#open(hit);
  }

  /** Show the picture that the address names, or none. */
  async settle() {
    const id = Number(new URLSearchParams(location.search).get("picture"));
    if (!id) return this.viewer?.close({ quiet: true });
    const hit = await (this.numbers.has(id) ? this.hitAt(this.numbers.get(id)) : pictureOf(id).catch(() => null));
    return hit ? this.#open(hit) : address(null, "replaceState");
  }

  async #open(hit) {
    this.viewing ??= Promise.all([import("./viewer.js"), styled("picture")]).then(([{ makeDialog, Viewer }]) => {
      this.viewer = new Viewer(document.body.appendChild(makeDialog()), {
        beside: (id) => [-1, 1].map((way) => this.#neighbour(this.numbers.get(id), way)),
        query: () => "",
        alike: (id) => `${ROOT}/?${new URLSearchParams({ q: `similar:${id}` })}`,
        moved: (id, last) => this.#moved(id, last),
      });
    });
    this.viewing.catch(() => (this.viewing = null));
    await this.viewing;
    this.viewer.open(hit);
  }

  #neighbour(index, way) {
    const wanted = (index ?? NaN) + way;
    if (!(wanted >= 0 && wanted < this.total())) return null;
    const hit = this.hitAt(wanted);
    if (!hit) this.load(wanted).then(() => this.viewer.refresh(), () => {});
    return hit ?? null;
  }

  #moved(id, last) {
    if (id) return address(id, "replaceState");
    if (history.state?.opened) history.back();
    else address(null, "replaceState");
    return this.focus(this.numbers.get(last?.image_id));
  }
}

function address(id, how) {
  const given = new URLSearchParams(location.search);
  if (id) given.set("picture", id);
  else given.delete("picture");
  history[how]({ opened: how === "pushState" || history.state?.opened }, "", `${location.pathname}${given.size ? `?${given}` : ""}`);
}
