// The lightbox over an answer. Which picture it shows stands in the address.

import { address } from "./address.js";
import { pictureOf } from "./client.js";
import { styled } from "./dom.js";
import { makeDialog, Viewer } from "./viewer.js";

/** The lightbox of search.js's `page`; its styles are there when this has come. */
export async function openedPictures(page) {
  await styled("picture");
  return new OpenedPictures(page);
}

class OpenedPictures {
  constructor({ grid, state, shown, loadMore, go, cameFrom }) {
    Object.assign(this, { grid, state, go, cameFrom });
    this.viewer = new Viewer(document.body.appendChild(makeDialog()), {
      beside: (id) => {
        const [before, behind] = grid.beside(id);
        if (!behind && shown().next) loadMore();
        return [before, behind];
      },
      query: () => state().q,
      alike: (id) => address({ q: `similar:${id}` }),
      moved: (id, last) => this.#moved(id, last),
    });
  }

  /** Show a picture: of the grid, or by its id alone after a reload. */
  async open(id) {
    const picture = this.grid.hits.find((one) => one.image_id === id) ?? (await pictureOf(id, this.state().q));
    if (this.state().picture === id) this.viewer.open(picture);
  }

  close = () => this.viewer.close({ quiet: true });
  refresh = () => this.viewer.refresh();

  /** The lightbox shows another picture, or has closed. */
  #moved(id, last) {
    if (id) return this.go({ picture: id }, { replace: true });
    if (this.cameFrom.here) history.back();
    else this.go({ picture: null }, { replace: true });
    this.cameFrom.here = false;
    if (last) this.grid.focus(last.image_id);
    return undefined;
  }
}
