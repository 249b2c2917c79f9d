// The clusters: a small picture with a number for each, and the same as a list.

import { count, el, ROOT, several } from "../dom.js";

const LISTED = 100;
const MARGIN = 40; // px

const WIDE = 40; // km: a name is then that of the fullest spot

/** Where a cluster is, in words. */
export function saidOf({ place, radius_km: radius, latitude, longitude }) {
  const degrees = (value, [less, more]) => `${Math.abs(value).toFixed(2)}° ${value < 0 ? less : more}`;
  if (!place) return `${degrees(latitude, ["south", "north"])}, ${degrees(longitude, ["west", "east"])}`;
  return radius > WIDE && place.km < WIDE ? `${place.name}, ${place.country} and beyond` : place.said;
}
export const addressOf = (search) => `${ROOT}/?${new URLSearchParams({ q: search })}`;

export class Pins {
  /** `chosen(cluster)` is called for the one that is clicked. */
  constructor(place, list, view, chosen) {
    Object.assign(this, { place, list, view, chosen, shown: new Map(), clusters: [] });
  }

  /** Show clusters; the pins of those that stay are kept, and with them the focus. */
  show(clusters) {
    this.clusters = clusters;
    const wanted = new Map(clusters.map((one) => [`${one.image_id} ${one.latitude} ${one.longitude} ${one.count}`, one]));
    const focused = this.place.contains(document.activeElement) ? document.activeElement.cluster : null;
    for (const [key, pin] of this.shown) {
      if (wanted.has(key)) continue;
      pin.remove();
      this.shown.delete(key);
    }
    for (const [key, one] of wanted) {
      if (this.shown.has(key)) continue;
      const pin = this.#made(one);
      this.shown.set(key, pin);
    }
    const ordered = [...wanted.keys()].map((key) => this.shown.get(key));
    ordered.forEach((pin, at) => {
      if (this.place.children[at] !== pin) this.place.insertBefore(pin, this.place.children[at] ?? null);
      pin.style.zIndex = String(ordered.length - at);
    });
    if (focused && !this.place.contains(document.activeElement)) this.#nearest(focused)?.focus({ preventScroll: true });
    this.put();
  }

  /** Put every pin where its place is now seen. Returns the boxes that they cover. */
  put() {
    const covered = [];
    for (const pin of this.shown.values()) {
      const { latitude, longitude } = pin.cluster;
      const [x, y] = [this.view.x(longitude), this.view.y(latitude)];
      const seen = x > -MARGIN && y > -MARGIN && x < this.view.width + MARGIN && y < this.view.height + MARGIN;
      pin.hidden = !seen;
      if (!seen) continue;
      pin.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
      const half = pin.classList.contains("dot") ? 10 : 27;
      covered.push([x - half, y - half, x + half, y + half]);
    }
    return covered;
  }

  /** The list says what is in the window, the fullest first. */
  tell() {
    const { view } = this;
    const seen = this.clusters.filter(({ latitude, longitude }) => {
      const [x, y] = [view.x(longitude), view.y(latitude)];
      return x >= 0 && y >= 0 && x <= view.width && y <= view.height;
    });
    const rows = seen.slice(0, LISTED).map((one) => {
      const row = el("a", { href: addressOf(one.search), click: (event) => this.#followed(event, one) }, el("span", {}, saidOf(one)), el("span", { class: "count" }, count(one.count)));
      row.setAttribute("aria-label", `${saidOf(one)}: ${several(one.count, "picture")}`);
      return el("li", {}, row);
    });
    const rest = seen.length - rows.length;
    if (rest > 0) rows.push(el("li", { class: "rest" }, `and ${several(rest, "smaller place")}`));
    if (!rows.length) rows.push(el("li", { class: "rest" }, "No picture was taken in this part of the map."));
    if (!this.list.contains(document.activeElement)) this.list.replaceChildren(...rows);
    return seen.reduce((sum, one) => sum + one.count, 0);
  }

  #followed(event, one) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.chosen(one, { open: true });
  }

  #nearest({ latitude, longitude }) {
    const far = (pin) => Math.hypot(pin.cluster.latitude - latitude, pin.cluster.longitude - longitude);
    return [...this.shown.values()].filter((pin) => !pin.hidden).sort((one, other) => far(one) - far(other))[0];
  }

  #made(one) {
    const label = `${several(one.count, "picture")}, ${saidOf(one)}`;
    const image = one.thumbnail && el("img", { src: one.thumbnail, alt: "", draggable: "false", decoding: "async" });
    const pin = el("button", { type: "button", class: one.thumbnail ? "pin" : "pin dot", "aria-label": label, title: label, click: () => this.chosen(one) },
      image, one.count > 1 && one.thumbnail && el("span", { class: "many", "aria-hidden": "true" }, short(one.count)));
    pin.cluster = one;
    return pin;
  }
}

/** 1234 as "1.2k": there is little room. */
function short(number) {
  if (number < 1000) return String(number);
  const [value, unit] = number < 999_500 ? [number / 1000, "k"] : [number / 1e6, "m"];
  return `${value < 10 ? value.toFixed(1).replace(/\.0$/, "") : Math.round(value)}${unit}`;
}
