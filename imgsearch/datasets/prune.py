"""Makes a smaller data set that shows as much: drops images whose content others show already (SemDeDup, Abbas et al.
2023, arXiv:2303.09540).

Images are clustered by the mean direction of their tokens (spherical k-means). Inside a cluster they are ordered,
farthest from its centre first, and each gets its cosine to the most similar image before it. Those with the greatest
cosine are dropped, until the requested number is left. SemDeDup sets a threshold and takes the resulting fraction; here
the fraction is given and exact. Unlike there, a dropped image names the nearest one that is *kept*."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imgsearch.dedup.reports.tables import Row, path_cells
from imgsearch.errors import UsageError
from imgsearch.records import Float32, Int64
from imgsearch.storage.view import View

PER_CLUSTER = 512
"""Images a cluster, about: SemDeDup found that its result hardly depends on their number, and at this size clustering
and comparing inside clusters take the same time at 100,000 images."""

_LARGEST = 4096  # images compared all with all; a larger cluster (of one image many times) is cut in pieces
_SAMPLE = 128  # images a centre that k-means sees
_ROUNDS = 12  # of k-means
_BLOCK = 2048  # rows of a product of matrices: 16 MB against the largest piece
_DIGITS = 5  # scores equal after rounding are equal, here as everywhere; ties go by image id


@dataclass(frozen=True, slots=True)
class Pruned:
    """``kept`` int64 [K] and ``dropped`` int64 [M], image ids ascending; ``closest`` int64 [M]: the most similar kept
    image for each dropped one, ``similarity`` float32 [M]: their cosine, -1..1."""

    kept: Int64
    dropped: Int64
    closest: Int64
    similarity: Float32


def prune(view: View, keep_fraction: float, seed: int = 0) -> Pruned:
    """Keep ``keep_fraction`` of the images, rounded to the nearest whole number, at least one. The same for the same
    view, fraction and seed on one machine; of equal images the lowest id stays. Raises UsageError for a fraction
    outside 0..1.

    4 D bytes an image and 150 MB (100,000 images of 256 dimensions: 250 MB). Beside reading the vectors, 0.4, 0.9
    and 2.0 s of one core for 25,000, 50,000 and 100,000 images; far beyond that it grows with N squared /
    `PER_CLUSTER`."""
    if not 0 < keep_fraction <= 1:
        raise UsageError(
            f"got a fraction of {keep_fraction} to keep, expected more than 0, at most 1", "0.8 keeps 80 %"
        )
    ids = view.image_ids
    keep = max(1, int(keep_fraction * len(ids) + 0.5)) if len(ids) else 0
    if keep == len(ids):
        nothing = np.empty(0, np.int64)
        return Pruned(np.sort(ids), nothing, nothing, np.empty(0, np.float32))
    directions = mean_directions(view)
    pieces = list(_pieces(*cluster(directions, -(-len(ids) // PER_CLUSTER), seed), directions, ids))
    told_already = np.full(len(ids), -np.inf, np.float32)
    for piece in pieces:
        told_already[piece] = most_alike_before(directions[piece])
    order = np.lexsort((-ids, np.round(told_already, _DIGITS)))
    kept = np.ones(len(ids), np.bool_)
    kept[order[keep:]] = False  # others show the content of the last ones best
    closest, similarity = _closest(directions, ids, kept, pieces)
    dropped = np.flatnonzero(~kept)
    by_id = dropped[np.argsort(ids[dropped])]
    return Pruned(np.sort(ids[kept]), ids[by_id], ids[closest[by_id]], similarity[by_id])


def prune_rows(pruned: Pruned, paths: Callable[[Sequence[int]], Mapping[int, str]]) -> Iterator[Row]:
    """Rows of `tables.PRUNED`, by image id; ``paths`` is called with many ids at once."""
    closest = dict(
        zip(pruned.dropped.tolist(), zip(pruned.closest.tolist(), pruned.similarity.tolist(), strict=True), strict=True)
    )
    every = np.union1d(pruned.kept, pruned.dropped)
    for first in range(0, len(every), _BLOCK):
        block = every[first : first + _BLOCK].tolist()
        known = paths(sorted({*block, *(closest[number][0] for number in block if number in closest)}))
        for number in block:
            other, similarity = closest.get(number, (None, None))
            yield (
                {"image_id": number, "keep": other is None, "other_image_id": other, "similarity": similarity}
                | path_cells("", known.get(number))
                | path_cells("other_", None if other is None else known.get(other))
            )


def mean_directions(view: View) -> Float32:
    """float32 [N, D]: the mean of the tokens of each live image, of L2 norm 1 (0 if they cancel out)."""
    found = np.empty((view.count, view.dims), np.float32)
    for first in range(0, view.count, _BLOCK):
        part = slice(first, first + _BLOCK)
        found[part] = _units(view.read(view.live_slots[part]).mean(axis=1))
    return found


def cluster(directions: Float32, k: int, seed: int) -> tuple[Int64, Float32]:
    """Spherical k-means (Dhillon & Modha 2001) over rows [N, D] of norm 1: the number of each row's centre int64 [N],
    and its cosine to it float32 [N]. Centres begin at ``k`` rows drawn by ``seed``; a centre that loses all its rows
    moves to the row farthest from its own. Centres are found on 128 rows each; then every row goes to the nearest."""
    rng = np.random.default_rng(seed)
    count = len(directions)
    if k <= 1:
        centres = _units(directions.mean(axis=0, keepdims=True))
        return _nearest(directions, centres)
    sample = directions[np.sort(rng.choice(count, min(count, _SAMPLE * k), replace=False))]
    centres = sample[np.sort(rng.choice(len(sample), k, replace=False))].copy()
    for _ in range(_ROUNDS):
        labels, cosines = _nearest(sample, centres)
        sizes = np.bincount(labels, minlength=k)
        full = np.flatnonzero(sizes)
        starts = np.concatenate(([0], np.cumsum(sizes[full])[:-1]))
        centres[full] = _units(np.add.reduceat(sample[np.argsort(labels, kind="stable")], starts, axis=0))
        empty = np.flatnonzero(sizes == 0)
        centres[empty] = sample[np.argsort(cosines, kind="stable")[: len(empty)]]
    return _nearest(directions, centres)


def most_alike_before(rows: Float32) -> Float32:
    """float32 [n]: the greatest cosine of each of ``rows`` [n, D] with those before it, -inf for the first."""
    found = np.full(len(rows), -np.inf, np.float32)
    for first in range(0, len(rows), _BLOCK):
        stop = min(len(rows), first + _BLOCK)
        cosines = rows[first:stop] @ rows[:stop].T  # [b, stop]
        cosines[np.arange(stop)[None, :] >= np.arange(first, stop)[:, None]] = -np.inf
        found[first:stop] = cosines.max(axis=1)
    return found


def _pieces(labels: Int64, cosines: Float32, directions: Float32, ids: Int64) -> Iterator[Int64]:
    """Row numbers of each cluster, the farthest from its centre first; a large cluster in pieces of ids that follow
    each other."""
    order = np.lexsort((ids, labels))
    bounds = np.flatnonzero(np.diff(labels[order])) + 1
    for whole in np.split(order, bounds):
        for piece in np.array_split(whole, -(-len(whole) // _LARGEST)):
            yield piece[np.lexsort((ids[piece], np.round(cosines[piece], _DIGITS)))]


def _closest(directions: Float32, ids: Int64, kept: np.ndarray, pieces: Sequence[Int64]) -> tuple[Int64, Float32]:
    """Row numbers int64 [N] of the nearest kept row of each dropped one, and the cosines; searched in its own piece, or
    everywhere if nothing of that piece is kept."""
    closest, similarity = np.full(len(ids), -1, np.int64), np.zeros(len(ids), np.float32)
    by_id = np.argsort(ids)
    for piece in pieces:
        lost = piece[~kept[piece]]
        mine = piece[kept[piece]]
        mine = mine[np.argsort(ids[mine])] if len(mine) else by_id[kept[by_id]]
        for first in range(0, len(lost), _BLOCK):
            part = lost[first : first + _BLOCK]
            closest[part], similarity[part] = _nearest(directions[part], directions, mine)
    return closest, similarity


def _nearest(rows: Float32, others: Float32, among: Int64 | None = None) -> tuple[Int64, Float32]:
    """For each of ``rows`` [n, D] the row of ``others`` [m, D] (one of ``among``, in this order) with the greatest
    cosine, the first of those equal after rounding; int64 [n] and float32 [n]. 16 MB at a time."""
    best = np.full(len(rows), -np.inf, np.float32)
    at = np.zeros(len(rows), np.int64)
    chosen = np.arange(len(others)) if among is None else among
    for low in range(0, len(chosen), _LARGEST):
        part = chosen[low : low + _LARGEST]
        for first in range(0, len(rows), _BLOCK):
            here = slice(first, first + _BLOCK)
            cosines = np.round(rows[here] @ others[part].T, _DIGITS)
            places = cosines.argmax(axis=1)
            found = cosines[np.arange(len(places)), places]
            better = found > best[here]
            at[here][better], best[here][better] = part[places[better]], found[better]
    return at, best


def _units(rows: Float32) -> Float32:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Float32 = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0).astype(np.float32)
    return unit
