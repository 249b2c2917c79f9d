// One picture that fits its place, and is zoomed, moved and swiped; a heat map may lie over it.

import { el } from "./dom.js";
import { full, large } from "./client.js";

const DEEPEST = 8;
const MOST_ENLARGED = 3; // a tiny picture is not blown up to a blur
const SWIPE = 56; // pixels
const MARGIN = 20; // pixels around a picture on a wide screen

export class Stage {
  /** `swiped(-1 | 1)`: to the picture before or behind; `dismissed()`: swiped down. */
  constructor(place, { swiped = () => {}, dismissed = () => {} } = {}) {
    this.place = place;
    this.frame = el("div", { class: "frame" });
    this.heat = el("canvas", { "aria-hidden": "true" });
    Object.assign(this, { swiped, dismissed, scale: 1, x: 0, y: 0, fingers: new Map(), picture: null });
    place.prepend(this.frame);
    place.addEventListener("pointerdown", (event) => this.#down(event));
    place.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) place.addEventListener(kind, (event) => this.#up(event));
    place.addEventListener("dblclick", (event) => event.target.closest("button, .read text") || this.zoom(this.scale > 1 ? 1 : 2.5, event));
    place.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.#fit()).observe(place);
  }

  /** Show a picture: the small thumbnail, which the grid has already, then the large one over it. */
  show(picture) {
    this.picture = picture;
    this.sharp = false;
    this.large = el("img", { alt: picture.name ?? "", src: large(picture), draggable: "false" });
    const small = el("img", { alt: "", src: picture.thumbnail, draggable: "false" });
    this.large.addEventListener("error", () => this.#showKept(picture, small, this.large), { once: true });
    this.heat.classList.remove("lit");
    this.frame.replaceChildren(small, this.large, this.heat);
    this.zoom(1);
    this.#fit();
  }

  /** The large thumbnail cannot be made any more: one that the server or this browser kept, in its place, too, else a broken picture lies over it. */
  async #showKept({ thumbnail }, small, large) {
    for (const kept of [thumbnail, `${thumbnail}?size=medium`]) {
      small.src = kept;
      try {
        await small.decode();
        large.src = kept;
        return;
      } catch {
        // the next one
      }
    }
    if (this.frame.contains(small)) this.frame.append(el("p", { class: "lost" }, "The picture cannot be shown: its file is not there any more, and nothing was kept of it."));
  }

  /** Tell in words what the picture shows. */
  describe(text) {
    this.large.alt = text;
  }

  /** Zoom to `scale`, holding the point under `event`, or the middle. */
  zoom(scale, event = null) {
    const box = this.place.getBoundingClientRect();
    const [px, py] = event ? [event.clientX - box.left, event.clientY - box.top] : [box.width / 2, box.height / 2];
    const next = Math.min(DEEPEST, Math.max(1, scale));
    this.x = px - ((px - this.x) * next) / this.scale;
    this.y = py - ((py - this.y) * next) / this.scale;
    this.scale = next;
    if (next === 1) [this.x, this.y] = [0, 0];
    this.#place();
    if (next > 1.2) this.#sharpen();
  }

  /** Lay a grid of numbers from 0 to 1 over the picture; null takes it away. */
  warm(grid) {
    this.heat.classList.toggle("lit", Boolean(grid));
    if (!grid) return;
    const [high, wide] = [grid.length, grid[0].length];
    const small = el("canvas", { width: wide, height: high });
    const pixels = new ImageData(wide, high);
    grid.flat().forEach((value, at) => pixels.data.set(colour(value), 4 * at));
    small.getContext("2d").putImageData(pixels, 0, 0);
    Object.assign(this.heat, { width: 480, height: Math.round((480 * this.picture.height) / this.picture.width) });
    const brush = this.heat.getContext("2d");
    brush.imageSmoothingQuality = "high";
    brush.drawImage(small, 0, 0, this.heat.width, this.heat.height);
  }

  /** Lay something of the picture's shape over it, in place of what lay there; null takes it away. */
  lay(layer) {
    this.frame.querySelector(".read")?.remove();
    if (layer) this.frame.append(layer);
  }

  #fit() {
    if (!this.picture) return;
    const { width, height } = this.picture;
    const room = this.place.getBoundingClientRect();
    const margin = room.width > 700 ? MARGIN : 0;
    const fitted = Math.min((room.width - 2 * margin) / width, (room.height - 2 * margin) / height, Math.max(MOST_ENLARGED, 480 / Math.max(width, height)));
    this.size = [width * fitted, height * fitted];
    this.left = (room.width - this.size[0]) / 2;
    this.top = (room.height - this.size[1]) / 2;
    Object.assign(this.frame.style, { width: `${this.size[0]}px`, height: `${this.size[1]}px` });
    this.#place();
  }

