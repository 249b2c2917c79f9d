"""The index of a library whose vectors Qdrant serves. If the server is away, the search goes on at home."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgsearch.errors import IndexServerError, LibraryError
from imgsearch.index.contract import Allowed, CandidateIndex
from imgsearch.index.qdrant.address import QdrantAddress
from imgsearch.index.qdrant.connection import connect
from imgsearch.index.qdrant.first_stage import QdrantFirstStage
from imgsearch.index.qdrant.ownership import collection_of, required_marker
from imgsearch.index.qdrant.points import MARKER_ID, Points, require_form
from imgsearch.index.snapshot_index import SnapshotIndex
from imgsearch.records import Candidates, Float32
from imgsearch.storage import Store, View

AWAY_S = 30.0
"""After a failure searches do not ask the server for this long, so that at most one in half a minute waits for it."""

OPENINGS = 2
"""Times that a search looks at a collection whose marker changes under it."""

NOT_SENT = "nothing of this library was sent there yet: imgsearch build --qdrant"

Home = Callable[[], tuple[CandidateIndex, str | None]]


class Gate:
    """Shut for `AWAY_S` after a failure. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = -np.inf
        self.reason = ""

    @property
    def is_open(self) -> bool:
        return self._clock() >= self._until

    def shut(self, reason: str) -> None:
        self.reason, self._until = reason, self._clock() + AWAY_S


class _NotServed(Exception):
    """The server cannot answer, because of ``error``."""

    def __init__(self, error: LibraryError) -> None:
        self.error = error


@dataclass(frozen=True, slots=True)
class _Served:
    """A collection that answers, with its marker as it was read."""

    points: Points
    stage: QdrantFirstStage
    index: SnapshotIndex
    payload: dict[str, Any] | None


class RemoteIndex:
    """`CandidateIndex`: candidates from the collection, exact scores at home. ``home`` opens the local index, which
    answers while the server is away or holds something else. ``note`` says so to the person."""

    def __init__(self, store: Store, view: View, points: Callable[[], Points], gate: Gate, home: Home) -> None:
        self._store, self._view = store, view
        self._points, self._gate, self._home = points, gate, home
        self._served: _Served | None = None
        self._local: tuple[CandidateIndex, str | None] | None = None
        self._lock = threading.Lock()
        self.note: str | None = None

    def search(self, texts: Float32, k: int, allowed: Allowed | None = None) -> Candidates:
        """See `CandidateIndex.search`."""
        if self._gate.is_open:
            try:
                found = self._searched(texts, k, allowed)
                self.note = None
                return found
            except _NotServed as refused:
                error = refused.error
                self._gate.shut(error.message.rstrip(".") + (f"; {error.hint}" if error.hint else ""))
        local, trouble = self._at_home()
        self.note = f"this search was answered at home: {self._gate.reason}" + (f". {trouble}" if trouble else "")
        return local.search(texts, k, allowed)

    def _searched(self, texts: Float32, k: int, allowed: Allowed | None) -> Candidates:
        """The server's answer. If the collection was sent anew meanwhile, it may have been incomplete: asked again."""
        for _ in range(OPENINGS):
            served = self._opened()
            try:
                found = served.index.search(texts, k, allowed)
                if not served.stage.asked or served.points.payload(MARKER_ID) == served.payload:
                    return found
            except IndexServerError as error:
                raise _NotServed(error) from error
            with self._lock:
                if self._served is served:
                    self._served = None
        raise _NotServed(IndexServerError("the collection is being sent anew"))

    def _opened(self) -> _Served:
        with self._lock:
            if self._served is None:
                try:
                    self._served = self._open()
                except LibraryError as error:
                    raise _NotServed(error) from error
            return self._served

    def _open(self) -> _Served:
        """Raises LibraryError for a collection that is missing or another's."""
        points, view = self._points(), self._view
        form = points.form()
        if form is None:
            raise IndexServerError(f"there is no {points.name.removeprefix('the ')}", NOT_SENT)
        require_form(form, view.dims, points.name)
        payload = points.payload(MARKER_ID)
        marker = required_marker(self._store, view, points, payload)
        if not marker.stop:
            raise IndexServerError(f"{points.name} is not complete", "imgsearch build --qdrant completes it")
        stage = QdrantFirstStage(points, marker.stop, marker.block_bits)
        return _Served(points, stage, SnapshotIndex(view, stage, view.tie_keys(), view.live_mask()), payload)

    def _at_home(self) -> tuple[CandidateIndex, str | None]:
        with self._lock:
            if self._local is None:
                self._local = self._home()
            return self._local


class QdrantOpener:
    """Opens the index of a library at ``address`` again and again, with one connection and one memory of whether the
    server is away. ``home`` opens the local index of a view."""

    def __init__(
        self, address: QdrantAddress, home: Callable[[Store, View], tuple[CandidateIndex, str | None]]
    ) -> None:
        self._address, self._home = address, home
        self._gate, self._lock = Gate(), threading.Lock()
        self._points: Points | None = None

    def __call__(self, store: Store, view: View) -> tuple[CandidateIndex, str | None]:
        """(the index, None): its own ``note`` says what happened in the last search."""

        def points() -> Points:
            with self._lock:
                if self._points is None:
                    self._points = connect(self._address, collection_of(store, self._address.collection))
                return self._points

        return RemoteIndex(store, view, points, self._gate, lambda: self._home(store, view)), None

    def close(self) -> None:
        """Give the connection up."""
        with self._lock:
            if self._points is not None:
                self._points.close()
                self._points = None
