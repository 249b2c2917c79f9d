// A slideshow: of an answer, an album, the timeline or what was chosen. Space, arrows, speed, full screen.

import { el, icon, legible, styled } from "./dom.js";
import { full, large } from "./client.js";
import { altOf } from "./grid.js";

const SPEEDS = [3, 5, 10, 20]; // seconds
const SPEED_KEY = "imgsearch.slides";
const SHARP = 1500; // px of the window from which the large thumbnail is not enough

/** Show pictures one after the other. `hitAt(number)` gives a hit or a promise of it, nothing behind the last;
 * `start`: the number of the first; `ended(number)` is told where it was left. */
export async function playSlides({ hitAt, start = 0, ended = () => {} }) {
  await styled("slides");
  new Slides({ hitAt, start, ended });
}

class Slides {
  constructor({ hitAt, start, ended }) {
    const seconds = Number(localStorage.getItem(SPEED_KEY));
    Object.assign(this, { hitAt, number: start, seconds: SPEEDS.includes(seconds) ? seconds : 5, playing: true, timer: 0, turn: 0, lock: null });
    this.frame = el("div", { class: "slide-frame" });
    this.says = el("p", { class: "slide-says", "aria-live": "off" });
    this.play = this.#button("pause", "Pause", () => this.toggle());
    this.wide = this.#button("full@more", "Full screen", () => this.#fullScreen());
    const speeds = el("select", { "aria-label": "Seconds a picture", change: (event) => this.#speed(Number(event.target.value)) },
      ...SPEEDS.map((one) => el("option", { value: one, selected: one === this.seconds }, `${one} s`)));
    this.bar = el("div", { class: "slide-bar", role: "toolbar", "aria-label": "Slideshow" },
      this.#button("left", "Previous picture", () => this.step(-1)), this.play, this.#button("right", "Next picture", () => this.step(1)), speeds,
      document.fullscreenEnabled ? this.wide : null, this.#button("close", "Close", () => this.close()));
    this.dialog = el("dialog", { class: "slides", "aria-label": "Slideshow" }, this.frame, this.says, this.bar);
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    for (const kind of ["pointermove", "focusin", "pointerdown"]) this.dialog.addEventListener(kind, () => this.#awake());
    this.frame.addEventListener("click", () => this.toggle());
    this.seen = () => (document.hidden ? clearTimeout(this.timer) : (this.#hold(), this.#later()));
    document.addEventListener("visibilitychange", this.seen);
    this.ended = ended;
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.play.focus();
    this.#hold();
    this.#awake();
    this.#show(start, 1);
  }

  #button(name, text, act) {
    return el("button", { class: "round", type: "button", "aria-label": text, title: text, click: act }, icon(name));
  }

  toggle() {
    this.playing = !this.playing;
    this.play.replaceChildren(icon(this.playing ? "pause" : "play"));
    for (const name of ["aria-label", "title"]) this.play.setAttribute(name, this.playing ? "Pause" : "Go on");
    this.says.setAttribute("aria-live", this.playing ? "off" : "polite"); // who leafs by hand hears what comes
    this.#hold();
    this.#later();
    this.#awake();
  }

  step(way) {
    this.#show(this.number + way, way);
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.sleepy);
    document.removeEventListener("visibilitychange", this.seen);
    this.lock?.release().catch(() => {});
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    this.dialog.close();
    this.dialog.remove();
    this.ended(this.number);
  }

  /** Bring a picture once it is decoded; behind the last comes the first. */
  async #show(number, way) {
    clearTimeout(this.timer);
    const turn = (this.turn += 1);
    let hit = number < 0 ? null : await Promise.resolve(this.hitAt(number)).catch(() => null);
    if (!hit && number > 0 && way > 0) [number, hit] = [0, await this.hitAt(0)];
    if (turn !== this.turn || !this.dialog.open) return undefined;
    if (!hit) return this.#later();
    this.number = number;
    const image = el("img", { alt: altOf(hit), src: large(hit), draggable: "false" });
    try {
      await image.decode();
    } catch {
      if (turn === this.turn && this.dialog.open) return number === 0 && way < 0 ? this.#later() : this.#skip(number, way, turn);
    }
    if (turn !== this.turn || !this.dialog.open) return undefined;
    this.failed = 0;
    const before = [...this.frame.children];
    this.frame.append(image);
    requestAnimationFrame(() => image.classList.add("on"));
    setTimeout(() => before.forEach((old) => old.remove()), 700);
    this.says.textContent = legible(hit.name);
    if (Math.max(innerWidth, innerHeight) * devicePixelRatio > SHARP) this.#sharpen(hit, image);
    this.#later();
    return Promise.resolve(this.hitAt(number + 1)).then((next) => next && (new Image().src = large(next)), () => {});
  }

  /** A picture that is lost does not stop the show, a library that is lost does. */
  #skip(number, way, turn) {
    this.failed = (this.failed ?? 0) + 1;
    if (this.failed > 20 || turn !== this.turn) return undefined;
    return this.#show(number + way, way);
  }

  async #sharpen(hit, image) {
    const better = new Image();
    better.src = full(hit.image_id);
    await better.decode().then(() => image.isConnected && (image.src = better.src), () => {});
  }

  #later() {
    clearTimeout(this.timer);
    if (this.playing && !document.hidden) this.timer = setTimeout(() => this.step(1), this.seconds * 1000);
  }

  #speed(seconds) {
    this.seconds = seconds;
    localStorage.setItem(SPEED_KEY, String(seconds));
    this.#later();
  }

  /** Keep the screen on while pictures come. */
  async #hold() {
    if (!navigator.wakeLock || document.hidden) return;
    if (!this.playing) {
      this.lock?.release().catch(() => {});
      this.lock = null;
    } else if (!this.lock || this.lock.released) this.lock = await navigator.wakeLock.request("screen").catch(() => null);
  }

  #fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    else this.dialog.requestFullscreen().catch(() => {});
  }

  /** The bar goes while nobody moves, unless it has the focus of a keyboard. */
  #awake() {
    clearTimeout(this.sleepy);
    this.dialog.classList.remove("asleep");
    this.sleepy = setTimeout(() => this.dialog.classList.toggle("asleep", this.playing && !this.bar.matches(":has(:focus-visible), :hover")), 2600);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    event.stopPropagation(); // of the lightbox behind it
    this.#awake();
    const selecting = event.target.matches("select");
    const act = {
      " ": event.target.matches("button:not(:focus-visible), dialog") || event.target === this.play ? () => this.toggle() : null,
      ArrowLeft: selecting ? null : () => this.step(-1),
      ArrowRight: selecting ? null : () => this.step(1),
      f: () => this.#fullScreen(),
      "+": () => this.#faster(-1),
      "-": () => this.#faster(1),
      Escape: () => this.close(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #faster(way) {
    const at = SPEEDS.indexOf(this.seconds) + way;
    if (!SPEEDS[at]) return;
    this.bar.querySelector("select").value = String(SPEEDS[at]);
    this.#speed(SPEEDS[at]);
  }
}
