// What is done with the one picture that is open, in the lightbox or on a page of its own.

import { copyPicture, share } from "./give.js";
import { chooseAlbum, mark, toggleFavourite } from "./keep.js";
import { undoLast } from "./toast.js";

/** `viewer` has step(way), beside(id) and close(), or is null on a page of its own. */
export function actOn(act, hit, viewer) {
  return {
    favourite: () => toggleFavourite([hit]),
    album: () => chooseAlbum([hit]),
    hide: () => hide(hit, viewer),
    copy: () => copyPicture(hit),
    share: () => share([hit]),
    slides: () => play(hit, viewer),
    undo: undoLast,
  }[act]();
}

/** A picture that goes out of sight gives its place to the next. */
async function hide(hit, viewer) {
  const on = !hit.hidden;
  const [before, behind] = viewer?.beside(hit.image_id) ?? [];
  if (viewer && on && behind) viewer.step(1);
  else if (viewer && on && before) viewer.step(-1);
  else if (viewer && on) viewer.close();
  await mark("hidden", [hit], on);
}

/** From this picture on, by the lightbox's own steps. */
async function play(hit, viewer) {
  if (!viewer) return;
  const { playSlides } = await import("./slides.js");
  const known = [hit];
  playSlides({
    hitAt: async (number) => {
      while (number >= known.length) {
        const next = await soon(() => viewer.beside(known.at(-1).image_id)[1]);
        if (!next) return null;
        known.push(next);
      }
      return known[number];
    },
    ended: (number) => {
      const last = known[number];
      if (!last || last.image_id === viewer.shown?.image_id) return;
      viewer.open(last);
      viewer.moved(last.image_id);
    },
  });
}

/** What may have to be asked for first: a moment of patience. */
async function soon(get) {
  for (let tries = 0; tries < 20; tries += 1) {
    const found = get();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  return null;
}