  /** Keep the picture in view and draw it there. */
  #place() {
    const room = this.place.getBoundingClientRect();
    if (this.scale > 1 && this.size) {
      this.x = held(this.x, this.left, this.size[0], this.scale, room.width);
      this.y = held(this.y, this.top, this.size[1], this.scale, room.height);
    }
    this.place.classList.toggle("near", this.scale > 1);
    const [left, top] = [this.x + (this.left ?? 0) * this.scale, this.y + (this.top ?? 0) * this.scale];
    this.frame.style.transform = `translate(${left}px, ${top}px) scale(${this.scale})`;
  }

  /** Zoomed in, the picture in full size takes the thumbnail's place once it is there. */
  async #sharpen() {
    const { large, picture } = this;
    if (this.sharp || !large) return;
    this.sharp = true;
    const whole = new Image();
    whole.src = full(picture.image_id);
    try {
      await whole.decode();
      large.src = whole.src;
    } catch {
      this.sharp = true; // gone or not showable: the thumbnail stays
    }
  }

  #down(event) {
    if (event.target.closest("button, a, .read text") || event.button) return;
    this.place.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { at: event, from: event });
  }

  #move(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) return;
    const [dx, dy] = [event.clientX - finger.at.clientX, event.clientY - finger.at.clientY];
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const spread = (one) => Math.hypot(one.clientX - other.at.clientX, one.clientY - other.at.clientY);
      const middle = { clientX: (event.clientX + other.at.clientX) / 2, clientY: (event.clientY + other.at.clientY) / 2 };
      this.pinched = true;
      this.zoom((this.scale * spread(event)) / Math.max(1, spread(finger.at)), middle);
    } else if (this.scale > 1) {
      this.x += dx;
      this.y += dy;
      this.#place();
    } else if (event.pointerType !== "mouse" && !this.pinched) {
      this.x = event.clientX - finger.from.clientX;
      this.#place();
    }
    finger.at = event;
  }

  #up(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!this.fingers.delete(event.pointerId) || this.fingers.size) return;
    const [dx, dy] = [event.clientX - finger.from.clientX, event.clientY - finger.from.clientY];
    const swipe = this.scale === 1 && !this.pinched && event.type === "pointerup" && event.pointerType !== "mouse";
    this.pinched = false;
    if (this.scale === 1) {
      [this.x, this.y] = [0, 0];
      this.#place();
    }
    if (swipe && Math.abs(dx) > SWIPE && Math.abs(dx) > 1.4 * Math.abs(dy)) this.swiped(dx < 0 ? 1 : -1);
    else if (swipe && dy > 1.6 * SWIPE && dy > 1.4 * Math.abs(dx)) this.dismissed();
  }

  #wheel(event) {
    event.preventDefault();
    this.zoom(this.scale * Math.exp(-event.deltaY / (event.ctrlKey ? 120 : 400)), event);
  }
}

/** An offset that leaves no gap where the picture is larger than its room, and centres it where it is smaller. */
function held(offset, start, length, scale, room) {
  const [long, first] = [length * scale, start * scale];
  if (long <= room) return (room - long) / 2 - first;
  return Math.min(-first, Math.max(room - long - first, offset));
}

/** From clear over violet and orange to a light yellow: told apart by lightness alone, too. */
function colour(value) {
  const stops = [[38, 10, 90], [150, 30, 120], [235, 90, 60], [255, 190, 60], [255, 250, 180]];
  const at = Math.min(0.999, Math.max(0, value)) * (stops.length - 1);
  const [low, part] = [stops[Math.floor(at)], at % 1];
  const high = stops[Math.floor(at) + 1];
  return [...low.map((tone, band) => tone + (high[band] - tone) * part), 60 + 190 * Math.min(1, value * 1.3)];
}
