"""One shot cropped, written over or filtered; another shot of a moment; the same scene.

Candidates come from embeddings, if the library has any (nearest neighbours by the mean direction of the tokens, then
similarity token by token against the library's own background), and from signatures (windows of one image that look
like the whole of another). Shots of one camera at another time, and frames of a crowd, are classified without a look.
Every other pair of images is registered: if enough agrees it is *near*; else, if one camera took both within seconds,
it is a *burst*; else, if the two are more similar than by chance, it is *semantic*.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Generator, Iterator

import numpy as np

from imgsearch.dedup.evidence.mapping import row_of
from imgsearch.dedup.evidence.records import Evidence, Pair
from imgsearch.dedup.pixels.template_matching import Alignment
from imgsearch.dedup.tiers.candidates import Alike
from imgsearch.dedup.tiers.naming import Heard, Named, ids_of, name_pairs
from imgsearch.dedup.tiers.pair_verification import IdPair, PairLooks
from imgsearch.dedup.tiers.series import seconds_between
from imgsearch.media.decode_pool.interrupts import interrupts_held
from imgsearch.progress import StepProgress
from imgsearch.records import Failure, Int64
from imgsearch.storage.catalog.inventory import Inventory
from imgsearch.storage.evidence.store import EvidenceStore
from imgsearch.storage.store import Store

KIND = "near"
RECIPE = "4"
"""Names the deciding rules (candidates, registration, thresholds); raise it when they change."""

BURST_SECONDS = 10.0
"""Between two shots of one camera that count as one moment."""

EXPECTED_FALSE = 0.01
"""Pairs of unrelated images an image that are called semantic neighbours, by the library's background."""

_SAME_VIEW = 0.8  # correlation of 32 x 32 from which two shots of one camera show one view
_WHOLE = 0.995
_KEPT_EVERY_S = 2.0
_KEPT_AT_ONCE = 4096

Failed = Callable[[Failure], None]


def compare_near(
    store: Store,
    evidence: EvidenceStore,
    new: Int64,
    failed: Failed,
    *,
    inventory: Inventory | None = None,
    progress: StepProgress | None = None,
) -> None:
    """Runs `near_pairs` for the ids ``new`` and saves the results in ``evidence`` every two seconds, including pairs
    that came to nothing, so that a stopped run goes on where it was. Then marks the ids as compared. Raises the same
    errors."""
    name = f"{KIND}-{RECIPE}"
    looked: list[IdPair] = []
    found: list[Pair] = []
    last = time.monotonic()

    def keep() -> None:
        evidence.add_looked(name, looked, map(row_of, found))
        looked.clear()
        found.clear()

    found_out = looks(store, new, failed, inventory=inventory, progress=progress, known=evidence.looked(name))
    try:
        with contextlib.closing(found_out):
            for key, seen in found_out:
                looked.append(key)
                if seen is not None:
                    found.append(Pair(*key, seen))
                if time.monotonic() - last > _KEPT_EVERY_S or len(looked) >= _KEPT_AT_ONCE:
                    keep()
                    last = time.monotonic()
    finally:
        with interrupts_held():  # a second Ctrl-C waits for the transaction
            keep()
    evidence.mark_compared(KIND, RECIPE, new)
    evidence.forget_looked()


def near_pairs(
    store: Store,
    new: Int64,
    failed: Failed,
    *,
    inventory: Inventory | None = None,
    progress: StepProgress | None = None,
    false_share: float = EXPECTED_FALSE,
    seed: int = 0,
) -> Iterator[Pair]:
    """Near copies, bursts and semantic neighbours among the images of a library, at least one of each pair among the
    ids ``new``; each pair once, and none that signatures call a copy. Each unreadable file is reported to ``failed``.
    ``false_share``: false semantic pairs expected an image. ``progress(done, total)`` counts the new images, every
    second.

    100,000 images: 0.5 GB, minutes for the candidates; looking at a candidate costs 3 to 10 ms of one core, and each
    image is decoded once. Raises ImgsearchError if no worker starts, StorageFull."""
    for key, seen in looks(
        store, new, failed, inventory=inventory, progress=progress, false_share=false_share, seed=seed
    ):
        if seen is not None:
            yield Pair(*key, seen)


