"""Leaves out pairs of frames of one series whose signatures are alike but which need no look of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from imgsearch.dedup.evidence.records import Pair
from imgsearch.dedup.tiers.candidates import Alike
from imgsearch.dedup.tiers.confirmation import LOOKED_AT, IdPair
from imgsearch.dedup.tiers.series import LEAST_NEIGHBOURS, Shot, chosen_looks

ShotsOf = Callable[[Sequence[int]], Mapping[int, Shot]]


def left_to_series(pairs: Callable[[], Iterable[Pair]], shots_of: ShotsOf) -> frozenset[IdPair]:
    """The pairs of one crowd that only signatures support, except each frame's pair with the crowd's first image and
    its pair with the frame most like it: without them every frame would be compared with all that look alike. ``pairs``
    is read twice; ``shots_of`` is asked, by image ids, for images with enough neighbours to be in a crowd."""
    degrees: Counter[int] = Counter()
    for pair in _by_signatures(pairs()):
        degrees.update((pair.first, pair.second))
    crowded = {image_id for image_id, degree in degrees.items() if degree >= LEAST_NEIGHBOURS}
    if not crowded:
        return frozenset()
    within = (pair for pair in _by_signatures(pairs()) if crowded.issuperset((pair.first, pair.second)))
    candidates = [Alike(pair.first, pair.second, correlation=pair.evidence.score) for pair in within]
    series = chosen_looks(candidates, shots_of(sorted(crowded))).series
    return frozenset((pair.first, pair.second) for pair in series)


def _by_signatures(pairs: Iterable[Pair]) -> Iterator[Pair]:
    return (pair for pair in pairs if pair.evidence.tier == LOOKED_AT)
