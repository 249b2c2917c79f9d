// The query's text as pieces, to show its filters as chips. docs/search.md is the language; the server reads it for good.

const FILTERS = ["folder", "name", "year", "after", "before", "camera", "type", "width", "height", "is", "has", "near", "tag", "album", "caption", "text", "rating", "similar", "like"];
// A place goes on behind its comma: near:48.86, 2.35, 5 km or near:Paris, Texas.
const PIECE = /-?\p{L}{2,}:"[^"]*"?|-?near:[^\s"]+,\s+(?:[-−+]?\d[\d.]*(?:,\s*[\d.]+)?(?:\s?km\b)?|\p{Lu}[^\s,]*)(?!\S)|-?"[^"]*"?|\S+/gu;
const FILTER = new RegExp(`^-?(?:${FILTERS.join("|")}):(?!//)[^]`, "i");

/** [{ text, filter }]: filters apart from words. */
export function pieces(text) {
  return (text.match(PIECE) ?? []).map((piece) => ({ text: piece, filter: FILTER.test(piece) }));
}

export const filtersOf = (text) => pieces(text).filter((piece) => piece.filter).map((piece) => piece.text);

/** What the model reads: the query without its filters; "" where filters alone are asked. */
export const wordsOf = (text) => pieces(text).filter((piece) => !piece.filter).map((piece) => piece.text).join(" ");

export const holds = (text, term) => filtersOf(text).some((piece) => piece.toLowerCase() === term.toLowerCase());

/** The query with the filter, or without it if it was there. */
export function toggled(text, term) {
  const known = pieces(text).map((piece) => piece.text);
  const kept = known.filter((piece) => piece.toLowerCase() !== term.toLowerCase());
  return (kept.length < known.length ? kept : [...known, term]).join(" ");
}
