"""Whether a library's generated captions help its searches: the same descriptions asked with them and without."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from imgsearch.errors import UsageError
from imgsearch.evaluation.pairs import CaptionPair
from imgsearch.media.fingerprint import content_hash
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.text_evidence import SOURCES, WITH_CAPTIONS
from imgsearch.storage.reads.captions import read_captions

SAMPLE = 400
"""Descriptions: a share of .8 is then known to within .04 (two standard errors, binomial)."""

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Recalls:
    """The share of descriptions whose picture came first, among the first 5, among the first 10."""

    r1: float
    r5: float
    r10: float

    @classmethod
    def of(cls, ranks: Sequence[int]) -> Recalls:
        """``ranks`` from 1 on, above `DEPTH` for a picture that was not found."""
        return cls(*(sum(rank <= depth for rank in ranks) / len(ranks) for depth in (1, 5, DEPTH)))


@dataclass(frozen=True, slots=True)
class CaptionGain:
    """``texts``: descriptions that were asked; ``left_out``: pictures that the library does not hold; ``captioned``:
    pictures with a sure caption. ``better``, ``worse``: descriptions whose picture moved up or down by the captions,
    as far as it is among the first `DEPTH` either way."""

    texts: int
    left_out: int
    captioned: int
    without: Recalls
    with_captions: Recalls
    better: int
    worse: int


def compare_caption_search(
    searcher: Searcher, pairs: Sequence[CaptionPair], *, sample: int = SAMPLE, seed: int = 0, progress: bool = False
) -> CaptionGain:
    """Ask for at most ``sample`` of the captions in ``pairs``, which people wrote, and see where their pictures come.
    Uses the store, model and features of ``searcher``, whichever texts it asks itself.

    Raises UsageError where the library holds none of the pictures, or no sure caption. Cost: two searches a text."""
    store = searcher.store
    captions = read_captions(store, (int(number) for number in store.view().image_ids))
    captioned = sum(each.sure and bool(each.text) for each in captions.values())
    if not captioned:
        raise UsageError(f"the library {store.path} has no sure caption", "`imgsearch caption --missing` writes them")
    asked, left_out = [], 0
    for pair in pairs:
        number = store.image_of(content_hash(pair.image.read_bytes()))
        left_out += number is None
        asked += [(text, number) for text in pair.captions if number is not None]
    if not asked:
        raise UsageError(f"the library {store.path} holds none of the pictures", "index their folder, or name another")
    if len(asked) > sample:
        asked = random.Random(seed).sample(asked, sample)
    ranks: list[list[int]] = []
    for texts in (SOURCES, WITH_CAPTIONS):
        one = Searcher(
            store,
            searcher.model,
            features=searcher.features,
            calibration=searcher.calibration,
            backend=searcher.backend,
            texts=texts,
        )
        bar = tqdm(asked, desc="searching", disable=not progress, leave=False)
        ranks.append([_rank(one, text, wanted) for text, wanted in bar])
    without, with_captions = ranks
    moved = list(zip(without, with_captions, strict=True))
    return CaptionGain(
        len(asked),
        left_out,
        captioned,
        Recalls.of(without),
        Recalls.of(with_captions),
        sum(after < before for before, after in moved),
        sum(after > before for before, after in moved),
    )


def _rank(searcher: Searcher, text: str, wanted: int) -> int:
    """The place of a picture, also behind the end of the matches. The text is a description, whatever it holds."""
    found = searcher.search(Query(text, k=DEPTH, everything=True), parsed=ParsedQuery(text))
    return next((hit.rank for hit in found.hits if hit.image_id == wanted), DEPTH + 1)
