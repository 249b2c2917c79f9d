"""Sends a library's vectors to a collection, goes on where an earlier push stopped, and checks what arrived."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from imgsearch.errors import IndexServerError
from imgsearch.index.contract import VectorRows
from imgsearch.index.qdrant.ownership import FRESH, anchors_of, new_marker, required_marker
from imgsearch.index.qdrant.points import MARKER_ID, VECTORS, CollectionForm, Marker, Points, require_form
from imgsearch.index.representatives import representative_tokens
from imgsearch.progress import StepProgress
from imgsearch.records import Float32, Int64
from imgsearch.storage import Store, View

CHUNK = 256
"""Images a request: about 950 vectors of 256 numbers, 5 MB as JSON. A server takes 32 MB at most."""

SAMPLE = 256
"""Points that are read back and compared."""

TRIES = 5
FIRST_WAIT_S = 0.5
"""Before the second try of a request, doubled each time: a server that is restarted, or out of memory for a moment."""


class PushStopped(Exception):
    """Ctrl-C between two requests; the next push goes on from there."""


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did. ``points``: images in the collection; ``sent`` of them now, ``vectors`` vectors; ``deleted``:
    points of images that the library has dropped; ``compared``: points that were read back and found right."""

    points: int
    sent: int
    vectors: int
    deleted: int
    compared: int


def push_library(
    store: Store,
    points: Points,
    vectors: str,
    progress: StepProgress = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
    *,
    fresh: bool = False,
) -> PushReport:
    """Make the collection hold every image of the library, and nothing else; ``fresh`` begins anew. Searches go on
    meanwhile: they take the collection for what its marker says, which is written last.

    Deleted images are kept until `compact` drops them, as in a snapshot: their files may come back. `compact` gives new
    slots to the images that it moves, so these are sent again. A new collection keeps its numbers as ``vectors``.
    Cost: 40 us an image for the choice of vectors, the server's time, and the list of all ids that are there (20 bytes
    a point). Raises IndexServerError, LibraryUnsupported (another library's
    collection, a data type that loses answers), PushStopped, ValueError without images."""
    view = store.view()
    if not view.count:
        raise ValueError("got a library without pictures, expected at least one")
    slots = np.sort(np.concatenate([view.live_slots, view.dead_slots]))
    marker, form = _begun(store, view, points, vectors, fresh)
    there = np.sort(np.concatenate([np.empty(0, np.int64), *points.pages()]))
    gone = np.setdiff1d(there, slots, assume_unique=True)
    for part in _parts(gone):
        _again(partial(points.delete, part))
    missing = np.setdiff1d(slots, there, assume_unique=True)
    sent = send_images(view, missing, points, lambda done, _: progress(len(there) - len(gone) + done, len(slots)), stop)
    expected = len(slots) - sent.empty
    _require_count(points, expected + 1)
    sample = _sample(slots, missing)
    compared = _require_equal(view, points, sample, VECTORS[form.vectors])
    done = replace(
        marker, stop=view.slots, generation=view.generation, images=expected, anchors=anchors_of(store, view)
    )
    _write_marker(points, view.dims, done)
    return PushReport(expected, sent.images, sent.vectors, len(gone), compared)


@dataclass(frozen=True, slots=True)
class Sent:
    """``images`` points with ``vectors`` vectors; ``empty`` images had no finite vector, so they have no point."""

    images: int
    vectors: int
    empty: int


def send_images(
    rows: VectorRows,
    slots: Int64,
    points: Points,
    progress: StepProgress = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> Sent:
    """Store the representatives of the images in ``slots`` (existing, ascending). Raises PushStopped,
    IndexServerError."""
    images = vectors = 0
    for number, part in enumerate(_parts(slots)):
        if stop():
            raise PushStopped
        chosen = list(_representatives(rows, part))
        full = np.array([len(one) > 0 for one in chosen], np.bool_)
        some = [one for one in chosen if len(one)]
        if some:
            _again(partial(points.upsert, part[full], some))
        images += len(some)
        vectors += sum(map(len, some))
        progress(number * CHUNK + len(part), len(slots))
    return Sent(images, vectors, len(slots) - images)


def _representatives(rows: VectorRows, slots: Int64) -> Iterator[Float32]:
    """The vectors [n, D] that stand for each image, n >= 0."""
    vectors = rows.read(slots)
    for tokens, kept in zip(vectors, representative_tokens(vectors), strict=True):
        yield tokens[kept]


def _begun(store: Store, view: View, points: Points, vectors: str, fresh: bool) -> tuple[Marker, CollectionForm]:
    """The marker and the form of the collection, made if there is none."""
    form = points.form()
    if form is not None and fresh:
        points.drop()
        form = None
    if form is None:
        points.create(view.dims, vectors)
        marker = new_marker(store)
        _write_marker(points, view.dims, marker)
        return marker, CollectionForm(view.dims, vectors, "Dot", True)
    require_form(form, view.dims, points.name)
    payload = points.payload(MARKER_ID)
    if payload is None and points.count() == 0:  # made by a push that was killed before its first point
        marker = new_marker(store)
        _write_marker(points, view.dims, marker)
        return marker, form
    return required_marker(store, view, points, payload), form


def _write_marker(points: Points, dims: int, marker: Marker) -> None:
    row = np.zeros((1, dims), np.float32)
    row[0, 0] = 1.0
    _again(partial(points.upsert, np.array([MARKER_ID], np.int64), [row], marker.as_payload()))


def _require_count(points: Points, expected: int) -> None:
    """Raise IndexServerError unless the collection holds ``expected`` points; replicas may need a moment."""
    for attempt in range(TRIES):
        found = points.count()
        if found == expected:
            return
        time.sleep(FIRST_WAIT_S * attempt)
    raise IndexServerError(
        f"{points.name} holds {found - 1:,} points after all were sent, expected {expected - 1:,}",
        "run imgsearch build --qdrant again, which sends what is missing",
    )


def _sample(slots: Int64, sent: Int64) -> Int64:
    """Slots to compare, ascending: the first and the last ones, some of those just sent and of all, by a fixed
    seed."""
    rng = np.random.default_rng(1)
    few = [rng.permutation(part)[: SAMPLE // 2] for part in (slots, sent)]
    return np.unique(np.concatenate([slots[:1], slots[-1:], *few]))


def _require_equal(view: View, points: Points, slots: Int64, tolerance: float) -> int:
    """Raise IndexServerError unless the points of ``slots`` hold the vectors that belong there; returns how many were
    compared."""
    compared = 0
    for part in _parts(slots):
        found = points.read(part)
        for slot, rows in zip(part.tolist(), _representatives(view, part), strict=True):
            if not len(rows):
                continue
            got = found.get(slot, np.empty((0, 0), np.float32))
            if got.shape != rows.shape or not bool((np.linalg.norm(got - rows, axis=1) <= tolerance).all()):
                raise IndexServerError(f"{points.name} holds other vectors for the picture in slot {slot}", FRESH)
            compared += 1
    return compared


def _parts(slots: Int64) -> Iterator[Int64]:
    for first in range(0, len(slots), CHUNK):
        yield slots[first : first + CHUNK]


def _again(request: Callable[[], None]) -> None:
    """A request that may be repeated, tried up to `TRIES` times."""
    for attempt in range(TRIES - 1):
        try:
            return request()
        except IndexServerError:
            time.sleep(FIRST_WAIT_S * 2**attempt)
    return request()
