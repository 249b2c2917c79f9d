"""Finds the same bytes, and the same pixels whatever their container, metadata or EXIF rotation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from imgsearch.dedup.evidence.examination import Source, sample_digests
from imgsearch.dedup.evidence.records import Evidence, Pair
from imgsearch.dedup.evidence.signature_backfill import picture_side
from imgsearch.dedup.tiers.perceptual import CandidateSearch
from imgsearch.media.decode_pool import HardenedPool
from imgsearch.progress import StepProgress
from imgsearch.records import Failure, Int64, ModelId
from imgsearch.storage.catalog.inventory import Inventory
from imgsearch.storage.evidence.store import EvidenceStore
from imgsearch.storage.store import Store

KIND = "pixels"
RECIPE = "3"
"""How pixels are turned into a digest: raise it when a change of decoding alters them."""

PIXEL_RADIUS = 4
"""Hamming distance that the pHashes of equal pixels may have: a JPEG is shrunk while it is decoded and a PNG of its
pixels is not, and an image that EXIF turns is shrunk before it is turned. At most 2 over 83 photographs saved as PNG at
a model size of 112 (none at 224), none over 21 turned by EXIF in seven ways."""

PIXEL_STEPS = 24
"""How far, of 255, lightness and colour in the signatures of equal pixels may be apart, for the same reason; beyond it
nothing is decoded. At most 16 over the same."""

UNSHRUNK_STEPS = 2
"""The same if no image is shrunk before its signature is made: equal pixels then have equal signatures, except for one
step of rounding when two readers bring them to 8 bits of sRGB. Of 10,000 drawn files with copies as JPEG of 80 and
more, 1,439 images are decoded with 2 and 3,337 with 24."""

_SHRUNK_FROM = 4
"""Times the side at which a library decodes: images smaller than this in width and height are read in full
(`colour.shrink` begins at 6, a JPEG's own shrinking at 4)."""

CROWD = 512
"""If more images than this have the same pixels, each is paired only with the first so many."""

_COMPARED = 16_384


def same_pixels(
    store: Store,
    evidence: EvidenceStore,
    new: Int64,
    failed: Callable[[Failure], None],
    *,
    inventory: Inventory | None = None,
    progress: StepProgress | None = None,
    pool: HardenedPool | None = None,
) -> Iterator[Pair]:
    """Images of the same pixels in other bytes, at least one of each pair among the ids ``new``; each pair once.

    Only images with the same upright size and nearly the same pHash and signature are decoded, by the hardened pool:
    all their frames and pages, at full depth and with transparency (`media.samples`). The digest is kept in
    ``evidence``, so each is decoded once. A file that is unreadable, or changed since it was indexed, is reported to
    ``failed`` and has no pairs.
    ``progress(done, total)`` counts the decoded ones. 100 ms of one core for 12 megapixels.
    """
    inventory = inventory or store.inventory()
    first, second = _candidates(store, inventory, np.unique(np.asarray(new, np.int64)))
    wanted = np.unique(np.concatenate([first, second]))
    told = progress or (lambda done, total: None)
    ids = inventory.image_ids[wanted].tolist()
    digests = sample_digests(Source(store, pool), evidence, ids, failed, told)
    same: dict[bytes, list[int]] = {}
    for image_id, digest in sorted(digests.items()):
        same.setdefault(digest, []).append(image_id)
    fresh = set(np.asarray(new).tolist())
    for ids in same.values():
        for place, a in enumerate(ids[:CROWD]):
            yield from (
                Pair(a, b, Evidence("pixels", 1.0, difference=0.0))
                for b in ids[place + 1 :]
                if a in fresh or b in fresh
            )


def _candidates(store: Store, inventory: Inventory, new: Int64) -> tuple[Int64, Int64]:
    """Rows of the inventory that may hold the same pixels, pair by pair, at least one of each pair new."""
    rows = inventory.rows(new)
    is_new = np.zeros(len(inventory), np.bool_)
    is_new[rows[rows >= 0]] = True
    sizes = inventory.widths << 32 | inventory.heights
    pairs = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for group in _groups(sizes, is_new):
        of_size = inventory.take(group)
        asking = np.flatnonzero(is_new[group])
        search = CandidateSearch(of_size, asking, PIXEL_RADIUS, orientations=1)
        for found in search.candidates(asking, of_size.perceptual_hashes[asking, None]):
            pairs.append(_alike(store, inventory, group[found.first], group[found.second]))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def pixel_steps(model: ModelId, longer_sides: Int64) -> Int64:
    """How far the signatures of equal pixels may be apart in a library of ``model``, for images of these longer sides
    [n]: int64 [n]."""
    return np.where(longer_sides < _SHRUNK_FROM * picture_side(model), UNSHRUNK_STEPS, PIXEL_STEPS).astype(np.int64)


def _groups(keys: Int64, is_new: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[Int64]:
    """The rows of each key that several rows share, at least one of them new."""
    order = np.argsort(keys, kind="stable").astype(np.int64)
    if not len(order):
        return
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    for group in np.split(order, bounds):
        if len(group) > 1 and is_new[group].any():
            yield group


def _alike(store: Store, inventory: Inventory, first: Int64, second: Int64) -> tuple[Int64, Int64]:
    """The pairs whose signatures nearly agree; if one has none, the decoding decides."""
    kept = np.ones(len(first), np.bool_)
    for at in range(0, len(first), _COMPARED):
        part = slice(at, at + _COMPARED)
        rows, place = np.unique(np.concatenate([first[part], second[part]]), return_inverse=True)
        found, signatures = store.signatures(inventory.image_ids[rows])
        a, b = place[: len(first[part])], place[len(first[part]) :]
        apart = np.abs(signatures[a].astype(np.int16) - signatures[b]).max(axis=1, initial=0)
        sides = np.maximum(inventory.widths[first[part]], inventory.heights[first[part]])  # both have one size
        kept[part] = (apart <= pixel_steps(store.model, sides)) | ~found[a] | ~found[b]
    return first[kept], second[kept]
