"""Pairs from a library: what people wrote about its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from imgsearch.records import Word
from imgsearch.storage import Store
from imgsearch.storage.reads.fact_reads import read_words
from imgsearch.tuning.pair_files.tables import RawRow
from imgsearch.tuning.pairs import Pairs, collect

_AT_ONCE = 1000  # images whose words are read at once
_MOST_TAGS = 12  # more are a catalogue's hierarchy, and past what a text of 32 word pieces holds


def library_pairs(store: Store) -> Pairs:
    """One pair for each picture with a title, a caption, tags or names of people that a person gave; pictures without
    any are passed over. What a model wrote about them does not count: it would teach the model itself.

    Raises nothing of its own; a picture whose file is gone is a bad row."""
    return collect("library", _rows(store), [])


def captions_of(words: Iterable[Word]) -> tuple[str, ...]:
    """Titles and captions as they are, then tags and people: together, and each by itself, as a search names them."""
    texts = [word.text for word in words if word.kind in ("title", "caption")]
    tags = [word.text for word in words if word.kind in ("tag", "person")][:_MOST_TAGS]
    together = [", ".join(tags)] if len(tags) > 1 else []
    return tuple(dict.fromkeys([*texts, *together, *tags]))


def _rows(store: Store) -> Iterator[RawRow]:
    image_ids = np.asarray(store.inventory().image_ids).tolist()
    for part in _batched(image_ids):
        words = read_words(store, part)
        paths = store.all_paths(words)
        for image_id, found in words.items():
            captions = captions_of(found)
            if not captions:
                continue
            places = paths.get(image_id, [])
            path = next((one for one in places if one.is_file()), None)
            where = str(places[0]) if places else f"picture {image_id}"
            reason = "" if path is not None else "its file is not there"
            yield RawRow(where, 0, str(path or ""), captions, reason)


def _batched(image_ids: list[int]) -> Iterator[tuple[int, ...]]:
    return (tuple(image_ids[start : start + _AT_ONCE]) for start in range(0, len(image_ids), _AT_ONCE))
