// The justified grid. Rows are made by style sheets alone (css/search.css); here tiles come, move and are held back.

import { calm, day, el, percent } from "./dom.js";
import { srcset } from "./client.js";

const MOVE = { duration: 460, easing: "cubic-bezier(.2, .75, .2, 1)" };
const NARROWEST = 0.45;
const WIDEST = 3.2;
const AHEAD = "150px"; // of the window: what browsers load ahead by themselves, 1,250 to 2,500, is half of a first load

/** How long a picture's longer side is in its tile; web/http/tiles.py says why. */
function sizesOf({ width, height }) {
  const longer = Math.min(16 / 9, Math.max(1, width / height || 1));
  const [phone, screen, wide] = [100, 178, 220].map((tall) => Math.round(tall * longer));
  return `(max-width: 600px) ${phone}px, (min-width: 2000px) ${wide}px, ${screen}px`;
}

/** The class of a tile's ratio: steps of 2 %, as css/ratios.css and web/http/tiles.py have them. */
export function ratioClass(width, height) {
  const ratio = Math.min(WIDEST, Math.max(NARROWEST, width / height || 1));
  return `a${Math.round(Math.log(ratio) / Math.log(1.02)) + 40}`;
}

/** "25 Dec 2024", as a tile has room for. */
const shortDay = (iso) => day(iso).replace(/([A-Z][a-z]{2})[a-z]+/, "$1") || "No date";

export const altOf = (hit) => [hit.alt || hit.name, hit.taken_at && `taken ${day(hit.taken_at)}`].filter(Boolean).join(", ");

export class Grid {
  /** `list` is the ol; `linked(hit)` the address of a picture's own page; `opened(hit)` is called for a plain click. */
  constructor(list, { linked, opened }) {
    Object.assign(this, { list, linked, opened, hits: [], tiles: new Map(), more: false, dated: false });
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("keydown", (event) => this.#stepped(event));
    new ResizeObserver(() => this.hold(this.more)).observe(list);
    this.near = new IntersectionObserver((seen) => seen.forEach((one) => one.isIntersecting && this.#arrive(one.target)), { rootMargin: AHEAD });
  }

  /** Take over the tiles that the server drew. */
  adopt(more) {
    for (const tile of this.list.querySelectorAll(".tile")) {
      const hit = JSON.parse(tile.dataset.hit);
      this.hits.push(hit);
      this.tiles.set(hit.image_id, tile);
      this.near.observe(tile);
    }
    this.hold(more);
  }

  /** A tile comes near the window: its picture is asked for. */
  #arrive(tile) {
    this.near.unobserve(tile);
    const image = tile.querySelector("img:not([src])");
    if (!image) return;
    const hit = this.hits.find((one) => one.image_id === Number(tile.dataset.id));
    if (hit) Object.assign(image, { sizes: sizesOf(hit), srcset: srcset(hit), src: hit.thumbnail });
  }

  /** Show these and no others. With `moving`, tiles that stay glide to their new places. */
  show(hits, { more = false, moving = false, dated = false } = {}) {
    this.dated = dated;
    this.list.classList.toggle("dated", dated);
    const before = moving && !calm.matches ? this.#places() : new Map();
    const focused = this.list.contains(document.activeElement) ? document.activeElement.closest(".tile")?.dataset.id : null;
    const known = moving ? this.tiles : new Map(); // another answer is not the old one moved about
    const leaving = before.size ? [...known].filter(([id]) => !hits.some((hit) => hit.image_id === id)) : [];
    this.hits = [];
    this.tiles = new Map();
    this.list.replaceChildren(...this.#made(hits, known));
    this.list.classList.remove("waiting");
    this.hold(more);
    if (focused) this.focus(Number(focused));
    for (const [id, tile] of leaving) fade(tile, before.get(id));
    if (before.size) this.#glide(before);
  }

  /** Take pictures away; the others close up. The focus goes to the next one. */
  drop(ids) {
    const gone = new Set(ids);
    const at = this.hits.findIndex((hit) => gone.has(hit.image_id));
    const focused = this.list.contains(document.activeElement);
    const before = calm.matches ? new Map() : this.#places();
    this.hits = this.hits.filter((hit) => !gone.has(hit.image_id));
    for (const id of gone) {
      const tile = this.tiles.get(id);
      if (tile && before.size) fade(tile, before.get(id));
      tile?.remove();
      this.tiles.delete(id);
    }
    this.hold(this.more);
    if (before.size) this.#glide(before);
    if (focused && at >= 0 && this.hits.length) this.focus(this.hits[Math.min(at, this.hits.length - 1)].image_id);
  }

  append(hits, more) {
    const fresh = hits.filter((hit) => !this.tiles.has(hit.image_id));
    this.list.append(...this.#made(fresh, new Map()));
    this.hold(more);
  }

  /** While more pictures are to come, keep back the last row, which they would change. */
  hold(more) {
    this.more = more;
    const tiles = [...this.list.children];
    for (const tile of tiles) tile.hidden = false;
    this.list.classList.toggle("goes-on", more); // all rows that are shown are full
    if (!more || tiles.length < 2) return;
    const top = tiles.at(-1).offsetTop;
    if (top === tiles[0].offsetTop) return;
    for (let at = tiles.length - 1; tiles[at].offsetTop === top; at -= 1) tiles[at].hidden = true;
  }

  focus(id) {
    this.tiles.get(id)?.firstElementChild.focus({ preventScroll: false });
  }

  /** The hits on either side of a picture; undefined where there is none. */
  beside(id) {
    const at = this.hits.findIndex((hit) => hit.image_id === id);
    return at < 0 ? [undefined, undefined] : [this.hits[at - 1], this.hits[at + 1]];
  }

  #made(hits, known) {
    const made = [];
    for (const hit of hits) {
      const before = this.hits.at(-1);
      if (before?.confident && hit.confident === false) {
        made.push(el("li", { class: "filler", "aria-hidden": "true" })); // else a single sure one fills the page
        made.push(el("li", { class: "divider" }, "From here on less sure"));
      }
      const tile = known.get(hit.image_id) ?? this.#tile(hit);
      tile.firstElementChild.href = this.linked(hit);
      tile.querySelector(".sure").textContent = this.dated ? shortDay(hit.taken_at) : hit.itm_probability === null ? "" : percent(hit.itm_probability);
      this.hits.push(hit);
      this.tiles.set(hit.image_id, tile);
      made.push(tile);
    }
    return made;
  }

  #tile(hit) {
    const image = el("img", { alt: altOf(hit), width: hit.width, height: hit.height, decoding: "async" });
    const says = el("span", { class: "says", "aria-hidden": "true" }, el("span", {}, hit.name), el("span", { class: "sure numbers" }));
    const tile = el("li", { class: `tile ${ratioClass(hit.width, hit.height)}`, "data-id": hit.image_id }, el("a", {}, image, says));
    this.near.observe(tile);
    return tile;
  }

  #clicked(event) {
    const tile = event.target.closest(".tile");
    if (!tile || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.opened(this.hits.find((hit) => hit.image_id === Number(tile.dataset.id)));
  }

  /** Arrow keys go from tile to tile, up and down to the nearest of the next row. */
  #stepped(event) {
    const here = event.target.closest(".tile");
    if (!here || event.altKey || event.ctrlKey || event.metaKey) return;
    const shown = [...this.tiles.values()].filter((tile) => !tile.hidden);
    const at = shown.indexOf(here);
    const target = {
      ArrowLeft: () => shown[at - 1],
      ArrowRight: () => shown[at + 1],
      ArrowUp: () => nearest(here, shown.slice(0, at).reverse()),
      ArrowDown: () => nearest(here, shown.slice(at + 1)),
      Home: () => shown[0],
      End: () => shown.at(-1),
    }[event.key]?.();
    if (!target) return;
    event.preventDefault();
    target.firstElementChild.focus();
    target.scrollIntoView({ block: "nearest" });
  }

  #places() {
    const near = [...this.tiles].map(([id, tile]) => [id, tile.getBoundingClientRect()]);
    return new Map(near.filter(([, place]) => place.width && place.bottom > -200 && place.top < innerHeight + 200));
  }

