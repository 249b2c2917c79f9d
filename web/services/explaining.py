"""Explains why an image matched: its scores for a text, and where each word of it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgsearch.search.features.heatmap import heat_map
from imgsearch.search.features.stored import ImageSource
from imgsearch.search.query.description import require_words
from imgsearch.search.query.parser import ParsedQuery
from web.problems import NotFound

if TYPE_CHECKING:
    from imgsearch.search.engine import Searcher


def explain(searcher: Searcher, text: str, image_id: int) -> dict[str, Any]:
    """{"itc", "itm_probability", "words": [{"word", "grid"}]}; see ``SearchService.explain``."""
    require_words(text)
    tokens = searcher.tokens_of(image_id)
    record = searcher.store.images([image_id]).get(image_id)
    paths = searcher.store.all_paths([image_id]).get(image_id)
    if record is None or not paths:
        raise NotFound(f"the library holds no file of the picture {image_id}", "it was taken away since")
    source = ImageSource.of(paths, record.facts)
    features = searcher.backend.features(source)
    ((match,), _, _) = searcher.backend.match(ParsedQuery(text), [source], None)
    vector = searcher.backend.embed_text(text)
    maps = heat_map(searcher.model, text, features)
    return {
        "itc": float((tokens @ vector[0]).max()),
        "itm_probability": None if match is None else match.probability,
        "words": [
            {"word": word, "grid": grid.round(3).tolist()}
            for word, grid in zip(maps.words, maps.grids.astype(float), strict=True)
        ],
    }
