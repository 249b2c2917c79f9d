// Mouse, touch and keys on the map.

const STILL = 5; // px that a press may move and be a click
const STEP = 90; // px of an arrow key

export class Gestures {
  /** `act`: pan(x, y), zoomAt(zoom, x, y, smoothly), all(), measure(from, to, done), escape(); `measuring()` says whether a
   * drag draws a circle. */
  constructor(place, view, act) {
    Object.assign(this, { place, view, act, held: new Map(), moved: false, from: null });
    place.addEventListener("pointerdown", (event) => this.#down(event));
    place.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) place.addEventListener(name, (event) => this.#up(event));
    place.addEventListener("click", (event) => {
      if (!this.moved) return;
      event.preventDefault(); // a drag that ends on a picture
      event.stopPropagation();
    }, true);
    place.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    place.addEventListener("dblclick", (event) => {
      if (!event.target.closest("button, a, .tray")) act.zoomAt(view.zoom + 1, ...this.#point(event), true);
    });
    place.addEventListener("keydown", (event) => this.#key(event));
    place.addEventListener("dragstart", (event) => event.preventDefault());
  }

  #point(event) {
    const box = this.place.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    this.moved = false;
    if (event.button || event.target.closest(".tray, .controls, .sources")) return;
    this.held.set(event.pointerId, this.#point(event));
    if (this.held.size === 1) this.from = { point: this.#point(event), measured: event.shiftKey || this.act.measuring() };
    else if (this.from) this.from.measured = false;
  }

  #move(event) {
    const before = this.held.get(event.pointerId);
    if (!before) return;
    const now = this.#point(event);
    if (!this.moved) {
      if (Math.hypot(now[0] - this.from.point[0], now[1] - this.from.point[1]) < STILL) return;
      this.moved = true;
      for (const id of this.held.keys()) this.place.setPointerCapture(id);
    }
    this.held.set(event.pointerId, now);
    if (this.from.measured) return this.act.measure(this.from.point, now, false);
    if (this.held.size > 1) return this.#pinch(event.pointerId, before, now);
    return this.act.pan(now[0] - before[0], now[1] - before[1]);
  }

  #pinch(id, before, now) {
    const other = [...this.held].find(([one]) => one !== id)[1];
    const apart = (point) => Math.max(20, Math.hypot(point[0] - other[0], point[1] - other[1]));
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    this.act.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.act.zoomAt(this.view.zoom + Math.log2(apart(now) / apart(before)), ...middle, false);
  }

  #up(event) {
    if (!this.held.delete(event.pointerId) || this.held.size) return;
    if (this.moved && this.from?.measured) this.act.measure(this.from.point, this.#point(event), true);
    this.from = null;
    setTimeout(() => (this.moved = false)); // behind the click that may follow
  }

  #wheel(event) {
    if (event.target.closest(".tray")) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 24 : 1;
    this.act.zoomAt(this.view.zoom - Math.max(-1, Math.min(1, event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.004))), ...this.#point(event), false);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest(".tray, .sources")) return;
    const far = event.shiftKey ? 3 * STEP : STEP;
    const middle = [this.view.width / 2, this.view.height / 2];
    const act = {
      ArrowLeft: () => this.act.pan(far, 0), ArrowRight: () => this.act.pan(-far, 0), ArrowUp: () => this.act.pan(0, far), ArrowDown: () => this.act.pan(0, -far),
      "+": () => this.act.zoomAt(this.view.zoom + 1, ...middle, true), "=": () => this.act.zoomAt(this.view.zoom + 1, ...middle, true),
      "-": () => this.act.zoomAt(this.view.zoom - 1, ...middle, true), _: () => this.act.zoomAt(this.view.zoom - 1, ...middle, true),
      0: () => this.act.all(), Home: () => this.act.all(), Escape: () => this.act.escape(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
