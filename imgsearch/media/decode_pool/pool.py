"""Worker processes that decode files, and stay harmless whatever a file does to them.

The pool never runs further ahead of its consumer than ``ahead`` files. Small files travel several in a message.
A file that needs much memory waits and is decoded alone, so that all processes together stay small. A worker
that hangs is killed, one that dies is replaced, and only the file it held is lost.
"""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from imgsearch.errors import ImgsearchError, MediaError
from imgsearch.media.decode_pool.frames import Outcome, unpack_outcome
from imgsearch.media.decode_pool.process import DecodeProcess, WorkerSettings
from imgsearch.media.limits import MIB
from imgsearch.settings import available_cores

_CHUNK_JOBS = 8
_CHUNK_BYTES = 1 * MIB
_HEAVY_WAITING = 8  # heavy files gathered before the pool is drained for them
_NORMAL_TOTAL_BYTES = 400 * MIB  # for the pictures of all workers together
_TICK_S = 0.2
_FAULT_SHARE = 0.7  # of the time limit spent computing: the file is at fault
_START_LIMIT_S = 60.0
_START_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One file to decode."""

    path: str
    size_bytes: int  # as the walk saw it: decides how jobs are chunked
    known_hashes: frozenset[str] = frozenset()  # of contents of exactly this size that need no decoding
    tag: Any = None  # the caller's own; never leaves this process


class DecodePool:
    """Decode files to uint8 [size, size, 3] in ``workers`` processes (0: one a core, 16 at most)."""

    def __init__(
        self,
        size: int,
        *,
        workers: int = 0,
        ahead: int = 96,
        time_limit_s: float = 9.0,
        memory_bytes: int = 0,
        heavy_memory_bytes: int = 640 * MIB,
    ) -> None:
        self.workers = workers or min(available_cores(), 16)
        self.size = size
        self._ahead = max(ahead, 1)
        memory = memory_bytes or max(96 * MIB, min(160 * MIB, _NORMAL_TOTAL_BYTES // self.workers))
        self._settings = WorkerSettings(size, memory, max(heavy_memory_bytes, memory), time_limit_s)
        self._changed = threading.Condition()  # guards all that follows
        self._numbers = itertools.count()
        self._jobs: dict[int, DecodeJob] = {}  # taken, not yet handed out
        self._pending: deque[int] = deque()
        self._heavy: deque[int] = deque()
        self._draining = False  # normal work is held back until the heavy files are done
        self._heavy_running: int | None = None
        self._crashed_once: set[int] = set()
        self._ready: deque[tuple[int, Outcome]] = deque()
        self._processes: list[DecodeProcess] = []
        self._threads: list[threading.Thread] = []
        self._fatal: ImgsearchError | None = None
        self._closed = False
        self._closing = threading.Event()

    def __enter__(self) -> DecodePool:
        self._start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def run(self, jobs: Iterable[DecodeJob]) -> Iterator[tuple[DecodeJob, Outcome]]:
        """One outcome for each job, as they come. ``jobs`` is advanced in the caller's thread only. Leaving early
        drops what is in flight. Raises ImgsearchError if no worker can be started."""
        self._start()
        source = iter(jobs)
        exhausted = False
        try:
            while True:
                while not exhausted and len(self._jobs) < self._ahead:
                    exhausted = self._take(source)
                if not self._jobs:
                    return
                yield self._next_outcome()
        finally:
            with self._changed:
                self._jobs.clear()
                self._pending.clear()
                self._heavy.clear()
                self._ready.clear()
                self._draining = False

    def close(self) -> None:
        """End the workers at once: they hold nothing worth keeping."""
        with self._changed:
            self._closed = True
            self._closing.set()
            self._changed.notify_all()
            for process in self._processes:
                process.end()
        for thread in self._threads:
            thread.join(timeout=5)
        for process in self._processes:
            process.close_pipes()

    # -- the consumer's side -------------------------------------------------------------------------------------

    def _take(self, source: Iterator[DecodeJob]) -> bool:
        """Take a chunk's worth of jobs; True when there are no more."""
        taken = list(itertools.islice(source, min(_CHUNK_JOBS, self._ahead - len(self._jobs))))
        with self._changed:
            for job in taken:
                number = next(self._numbers)
                self._jobs[number] = job
                self._pending.append(number)
            self._dispatch()
        return not taken

    def _next_outcome(self) -> tuple[DecodeJob, Outcome]:
        with self._changed:
            while not self._ready:
                if self._fatal is not None:
                    raise self._fatal
                if self._closed:
                    raise ImgsearchError("the decode pool was closed while it was at work")
                self._changed.wait(timeout=1.0)
            number, outcome = self._ready.popleft()
            return self._jobs.pop(number), outcome

    # -- giving work out (the lock is held) ------------------------------------------------------------------------

    def _dispatch(self) -> None:
        if self._heavy_running is not None or self._closed:
            return
        if self._heavy and (not self._pending or len(self._heavy) >= _HEAVY_WAITING):
            self._draining = True
        if self._draining and self._heavy:
            if not any(process.outstanding for process in self._processes):
                number = self._heavy.popleft()
                self._heavy_running = number
                self._processes[0].send([(number, self._jobs[number])], heavy=True)
            return
        self._draining = False
        while self._pending:
            process = min(self._processes, key=lambda each: len(each.outstanding))
            if not process.has_room(_CHUNK_JOBS, _CHUNK_BYTES):
                return
            process.send(self._chunk(), heavy=False)

    def _chunk(self) -> list[tuple[int, DecodeJob]]:
        """The next few pending jobs: many if small, one if large, a fair share when few are left."""
        chunk: list[tuple[int, DecodeJob]] = []
        total_bytes = 0
        count = min(_CHUNK_JOBS, 1 + len(self._pending) // (2 * self.workers))
        while self._pending and len(chunk) < count and total_bytes < _CHUNK_BYTES:
            number = self._pending.popleft()
            chunk.append((number, self._jobs[number]))
            total_bytes += self._jobs[number].size_bytes
        return chunk

    # -- the workers' side -------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._changed:
            if self._closed:
                raise ImgsearchError("the decode pool is closed")
            if self._threads:
                return
            self._processes = [DecodeProcess(self._settings) for _ in range(self.workers)]
            self._threads = [
                threading.Thread(target=self._serve, args=(process,), daemon=True) for process in self._processes
            ]
            self._threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self._threads:
            thread.start()

    def _serve(self, process: DecodeProcess) -> None:
        """One thread a worker: takes its answers, gives it work, replaces it when it dies."""
        while True:
            message = process.receive()
            with self._changed:
                if self._closed:
                    return
                if message is None:
                    self._bury(process)
                    if self._fatal is not None:
                        return
                elif not process.ready:
                    process.became_ready()
                elif not self._accept(process, *message):
                    process.kill()  # it talks nonsense: treated as a crash when its pipe ends
                    continue
                self._dispatch()
                self._changed.notify_all()

    def _accept(self, process: DecodeProcess, head: dict[str, Any], body: bytes) -> bool:
        """File one answer; False if it makes no sense."""
        number = process.outstanding[0] if process.outstanding else None
        if number is None or head.get("id") != number:
            return False
        try:
            outcome = None if head["kind"] == "heavy" else unpack_outcome(head, body, self.size)
        except (ValueError, KeyError, TypeError):
            return False
        process.finished()
        if self._heavy_running == number:
            self._heavy_running = None
        if number in self._jobs:  # else its run() was left
            if outcome is None:
                self._heavy.append(number)
            else:
                self._settle(number, outcome)
        return True

    def _settle(self, number: int, outcome: Outcome) -> None:
        self._crashed_once.discard(number)
        self._ready.append((number, outcome))

    def _bury(self, process: DecodeProcess) -> None:
        """A worker is dead: decide about the file it held, give the others back, start another."""
        status = process.wait()
        if not process.ready:
            process.failed_starts += 1
        held = list(process.outstanding)
        if process.ready and held:
            culprit = held.pop(0)
            if culprit in self._jobs:
                self._judge(culprit, process, status)
        if self._heavy_running is not None and self._heavy_running in process.outstanding:
            if self._heavy_running in held:
                self._heavy.appendleft(self._heavy_running)
                held.remove(self._heavy_running)
            self._heavy_running = None
        self._pending.extendleft(number for number in reversed(held) if number in self._jobs)
        if process.failed_starts >= _START_ATTEMPTS:
            self._fatal = ImgsearchError(
                f"the decode workers cannot start (exit status {status}, {process.failed_starts} attempts)",
                "python -m imgsearch.media.decode_pool.worker --check shows why",
            )
        else:
            process.restart()

    def _judge(self, number: int, process: DecodeProcess, status: int) -> None:
        """What a dead worker says about the file it was decoding."""
        limit = f"{self._settings.time_limit_s:g} s"
        if process.overdue or status == -getattr(signal, "SIGALRM", 0):
            # Less computing than that: a slow disk or a busy computer may be at fault, so every run tries again.
            starved = process.computed_s < _FAULT_SHARE * self._settings.time_limit_s
            why = f"it was stopped after {process.computed_s:.1f} s of computing" if starved else "it was stopped"
            message = f"decoding took longer than {limit}: {why}"
            self._settle(number, MediaError(message, stage="decode", transient=starved))
        elif number not in self._crashed_once:
            self._crashed_once.add(number)
            self._heavy.append(number)  # once more, alone and with more memory
        elif status == -getattr(signal, "SIGKILL", 0):
            message = "the system ended the decoder twice over this file, probably for lack of memory"
            self._settle(number, MediaError(message, stage="decode", transient=True))
        else:
            message = f"the decoder crashed twice on this file ({_signal_name(status)})"
            self._settle(number, MediaError(message, stage="decode"))

    def _watch(self) -> None:
        """Kill a worker that has sat on one file, or on its own start, for too long."""
        while not self._closing.wait(timeout=_TICK_S):
            with self._changed:
                now = time.monotonic()
                for process in self._processes:
                    allowed = self._settings.time_limit_s if process.ready else _START_LIMIT_S
                    if (process.outstanding or not process.ready) and now - process.progress_at > allowed:
                        process.kill_overdue()


def _signal_name(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"exit status {status}"
