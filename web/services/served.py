"""What answers the searches of a server: one model over one library's vectors, exchanged after a switch."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from imgsearch.errors import ImgsearchError
from imgsearch.search.engine import Searcher
from imgsearch.search.inference.batched import BatchedInference
from imgsearch.search.scans import BatchedScans
from imgsearch.storage.beside import is_current

_LOG = logging.getLogger("imgsearch.web")
_AGAIN_S = 60.0  # after a model that could not be loaded


class Served:
    """A searcher, with what batches its requests if ``batching``. `begin` and `end` mark requests that work with
    it; once retired it closes itself behind the last of them."""

    def __init__(self, given: Searcher, *, batching: bool) -> None:
        self._given = given
        self.backend = BatchedInference(given.model, given.features) if batching else None
        self.scans = None if self.backend is None else BatchedScans(self.backend.unhurried)
        self.searcher = given
        if self.backend is not None:
            self.searcher = Searcher(
                given.store,
                given.model,
                features=given.features,
                calibration=given.calibration,
                backend=self.backend,
                scans=self.scans,
                texts=given.texts,
                opener=given.opener,
            )
        self._lock = threading.Lock()
        self._users = 0
        self._retired = self._closed = False

    def begin(self) -> bool:
        """Note that a request works with the searcher, until `end`; False if another one answers by now."""
        with self._lock:
            self._users += not self._retired
            return not self._retired

    def end(self) -> None:
        """The request is answered."""
        with self._lock:
            self._users -= 1
        self._close_if_done()

    def retire(self) -> None:
        """Close as soon as nobody uses it."""
        with self._lock:
            self._retired = True
        self._close_if_done()

    def close(self) -> None:
        """Answer waiting requests, then let go of the library. Closing twice is fine."""
        with self._lock:
            self._closed = True
        if self.backend is not None:
            self.backend.close()
        if self.scans is not None:
            self.scans.close()
        self.searcher.close()
        self._given.close()

    def _close_if_done(self) -> None:
        with self._lock:
            due = self._retired and not self._closed and not self._users
            self._closed = self._closed or due
        if due:
            self.close()


class Switching:
    """Notices that the library was switched to another model, and has that one opened in a thread of its own; until it
    is there, the former one answers from its own vectors. ``reopen`` opens the library as it is now; ``install`` takes
    over what it gives."""

    def __init__(self, reopen: Callable[[], Searcher] | None, install: Callable[[Searcher], None]) -> None:
        self._reopen, self._install = reopen, install
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._generation: int | None = None  # at which the library was known to be the served model's
        self._not_before = 0.0

    def look(self, searcher: Searcher) -> int:
        """The library's generation; begins to load the library's model if it is not the searcher's. Costs a read of
        one row, after a commit of two."""
        generation = searcher.store.generation()
        if self._reopen is not None and generation != self._generation and time.monotonic() >= self._not_before:
            if is_current(searcher.store):
                self._generation = generation
            else:
                self._load()
        return generation

    def wait(self) -> None:
        """Until a model that is being loaded is there."""
        with self._lock:
            loading = self._loading
        if loading is not None:
            loading.join()

    def _load(self) -> None:
        with self._lock:
            if self._loading is None or not self._loading.is_alive():
                self._loading = threading.Thread(target=self._follow, name="switch", daemon=True)
                self._loading.start()

    def _follow(self) -> None:
        assert self._reopen is not None
        try:
            self._install(self._reopen())
            self._generation = None
        except ImgsearchError as error:
            self._not_before = time.monotonic() + _AGAIN_S
            _LOG.warning(
                "the library was switched to a model that cannot be opened (%s); searches go on with the former one",
                error.message,
            )
