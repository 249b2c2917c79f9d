// An answer as a list that pictures are chosen from, acted on and leafed through: what select.js, actions.js and slides.js ask for.

import { ask } from "./client.js";

const PAGE = 500; // hits that are asked for at a time where all are wanted

/** `page`: { element, grid, state(), shown(), query(), loadMore(), drop(ids), refresh() } of search.js. */
export function answerList({ element, grid, state, shown, query, loadMore, drop, refresh }) {
  /** Every hit of the answer, not only those that are shown; `most` of them. */
  async function all(most) {
    const hits = [...grid.hits];
    let next = state().upload ? null : shown().next; // a picture would be sent again for each page
    while (next && hits.length < most) {
      const page = await ask("/search", { query: { ...query(), limit: PAGE, cursor: next } });
      hits.push(...page.hits);
      next = page.next_cursor;
    }
    return hits.slice(0, most);
  }
  return {
    element, all, drop, refresh,
    hitOf: (tile) => grid.hits.find((hit) => hit.image_id === Number(tile.dataset.id)),
    numberOf: (id) => grid.hits.findIndex((hit) => hit.image_id === id),
    between: async (one, other) => grid.hits.slice(Math.min(one, other), Math.max(one, other) + 1),
    query: () => state().q,
    total: () => shown().answer?.total ?? grid.hits.length + (shown().next ? 1 : 0),
    /** The hit of a number; more are asked for where it lies behind those that are shown. */
    at: async (number) => {
      for (let before = -1; number >= grid.hits.length && shown().next && before !== grid.hits.length;) {
        before = grid.hits.length;
        await loadMore();
      }
      return grid.hits[number] ?? null;
    },
    shownAt: (number) => grid.focus(grid.hits[number]?.image_id),
  };
}
