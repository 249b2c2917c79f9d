"""One shot cropped, written over or filtered; another shot of a moment; the same scene.

Candidates come from embeddings (nearest neighbours by the mean direction of the tokens, then likeness token by token
against the library's own background) and from signatures (windows of one picture that look like the whole of
another). Of each candidate pair the pictures themselves are read and aligned: what agrees is *near*; else what was
taken within seconds by one camera is a *burst*; else what is more alike than chance is *semantic*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from imgsearch.dedup.alignment import Alignment
from imgsearch.dedup.background import SAMPLED, background
from imgsearch.dedup.candidates import Alike, Signed, alike_by_embedding, marked_copies, unrelated_rows
from imgsearch.dedup.evidence import Evidence, Pair
from imgsearch.dedup.looking import Looker
from imgsearch.records import Failure, Int64, MediaFacts
from imgsearch.storage.inventory import Inventory
from imgsearch.storage.store import Store

KIND = "near"
RECIPE = "3"
"""Names what decides (candidates, alignment, thresholds): raise it when that changes."""

BURST_SECONDS = 10.0
"""Between two shots of one camera that are one moment."""

EXPECTED_FALSE = 0.01
"""Pairs of unrelated pictures a picture that are called semantic neighbours, by the library's background."""

_LOOKED_AT = 1.0  # the same for pairs whose pictures are read; what decides there is pixels
_PART = 512  # new pictures at a time


@dataclass(frozen=True, slots=True)
class _Limits:
    semantic: float  # likeness from which unrelated pictures hardly are so alike
    looked_at: float


def near_pairs(
    store: Store,
    new: Int64,
    failed: Callable[[Failure], None],
    *,
    inventory: Inventory | None = None,
    progress: Callable[[int, int], object] | None = None,
    false_share: float = EXPECTED_FALSE,
    seed: int = 0,
) -> Iterator[Pair]:
    """Near copies, bursts and semantic neighbours among the pictures of a library, of which at least one is among the
    ids ``new``; each pair once, none that signatures call a copy. ``failed`` is told of each file that could not be
    read. ``false_share``: false semantic pairs expected a picture.
    ``progress(done, total)`` counts the new pictures.

    100,000 pictures: 0.5 GB, minutes for the candidates; looking at a candidate costs two decodings and 60 ms to 200
    ms of one core."""
    inventory = inventory or store.inventory()
    rows = inventory.rows(np.unique(np.asarray(new, np.int64)))
    rows = rows[rows >= 0]
    if not len(rows):
        return
    view = store.view()
    unrelated = inventory.slots[unrelated_rows(inventory, SAMPLED)]
    chance = background(view, seed, unrelated[np.isin(unrelated, view.live_slots)])
    count = max(1, len(inventory))
    limits = _Limits(chance.threshold(false_share / count), chance.threshold(_LOOKED_AT / count))
    signed = Signed(store, inventory)
    by_embedding = alike_by_embedding(view, inventory, rows, min(1.0, limits.looked_at))
    candidates = _together(
        marked_copies(store, inventory, by_embedding),
        signed.alike_by_window(rows),
        signed.alike_by_corner(rows),
        signed.alike_by_hash(rows),
    )
    looked_at = [found for found in candidates if not found.is_copy]  # copies are `confirmation`'s
    ids = [(int(inventory.image_ids[found.first]), int(inventory.image_ids[found.second])) for found in looked_at]
    looker = Looker(store, failed)
    total = len(ids)
    for done, (found, pair, seen) in enumerate(zip(looked_at, ids, looker.look(ids), strict=True), 1):
        first, second = (looker.facts(image_id) for image_id in pair)
        alike = found.similarity is not None and found.similarity >= limits.semantic
        evidence = evidence_of(seen, first, second, alike, found.similarity)
        if evidence is not None:
            yield Pair(*pair, evidence)
        if progress is not None and (done % _PART == 0 or done == total):
            progress(done * len(rows) // total, len(rows))
    if progress is not None and not total:
        progress(len(rows), len(rows))


def _together(*sources: list[Alike]) -> list[Alike]:
    """Each pair once, with what either source knows, in the order of the rows: neighbours share pictures."""
    pairs: dict[tuple[int, int], Alike] = {}
    for source in sources:
        for found in source:
            key = (found.first, found.second)
            known = pairs.get(key)
            pairs[key] = found if known is None else known.joined(found)
    return [pairs[key] for key in sorted(pairs)]


def evidence_of(
    seen: Alignment | None,
    first: MediaFacts | None,
    second: MediaFacts | None,
    alike: bool,
    similarity: float | None = None,
) -> Evidence | None:
    """What two pictures are to each other that lie on each other as ``seen`` (None: one could not be read), taken as
    ``first`` and ``second`` say; ``alike``: known to be, whatever the look says."""
    if seen is not None and seen.kind == "near":
        return Evidence(
            "near",
            float(seen.score),
            turn=seen.turn,
            difference=float(seen.difference),
            cover=float(seen.cover),
            similarity=similarity,
        )
    same_view = seen is not None and seen.kind == "moved"
    if not alike and not same_view:
        return None
    score = similarity if similarity is not None else float(seen.score) if seen is not None else 0.0
    seconds = _seconds(first, second)
    tier = "burst" if seconds is not None and seconds <= BURST_SECONDS else "semantic"
    return Evidence(tier, _unit(score), similarity=similarity, seconds=seconds)


def _seconds(first: MediaFacts | None, second: MediaFacts | None) -> float | None:
    """Between two shots of one camera; None where it or a time is unknown."""
    if first is None or second is None or not (first.taken_at and second.taken_at) or first.camera != second.camera:
        return None
    try:
        apart = datetime.fromisoformat(first.taken_at) - datetime.fromisoformat(second.taken_at)
    except (ValueError, TypeError):
        return None
    return abs(apart.total_seconds())


def _unit(score: float) -> float:
    return min(1.0, max(0.0, float(score)))