def looks(
    store: Store,
    new: Int64,
    failed: Failed,
    *,
    inventory: Inventory | None = None,
    progress: StepProgress | None = None,
    false_share: float = EXPECTED_FALSE,
    seed: int = 0,
    known: Collection[IdPair] = (),
) -> Generator[tuple[IdPair, Evidence | None], None, None]:
    """Yields every named pair except those in ``known``, with None if the look came to nothing."""
    inventory = inventory or store.inventory()
    rows = inventory.rows(np.unique(np.asarray(new, np.int64)))
    rows = rows[rows >= 0]
    if not len(rows):
        return
    told = Heard(progress, len(rows))
    named = name_pairs(store, inventory, rows, told.again, (false_share, seed))
    for pair, correlation in named.timed:
        key = ids_of(inventory, pair)
        if key not in known:
            yield key, _timed(named, pair, correlation)
    for pair in named.series:
        if (key := ids_of(inventory, pair)) not in known:
            yield key, _series(pair)
    alike = {key: pair for pair in named.looked_at if (key := ids_of(inventory, pair)) not in known}
    with PairLooks(store, failed) as looking:
        for done, (key, seen) in enumerate(looking.look(list(alike), told.again), 1):
            pair = alike[key]
            seconds = seconds_between(named.shots.get(pair.first), named.shots.get(pair.second))
            moved = seen is not None and seen.kind == "moved" and named.is_series(pair)
            # Frames have one size: a fit of only a part follows things that moved.
            if moved or (seen is not None and seen.overlap < _WHOLE and named.are_frames(pair)):
                yield key, _series(pair)
            else:
                yield key, _evidence(seen, seconds, named.is_semantic(pair), pair.similarity)
            told.done(done, len(alike))
    told.done(1, 1)


def _timed(named: Named, pair: Alike, correlation: float) -> Evidence | None:
    """The evidence for two shots of one camera at different times: never copies, whatever they show."""
    same_view, semantic = correlation >= _SAME_VIEW, named.is_semantic(pair)
    if not (same_view or semantic):
        return None
    seconds = seconds_between(named.shots.get(pair.first), named.shots.get(pair.second))
    return _shot(seconds, same_view, correlation if pair.similarity is None else pair.similarity, pair.similarity)


def _shot(seconds: float | None, same_view: bool, score: float, similarity: float | None) -> Evidence:
    moment = seconds is not None and seconds <= BURST_SECONDS
    if moment or (same_view and seconds):
        why = "a burst" if moment else "a series"
        return Evidence("burst", _unit(score), similarity=similarity, seconds=seconds, why=why)
    return Evidence("semantic", _unit(score), similarity=similarity, seconds=seconds)


def _series(pair: Alike) -> Evidence:
    """Evidence that two files are frames of one view, by their names."""
    return Evidence("burst", _unit(pair.correlation), similarity=pair.similarity, why="a series")


def _evidence(seen: Alignment | None, seconds: float | None, alike: bool, similarity: float | None) -> Evidence | None:
    if seen is not None and seen.kind == "near":
        return Evidence(
            "near",
            float(seen.score),
            orientation=seen.orientation,
            difference=float(seen.difference),
            overlap=float(seen.overlap),
            similarity=similarity,
        )
    same_view = seen is not None and seen.kind == "moved"
    if not alike and not same_view:
        return None
    score = similarity if similarity is not None else float(seen.score) if seen is not None else 0.0
    return _shot(seconds, False, score, similarity)


def _unit(score: float) -> float:
    return min(1.0, max(0.0, float(score)))
