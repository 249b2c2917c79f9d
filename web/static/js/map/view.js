// Where the map looks: a middle and a zoom. Degrees of latitude are equally high everywhere; degrees of longitude are as wide as
// they are at the middle, so that shapes near it are true at every latitude, the poles can be seen, and the map goes on across 180.

const RADIAN = Math.PI / 180;
const BASE = 1.5; // px of a degree of latitude at zoom 0, where the server's cells are 45 degrees: 67 px a cell at every zoom
export const MOST = 16; // px of 1 m
const EARTH = 6371.0088; // km
const BEYOND = 50; // px behind a pole, where the picture taken there has room

export const wrapped = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;
export const scaleOf = (zoom) => BASE * 2 ** zoom;

export class View {
  constructor() {
    Object.assign(this, { lat: 15, lon: 10, zoom: 1, width: 1, height: 1 });
  }

  get scale() {
    return scaleOf(this.zoom);
  }

  /** Px of a degree of longitude. */
  get across() {
    return this.scale * Math.max(0.05, Math.cos(this.lat * RADIAN));
  }

  get least() {
    return Math.log2(Math.max(1, Math.min(this.height / 180, this.width / 360)) / BASE);
  }

  x(lon) {
    return this.width / 2 + wrapped(lon - this.lon) * this.across;
  }

  y(lat) {
    return this.height / 2 - (lat - this.lat) * this.scale;
  }

  /** [lat, lon] under a point of the window. */
  at(x, y) {
    const lat = Math.min(90, Math.max(-90, this.lat - (y - this.height / 2) / this.scale));
    return [lat, wrapped(this.lon + (x - this.width / 2) / this.across)];
  }

  size(width, height) {
    Object.assign(this, { width, height });
    this.settle();
  }

  /** Keep the poles at the edges, or the whole globe in the middle. */
  settle() {
    this.zoom = Math.min(MOST, Math.max(this.least, this.zoom));
    const most = Math.max(0, 90 - (this.height / 2 - BEYOND) / this.scale);
    this.lat = Math.min(most, Math.max(-most, this.lat));
    this.lon = wrapped(this.lon);
  }

  pan(x, y) {
    this.lat += y / this.scale;
    this.lon -= x / this.across;
    this.settle();
  }

  /** Zoom so that what lies under a point stays there. */
  zoomAt(zoom, x, y) {
    const [lat, lon] = this.at(x, y);
    this.zoom = zoom;
    this.settle();
    for (let again = 0; again < 3; again += 1) { // the width of degrees changes with the middle
      const [hereLat, hereLon] = this.at(x, y);
      this.lat += lat - hereLat;
      this.lon += wrapped(lon - hereLon);
      this.settle();
    }
  }

  /** The state that shows [south, west, north, east] with room around it. */
  fitted([south, west, north, east], most = 12) {
    const wide = east >= west ? east - west : east - west + 360;
    const lat = (south + north) / 2;
    const room = 0.72;
    const byHeight = (this.height * room) / Math.max(1e-6, north - south);
    const byWidth = (this.width * room) / Math.max(1e-6, wide * Math.max(0.05, Math.cos(lat * RADIAN)));
    const zoom = Math.log2(Math.min(byHeight, byWidth) / BASE);
    return { lat, lon: wrapped(west + wide / 2), zoom: Math.min(most, Math.max(this.least, zoom)) };
  }

  /** South, west, north, east of the window, `more` of its size to every side. */
  box(more) {
    const high = this.height * (0.5 + more);
    const wide = (this.width * (0.5 + more)) / this.across;
    const south = Math.max(-90, this.lat - high / this.scale);
    const north = Math.min(90, this.lat + high / this.scale);
    return wide >= 180 ? [south, -180, north, 180] : [south, wrapped(this.lon - wide), north, wrapped(this.lon + wide)];
  }
}

/** Kilometres along the great circle. */
export function distance([lat, lon], [north, east]) {
  const half = Math.sin(((north - lat) * RADIAN) / 2) ** 2 + Math.cos(lat * RADIAN) * Math.cos(north * RADIAN) * Math.sin(((east - lon) * RADIAN) / 2) ** 2;
  return 2 * EARTH * Math.asin(Math.min(1, Math.sqrt(half)));
}

/** The places at a distance from one, as [lat, lon] all around. */
export function circle([lat, lon], kilometres, steps = 72) {
  const far = kilometres / EARTH;
  return Array.from({ length: steps + 1 }, (_, step) => {
    const way = (step / steps) * 2 * Math.PI;
    const north = Math.asin(Math.sin(lat * RADIAN) * Math.cos(far) + Math.cos(lat * RADIAN) * Math.sin(far) * Math.cos(way));
    const east = Math.atan2(Math.sin(way) * Math.sin(far) * Math.cos(lat * RADIAN), Math.cos(far) - Math.sin(lat * RADIAN) * Math.sin(north));
    return [north / RADIAN, lon + east / RADIAN];
  });
}
