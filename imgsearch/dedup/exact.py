"""The same bytes, and the same pixels whatever container, metadata or EXIF rotation they come with."""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from imgsearch.dedup.evidence import Evidence, Pair
from imgsearch.dedup.perceptual import CandidateSearch
from imgsearch.dedup.signing import Progress, failure_of
from imgsearch.errors import MediaError
from imgsearch.media.decode import open_upright
from imgsearch.records import Failure, Int64
from imgsearch.search.pictures import DECODE_THREADS
from imgsearch.storage.evidence_store import EvidenceStore
from imgsearch.storage.inventory import HeldFile, Inventory
from imgsearch.storage.store import Store

KIND = "pixels"
RECIPE = "1"
"""How pixels are made into a digest: raise it when a change of decoding moves them."""

PIXEL_RADIUS = 4
"""Bits in which the pHashes of equal pixels may differ: a JPEG is shrunk while it is decoded and a PNG of its pixels is
not, and a picture that EXIF turns is shrunk before it is turned. At most 2 over 83 photographs saved as PNG at a model
size of 112 (none at 224), none over 21 turned by EXIF in seven ways."""

PIXEL_STEPS = 24
"""Of 255, how far lightness and colour in the signatures of equal pixels may be apart, for the same reason; above it
nothing is decoded. At most 16 over the same."""

CROWD = 512
"""Of more pictures than this with the same pixels each is paired with the first so many only."""

_PAGE = 512
_ALL_BITS = 1 << 24  # pixels a side that no picture has: decode at full size
_COMPARED = 16_384
_WRITTEN = 64  # digests computed before they are kept


def same_bytes(store: Store) -> Iterator[list[HeldFile]]:
    """The files of each content that more than one file holds, by image id; the best first (online, by root, by path).
    Nothing is read but the catalog. 40 us a file."""
    several = store.images_with_several_files()
    while page := list(itertools.islice(several, _PAGE)):
        files = store.copies(page)
        yield from (files[image_id] for image_id in page if len(files.get(image_id, ())) > 1)


def same_pixels(
    store: Store,
    evidence: EvidenceStore,
    new: Int64,
    failed: Callable[[Failure], None],
    *,
    inventory: Inventory | None = None,
    progress: Progress | None = None,
) -> Iterator[Pair]:
    """Pictures of the same pixels in other bytes, of which at least one is among the ids ``new``; each pair once.

    Only those that share the upright size and nearly the pHash and signature are decoded, at full size and with the
    decoder's limits; the sha256 of what a person sees (RGB) is kept in ``evidence``, so each is decoded once. A file
    that cannot be read, or changed since it was indexed, is told to ``failed`` and has no pairs.
    ``progress(done, total)`` counts the decoded ones. 100 ms of one core for 12 megapixels.
    """
    inventory = inventory or store.inventory()
    first, second = _candidates(store, inventory, np.unique(np.asarray(new, np.int64)))
    wanted = np.unique(np.concatenate([first, second]))
    digests = pixel_digests(store, evidence, inventory.image_ids[wanted].tolist(), failed, progress)
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


def pixel_digests(
    store: Store,
    evidence: EvidenceStore,
    image_ids: list[int],
    failed: Callable[[Failure], None],
    progress: Progress | None = None,
) -> dict[int, bytes]:
    """sha256 of the pixels of these images as a person sees them; kept ones are not computed again. Images without a
    file that can be read are absent."""
    found = evidence.pixel_hashes(RECIPE, image_ids)
    todo = [image_id for image_id in image_ids if image_id not in found]
    done = 0
    for chunk in _chunks(todo, _PAGE):
        fresh: dict[int, bytes] = {}
        for image_id, outcome in _digest_all(store.copies(chunk)):
            if isinstance(outcome, Failure):
                failed(outcome)
            else:
                fresh[image_id] = outcome
            done += 1
            if progress is not None:
                progress(done, len(todo))
            if len(fresh) >= _WRITTEN:
                evidence.add_pixel_hashes(RECIPE, fresh)
                found |= fresh
                fresh = {}
        evidence.add_pixel_hashes(RECIPE, fresh)
        found |= fresh
    return found


def _candidates(store: Store, inventory: Inventory, new: Int64) -> tuple[Int64, Int64]:
    """Rows of the inventory that may hold the same pixels, pair by pair, at least one of each new."""
    rows = inventory.rows(new)
    is_new = np.zeros(len(inventory), np.bool_)
    is_new[rows[rows >= 0]] = True
    sizes = inventory.widths << 32 | inventory.heights
    pairs = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for group in _groups(sizes, is_new):
        of_size = inventory.take(group)
        asking = np.flatnonzero(is_new[group])
        search = CandidateSearch(of_size, asking, PIXEL_RADIUS, turns=1)
        for found in search.candidates(asking, of_size.perceptual_hashes[asking, None]):
            pairs.append(_alike(store, inventory, group[found.first], group[found.second]))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def _groups(keys: Int64, is_new: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[Int64]:
    """The rows of each key that several have, one of them new."""
    order = np.argsort(keys, kind="stable").astype(np.int64)
    if not len(order):
        return
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    for group in np.split(order, bounds):
        if len(group) > 1 and is_new[group].any():
            yield group


def _alike(store: Store, inventory: Inventory, first: Int64, second: Int64) -> tuple[Int64, Int64]:
    """Those of the pairs whose signatures nearly agree; where one has none, the decoding decides."""
    kept = np.ones(len(first), np.bool_)
    for at in range(0, len(first), _COMPARED):
        part = slice(at, at + _COMPARED)
        rows, place = np.unique(np.concatenate([first[part], second[part]]), return_inverse=True)
        found, signatures = store.signatures(inventory.image_ids[rows])
        a, b = place[: len(first[part])], place[len(first[part]) :]
        apart = np.abs(signatures[a].astype(np.int16) - signatures[b]).max(axis=1, initial=0)
        kept[part] = (apart <= PIXEL_STEPS) | ~found[a] | ~found[b]
    return first[kept], second[kept]


def _digest_all(files: dict[int, list[HeldFile]]) -> Iterator[tuple[int, bytes | Failure]]:
    """Of each image the digest, or why there is none; a few decoded ahead, in threads."""
    with ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="pixels") as pool:
        waiting: deque[tuple[int, Future[bytes | Failure]]] = deque()
        for image_id, found in files.items():
            waiting.append((image_id, pool.submit(_digest, found)))
            if len(waiting) >= 2 * DECODE_THREADS:
                image, future = waiting.popleft()
                yield image, future.result()
        for image, future in waiting:
            yield image, future.result()


def _digest(files: list[HeldFile]) -> bytes | Failure:
    """From the first file that still holds the content; else the first one's failure."""
    reason: Failure | None = None
    for file in files:
        try:
            picture = open_upright(file.path, _ALL_BITS, content_hash=file.facts.content_hash)
        except MediaError as error:
            reason = reason or failure_of(file, error)
            continue
        digest = hashlib.sha256(f"{picture.width} {picture.height} {picture.mode}\n".encode())
        digest.update(picture.tobytes())
        return digest.digest()
    assert reason is not None  # there is at least one file
    return reason


def _chunks(values: Iterable[int], size: int) -> Iterator[list[int]]:
    iterator = iter(values)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
