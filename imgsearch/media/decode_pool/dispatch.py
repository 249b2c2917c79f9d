"""Decides which job goes to which worker, and when. The pool's lock guards it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from imgsearch.media.decode_pool.jobs import Parcel
from imgsearch.media.decode_pool.process import WorkerProcess
from imgsearch.media.limits import MIB

_CHUNK_JOBS = 8
_CHUNK_BYTES = 1 * MIB
_HEAVY_WAITING = 8  # heavy jobs that are collected before the pool is drained for them


class Dispatcher:
    """``pending``: jobs that are not sent yet. ``heavy``: jobs that need much memory or killed a worker; each runs
    while nothing else does. ``start`` adds a process to ``processes`` and returns it."""

    def __init__(self, workers: int, processes: Sequence[WorkerProcess], start: Callable[[], WorkerProcess]) -> None:
        self.pending: deque[Parcel] = deque()
        self.heavy: deque[Parcel] = deque()
        self.heavy_running: Parcel | None = None
        self._draining = False  # whether other jobs wait until the heavy ones are done
        self._workers, self._processes, self._start = workers, processes, start

    def clear(self) -> None:
        """Drop the jobs that are not sent yet."""
        self.pending.clear()
        self.heavy.clear()
        self._draining = False

    def give_out(self) -> None:
        """Send all jobs that may be sent now."""
        if self.heavy_running is not None:
            return
        if self.heavy and (not self.pending or len(self.heavy) >= _HEAVY_WAITING):
            self._draining = True
        if self._draining and self.heavy:
            if not any(process.outstanding for process in self._processes):
                self.heavy_running = self.heavy.popleft()
                self._processes[0].send([self.heavy_running], heavy=True)
            return
        self._draining = False
        while self.pending:
            process = self._least_busy()
            chunk = self._chunk(process.room_bytes()) if process.has_room(_CHUNK_JOBS, _CHUNK_BYTES) else []
            if not chunk:
                return
            process.send(chunk, heavy=False)

    def take_back(self, parcels: Sequence[Parcel]) -> None:
        """Put back jobs that a dead worker held and had not begun. They come next."""
        if self.heavy_running is not None and self.heavy_running in parcels:
            self.heavy.appendleft(self.heavy_running)
        else:
            self.pending.extendleft(reversed(parcels))

    def _least_busy(self) -> WorkerProcess:
        """The process that holds the fewest jobs; a new one if all are busy and there may be more."""
        process = min(self._processes, key=lambda each: len(each.outstanding), default=None)
        if process is None or (process.outstanding and len(self._processes) < self._workers):
            return self._start()
        return process

    def _chunk(self, room_bytes: int) -> list[Parcel]:
        """The next few pending jobs for one message: many if small, one if large, a fair share when few are left. None
        at all if the first job's arguments exceed ``room_bytes``."""
        chunk: list[Parcel] = []
        total_bytes = 0
        count = min(_CHUNK_JOBS, 1 + len(self.pending) // (2 * self._workers))
        while self.pending and len(chunk) < count and total_bytes < _CHUNK_BYTES:
            room_bytes -= self.pending[0].sent_bytes
            if room_bytes < 0:
                break
            chunk.append(self.pending.popleft())
            total_bytes += chunk[-1].size_bytes
        return chunk
