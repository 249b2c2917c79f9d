"""Whether one file is already in the library: candidates in milliseconds, then a look at each as `find` does."""

from __future__ import annotations

import os

import numpy as np

from imgsearch.dedup.evidence.records import ACTED_ON, TIERS, Evidence
from imgsearch.dedup.evidence.signature_backfill import picture_side
from imgsearch.dedup.here_looks import LookupFile, look_at
from imgsearch.dedup.pixels.comparison import HASH_RADIUS
from imgsearch.dedup.tiers.exact import PIXEL_RADIUS, PIXEL_STEPS
from imgsearch.dedup.tiers.prefilter import screened
from imgsearch.index.hamming import hamming_pairs
from imgsearch.media.decode import decode_file
from imgsearch.media.decoded import DecodedImage
from imgsearch.media.signature import is_flat, luma_of, oriented_hashes
from imgsearch.records import UInt8
from imgsearch.storage.catalog.inventory import Inventory
from imgsearch.storage.store import Store

MOST_LOOKS = 16
"""Candidates that are compared in full, the likeliest first; further ones are not listed."""

_MOST = 500  # candidates whose signatures are compared, those at the least Hamming distance: 0.25 s if all are alike


class DuplicateLookup:
    """A library's pHashes in memory, for looking up one file after the other: 40 bytes an image, read in 2 s a million
    and read again when the library has changed."""

    def __init__(self, store: Store, radius: int = HASH_RADIUS) -> None:
        self._store = store
        self._radius = radius
        self._generation = -1
        self._inventory: Inventory | None = None

    def is_here(self, path: str | os.PathLike[str]) -> list[tuple[int, Evidence]]:
        """The library's images that ``path`` is a copy of or is related to, by image id, the surest first; [] for an
        image that is not here. The evidence has the library's image first and the file second, and states what `find`
        would: by content (tier bytes), by all samples of all frames (pixels), by a look at full size (perceptual), else
        by the relation of the files (part, stack, burst). A copy that `find` would not move in favour of the library's
        file says why; a copy whose file in the library cannot be read, and which only small images support, is near.
        `counts` says which of them mean that the image is here.

        Costs, beside decoding the file (10 to 60 ms for a photograph) and 15 ms a million images: for each of at most
        `MOST_LOOKS` candidates 2 ms of headers, and unless these rule it out, decoding both at full size: 10 ms for
        drawings of 224 px, 0.5 to 1 s for 12 megapixels. Raises MediaError for a file that is not an image.
        """
        decoded = decode_file(path, picture_side(self._store.model))
        assert isinstance(decoded, DecodedImage)  # no known hashes were given
        signature = np.frombuffer(decoded.signature, np.uint8)[None]  # [1, 1536]
        asked = LookupFile(os.path.abspath(path), decoded.facts, decoded.mtime_ns)  # noqa: PTH100  bytes-safe, keeps links
        same = self._store.image_of(decoded.facts.content_hash)
        found = {} if same is None else {same: Evidence("bytes", 1.0)}
        alike = {} if is_flat(luma_of(signature))[0] else self._copies(signature)
        exact = self._of_equal_size(asked, signature)
        likely = sorted(alike, key=lambda image_id: (-alike[image_id].score, image_id))
        ids = [image_id for image_id in dict.fromkeys([*exact, *likely]) if image_id != same][:MOST_LOOKS]
        files = self._store.copies(ids)
        for image_id in ids:
            evidence = look_at(asked, files.get(image_id, ()), alike.get(image_id), exact=image_id in exact)
            if evidence is not None:
                found[image_id] = evidence
        return sorted(found.items(), key=lambda item: (TIERS.index(item[1].tier), -item[1].score, item[0]))

    def _of_equal_size(self, asked: LookupFile, signature: UInt8) -> list[int]:
        """Images whose samples may all be equal: see `exact.same_pixels`. The likeliest first; includes flat ones."""
        inventory = self._current()
        sized = (inventory.widths == asked.facts.width) & (inventory.heights == asked.facts.height)
        rows = np.flatnonzero(sized)
        own = oriented_hashes(luma_of(signature))[0, :1]
        hamming = np.bitwise_count(inventory.perceptual_hashes[rows] ^ own)
        close = np.flatnonzero(hamming <= PIXEL_RADIUS)
        rows = rows[close[np.argsort(hamming[close], kind="stable")]][:_MOST]
        ids = inventory.image_ids[rows]
        there, others = self._store.signatures(ids)
        apart = np.abs(others.astype(np.int16) - signature.astype(np.int16)).max(axis=1, initial=0)
        kept = np.flatnonzero((apart <= PIXEL_STEPS) | ~there)
        return [int(ids[at]) for at in kept[np.argsort(apart[kept], kind="stable")]]

    def _copies(self, signature: UInt8) -> dict[int, Evidence]:
        inventory = self._current()
        hashes = oriented_hashes(luma_of(signature))[0]  # [8]
        blocks = list(hamming_pairs(hashes, inventory.perceptual_hashes, self._radius))
        if not blocks:
            return {}
        orientations, rows, hamming = (np.concatenate(column) for column in zip(*blocks, strict=True))
        nearest = np.lexsort((rows, orientations, hamming))[:_MOST]
        orientations, rows, hamming = (orientations[nearest] + 1).astype(np.uint8), rows[nearest], hamming[nearest]
        ids = inventory.image_ids[rows]
        there, others = self._store.signatures(ids)
        compared = screened(others, np.repeat(signature, len(others), axis=0), orientations)
        best: dict[int, Evidence] = {}
        for at in np.flatnonzero(compared.is_copy & there & ~is_flat(luma_of(others))).tolist():
            difference, image_id = float(compared.difference[at]), int(ids[at])
            if image_id not in best or difference < (best[image_id].difference or 0.0):
                score, orientation = float(compared.score[at]), int(orientations[at])
                best[image_id] = Evidence(
                    "perceptual", score, orientation=orientation, hamming=int(hamming[at]), difference=difference
                )
        return best

    def _current(self) -> Inventory:
        generation = self._store.generation()
        if self._inventory is None or generation != self._generation:
            self._inventory, self._generation = self._store.inventory(), generation
        return self._inventory


def counts(evidence: Evidence) -> bool:
    """Whether an image with this evidence is a copy; parts, stacks and other shots are shown and do not count."""
    return evidence.tier in ACTED_ON


def is_here(store: Store, path: str | os.PathLike[str]) -> list[tuple[int, Evidence]]:
    """`DuplicateLookup.is_here` for one file; for many files make one `DuplicateLookup`."""
    return DuplicateLookup(store).is_here(path)
