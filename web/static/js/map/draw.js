// Draws the map: land, coasts, borders, names, a circle.

import { circle } from "./view.js";

const CLOSE = 0.6; // px: points that are nearer to the one before are left out
const NAMED = 2.2; // zoom from which countries have names
const TOWNS = 4.6; // and towns

export class Drawing {
  constructor(canvas, view) {
    Object.assign(this, { canvas, view, outlines: null, towns: [], area: null, avoided: [] });
    this.context = canvas.getContext("2d");
    this.recolour();
  }

  recolour() {
    const style = getComputedStyle(this.canvas);
    this.colours = Object.fromEntries(["sea", "land", "coast", "border", "text", "muted", "halo", "accent"].map((name) => [name, style.getPropertyValue(`--map-${name}`).trim()]));
    this.font = style.fontFamily;
  }

  draw() {
    const { context, view, canvas } = this;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    const [top, bottom] = [Math.max(0, view.y(90)), Math.min(view.height, view.y(-90))];
    context.fillStyle = this.colours.sea;
    context.fillRect(0, top, view.width, bottom - top);
    this.#graticule(top, bottom);
    if (this.outlines) this.#land();
    if (this.area) this.#circle(this.area);
    this.#names();
  }

  /** The shifts, in px, at which a stretch of longitudes is seen: the globe goes round. */
  #shifts(west, east) {
    const { view } = this;
    const turn = 360 * view.across;
    const left = view.width / 2 + (west - view.lon) * view.across;
    const right = left + (east - west) * view.across;
    const found = [];
    for (let times = Math.ceil(-right / turn); left + times * turn < view.width; times += 1) found.push(times * turn);
    return found;
  }

  #seen(box) {
    const { view } = this;
    return view.y(box[3]) < view.height && view.y(box[1]) > 0 ? this.#shifts(box[0], box[2]) : [];
  }

  #land() {
    const { context, view, outlines } = this;
    context.beginPath();
    for (const { points, box } of outlines.rings) {
      for (const shift of this.#seen(box)) this.#trace(points, shift, true);
    }
    context.fillStyle = this.colours.land;
    context.fill("nonzero");
    for (const [shared, colour, width] of [[true, this.colours.border, view.zoom < 3 ? 0.5 : 0.9], [false, this.colours.coast, view.zoom < 3 ? 0.6 : 1]]) {
      context.beginPath();
      for (const { points, box, uses } of outlines.lines) {
        if (uses > 1 === shared) for (const shift of this.#seen(box)) this.#trace(points, shift, false);
      }
      Object.assign(context, { strokeStyle: colour, lineWidth: width, lineJoin: "round" });
      context.stroke();
    }
  }

  #trace(points, shift, whole) {
    const { context, view } = this;
    const { across, scale } = view;
    const left = view.width / 2 - view.lon * across + shift;
    const top = view.height / 2 + view.lat * scale;
    let [x, y, begun] = [NaN, NaN, false];
    for (let at = 0; at < points.length; at += 2) {
      const [nextX, nextY] = [left + points[at] * across, top - points[at + 1] * scale];
      const last = at + 2 >= points.length;
      if (begun && !last && Math.abs(nextX - x) < CLOSE && Math.abs(nextY - y) < CLOSE) continue;
      if (!begun) context.moveTo(nextX, nextY);
      else context.lineTo(nextX, nextY);
      [x, y, begun] = [nextX, nextY, true];
    }
    if (whole) context.closePath();
  }

  #graticule(top, bottom) {
    const { context, view } = this;
    const step = [30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005].find((one) => one * view.scale < 220) ?? 0.002;
    context.beginPath();
    for (let lat = Math.ceil(Math.max(-90, view.at(0, bottom)[0]) / step) * step; lat <= 90 && view.y(lat) >= top; lat += step) {
      context.moveTo(0, Math.round(view.y(lat)) + 0.5);
      context.lineTo(view.width, Math.round(view.y(lat)) + 0.5);
    }
    const wide = view.width / 2 / view.across;
    const along = step * Math.max(1, 2 ** Math.round(Math.log2(view.scale / view.across)));
    for (let lon = Math.ceil((view.lon - wide) / along) * along; lon <= view.lon + wide; lon += along) {
      const x = Math.round(view.width / 2 + (lon - view.lon) * view.across) + 0.5;
      context.moveTo(x, top);
      context.lineTo(x, bottom);
    }
    Object.assign(context, { strokeStyle: this.colours.border, lineWidth: 1, globalAlpha: 0.35 });
    context.stroke();
    context.globalAlpha = 1;
  }

  #circle({ middle, kilometres }) {
    const { context, view } = this;
    context.beginPath();
    const from = view.x(middle[1]);
    circle(middle, kilometres).forEach(([lat, lon], at) => context[at ? "lineTo" : "moveTo"](from + (lon - middle[1]) * view.across, view.y(lat)));
    context.closePath();
    Object.assign(context, { fillStyle: this.colours.accent, globalAlpha: 0.14 });
    context.fill();
    Object.assign(context, { strokeStyle: this.colours.accent, lineWidth: 2, globalAlpha: 1 });
    context.stroke();
  }

  #names() {
    const { view, outlines } = this;
    const taken = [...this.avoided];
    if (view.zoom >= TOWNS) for (const town of this.towns) this.#town(town, taken);
    if (outlines && view.zoom >= NAMED && view.zoom < 8) {
      for (const { name, at, size } of outlines.countries) {
        if (size * view.scale > 9 * name.length) this.#label(name.toUpperCase(), view.x(at[0]), view.y(at[1]), { size: 10.5, spaced: 1.2, muted: true, centred: true }, taken);
      }
    }
  }

  #town({ name, latitude, longitude, population }, taken) {
    const { context, view } = this;
    const [x, y] = [view.x(longitude), view.y(latitude)];
    if (x < -50 || y < 0 || x > view.width || y > view.height) return;
    if (!this.#label(name, x + 6, y, { size: population > 1e6 ? 13 : 11.5, muted: population < 1e5 }, taken)) return;
    context.beginPath();
    context.arc(x, y, 2.2, 0, 7);
    context.fillStyle = this.colours.muted;
    context.fill();
  }

  #label(text, x, y, { size, muted = false, centred = false, spaced = 0 }, taken) {
    const { context } = this;
    context.font = `500 ${size}px ${this.font}`;
    if ("letterSpacing" in context) context.letterSpacing = `${spaced}px`;
    const wide = context.measureText(text).width;
    const left = centred ? x - wide / 2 : x;
    const box = [left - 8, y - size * 0.75, left + wide + 3, y + size * 0.75];
    if (taken.some((one) => box[0] < one[2] && box[2] > one[0] && box[1] < one[3] && box[3] > one[1])) return false;
    taken.push(box);
    Object.assign(context, { textBaseline: "middle", lineWidth: 3, lineJoin: "round", strokeStyle: this.colours.halo, fillStyle: muted ? this.colours.muted : this.colours.text });
    context.strokeText(text, left, y);
    context.fillText(text, left, y);
    return true;
  }
}
