"""Leaves out pairs of frames of one series whose signatures are alike but which need no look of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from imgsearch.dedup.evidence.records import Pair
from imgsearch.dedup.tiers.candidates import Alike
from imgsearch.dedup.tiers.confirmation import LOOKED_AT, IdPair
from imgsearch.dedup.tiers.series import LEAST_NEIGHBOURS, Shot, chosen_looks


def crowded_images(pairs: Iterable[Pair]) -> frozenset[int]:
    """The images that enough others look like, by their signatures, for a crowd."""
    degrees: Counter[int] = Counter()
    for pair in _by_signatures(pairs):
        degrees.update((pair.first, pair.second))
    return frozenset(image_id for image_id, degree in degrees.items() if degree >= LEAST_NEIGHBOURS)


def left_to_series(pairs: Iterable[Pair], crowded: frozenset[int], shots: Mapping[int, Shot]) -> frozenset[IdPair]:
    """The pairs of one crowd that only signatures support, except each frame's pair with the crowd's first image and
    its pair with the frame most like it: without them every frame would be compared with all that look alike.
    ``shots``: the facts of the images ``crowded``."""
    within = (pair for pair in _by_signatures(pairs) if crowded.issuperset((pair.first, pair.second)))
    candidates = [Alike(pair.first, pair.second, correlation=pair.evidence.score) for pair in within]
    return frozenset((pair.first, pair.second) for pair in chosen_looks(candidates, shots).series)


def _by_signatures(pairs: Iterable[Pair]) -> Iterator[Pair]:
    return (pair for pair in pairs if pair.evidence.tier == LOOKED_AT)