  #glide(before) {
    for (const [id, tile] of this.tiles) {
      const now = tile.getBoundingClientRect();
      if (now.top > innerHeight || now.bottom < 0) continue;
      const then = before.get(id);
      if (!then) {
        tile.animate([{ opacity: 0, transform: "scale(.96)" }, {}], { ...MOVE, duration: 300 });
        continue;
      }
      const [dx, dy] = [then.left - now.left, then.top - now.top];
      if (dx || dy) {
        const from = `translate(${dx}px, ${dy}px) scale(${then.width / now.width}, ${then.height / now.height})`;
        tile.animate([{ transform: from, transformOrigin: "0 0" }, { transform: "none", transformOrigin: "0 0" }], MOVE);
      }
    }
  }
}

/** A tile that has left its row goes where it stood, so that what stays is seen to stay. */
function fade(tile, place) {
  if (!place) return;
  const ghost = el("div", { class: "ghost", "aria-hidden": "true" }, tile.querySelector("img"));
  Object.assign(ghost.style, { left: `${place.left + scrollX}px`, top: `${place.top + scrollY}px`, width: `${place.width}px`, height: `${place.height}px` });
  document.body.append(ghost);
  ghost.animate([{ opacity: getComputedStyle(ghost).opacity }, { opacity: 0 }], { ...MOVE, duration: 260 }).finished.finally(() => ghost.remove());
}

/** The tile of the first other row whose middle is nearest. */
function nearest(here, others) {
  const middle = (tile) => tile.offsetLeft + tile.offsetWidth / 2;
  const row = others.filter((tile) => tile.offsetTop !== here.offsetTop);
  const same = row.filter((tile) => tile.offsetTop === row[0].offsetTop);
  return same.sort((one, two) => Math.abs(middle(one) - middle(here)) - Math.abs(middle(two) - middle(here)))[0];
}
