"""Worker processes that run one task on files and stay harmless whatever a file does to them.

The pool takes at most ``ahead`` jobs more than its consumer has received. Small jobs share a message. A job that needs
much memory waits and runs alone, so that all processes together stay small. A worker that hangs is killed, one that
dies is replaced, and only the file it was working on is lost.
"""

from __future__ import annotations

import itertools
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from imgsearch.errors import ImgsearchError, MediaError
from imgsearch.media.decode_pool.dispatch import Dispatcher
from imgsearch.media.decode_pool.interrupts import interrupts_held
from imgsearch.media.decode_pool.jobs import Job, JobResult, Parcel, bounded
from imgsearch.media.decode_pool.process import WorkerProcess, WorkerSettings
from imgsearch.media.decode_pool.verdict import verdict
from imgsearch.media.limits import MIB, machine_budget
from imgsearch.media.source import ContentChanged
from imgsearch.settings import available_cores

T = TypeVar("T")
Read = Callable[[dict[str, Any], bytes], Any]

_TASK = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_TAKEN_AT_ONCE = 8
_NORMAL_TOTAL_BYTES = 400 * MIB  # for the images of all workers together
_TICK_S = 0.2
_START_LIMIT_S = 60.0
_START_ATTEMPTS = 3
_CLOSE_S = 0.4  # time for processes and threads to end; killed processes take a few milliseconds


class HardenedPool:
    """Runs ``task`` ("package.module:function", see `worker.Task`) on many jobs in ``workers`` processes (0: one a
    core, at most 16). Processes start when they are needed. ``settings`` go to the task with every job, as JSON of
    at most 64 KiB. Task and settings are fixed for the life of the workers. ``ahead``: jobs taken and not yet
    returned. ``time_limit_s``: for one job. ``memory_bytes``: for one job (0: a fair share of 400 MiB). A job that
    needs more runs again, alone, with ``heavy_memory_bytes`` (0: `limits.machine_budget`) and six times the time.
    ``stop`` is called once a second while no answer comes; True ends the run. Raises TypeError or ValueError for
    invalid arguments."""

    def __init__(
        self,
        task: str,
        settings: Mapping[str, Any],
        *,
        workers: int = 0,
        ahead: int = 96,
        time_limit_s: float = 9.0,
        memory_bytes: int = 0,
        heavy_memory_bytes: int = 0,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        if _TASK.fullmatch(task) is None:
            raise ValueError(f'task is {task!r}, expected "package.module:function"')
        self.workers = workers or min(available_cores(), 16)
        self._ahead, self._stop = max(ahead, 1), stop
        self._step = max(1, min(_TAKEN_AT_ONCE, self._ahead // 8))
        memory = memory_bytes or max(96 * MIB, min(160 * MIB, _NORMAL_TOTAL_BYTES // self.workers))
        heavy = max(heavy_memory_bytes or machine_budget(), memory)
        text = bounded(dict(settings), "the settings of a task").decode("ascii")
        self._settings = WorkerSettings(task, text, memory, heavy, time_limit_s)
        self._lock = threading.Lock()  # guards everything below
        self._numbers = itertools.count()
        self._jobs: dict[int, Job] = {}  # taken, not yet returned
        self._read: Read = JobResult
        self._crashed_once: set[int] = set()
        # A queue implemented in C and a plain lock, which Ctrl-C cannot leave half taken. None wakes the consumer.
        self._ready: queue.SimpleQueue[tuple[int, Any] | None] = queue.SimpleQueue()
        self._processes: list[WorkerProcess] = []
        self._servers: list[threading.Thread] = []  # one for each process, in the same order
        self._dispatcher = Dispatcher(self.workers, self._processes, self._start_process)
        self._fatal: ImgsearchError | None = None
        self._closed = False
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> HardenedPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        try:
            self.close(interrupted=interrupted)
        except KeyboardInterrupt:  # it came before it was held back, or was delivered afterwards
            self.close(interrupted=True)
            if not interrupted:
                raise

    @overload
    def run(self, jobs: Iterable[Job], *, ordered: bool = False) -> Iterator[tuple[Job, JobResult | MediaError]]: ...
    @overload
    def run(
        self, jobs: Iterable[Job], read: Callable[[dict[str, Any], bytes], T], *, ordered: bool = False
    ) -> Iterator[tuple[Job, T | MediaError]]: ...
    def run(self, jobs: Iterable[Job], read: Read = JobResult, *, ordered: bool = False) -> Iterator[tuple[Job, Any]]:
        """One outcome for each job, as they come, or in the order of the jobs if ``ordered`` (outcomes that wait for
        earlier ones count as ahead). ``jobs`` is advanced only in the caller's thread. ``read`` makes the outcome from
        an answer's head and body; if it raises ValueError, KeyError or TypeError, the answer was malformed and the
        worker counts as crashed. Only one run at a time is possible. Leaving it early drops the jobs in flight.

        Raises ImgsearchError if no worker can be started, TypeError or ValueError for arguments that JSON cannot
        express or that are too long.
        """
        self._begin(read)
        source = iter(jobs)
        exhausted = False
        early: dict[int, Any] = {}  # outcomes that wait for the ones before them
        try:
            while True:
                while not exhausted and len(self._jobs) + self._step <= self._ahead:
                    exhausted = self._take(source)
                if not self._jobs:
                    return
                found = self._next_outcome()
                if found is None:
                    return
                number, outcome = found
                if not ordered:
                    yield self._jobs.pop(number), outcome
                    continue
                early[number] = outcome
                while (number := next(iter(self._jobs), -1)) in early:
                    yield self._jobs.pop(number), early.pop(number)
        finally:
            with self._lock:
                self._jobs.clear()
                self._dispatcher.clear()

    def close(self, *, interrupted: bool = False) -> None:
        """End the workers at once. They hold nothing worth keeping. Ctrl-C waits for this, half a second at most, and
        is dropped if ``interrupted`` (one is already being handled)."""
        with interrupts_held(drop=interrupted):
            self._closed = True
            self._closing.set()
            self._ready.put(None)
            for process in list(self._processes):
                process.kill()  # before taking the lock, whose holder may be writing to one of them
            with self._lock:
                for process in self._processes:
                    process.kill()
            deadline = time.monotonic() + _CLOSE_S
            for process, server in zip(self._processes, self._servers, strict=True):
                process.reap(deadline)
                server.join(timeout=max(0.0, deadline - time.monotonic()))
                if not server.is_alive():
                    process.close_pipes()
            if self._watcher is not None:
                self._watcher.join(timeout=max(0.0, deadline - time.monotonic()))

    # -- the consumer's side -------------------------------------------------------------------------------------

    def _begin(self, read: Read) -> None:
        with self._lock:
            if self._closed:
                raise ImgsearchError("the decode pool is closed")
            if self._fatal is not None:
                raise self._fatal
            self._read = read
            self._ready = queue.SimpleQueue()
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, daemon=True)
                self._watcher.start()

    def _take(self, source: Iterator[Job]) -> bool:
        """Take a few jobs. Returns True if there are no more."""
        taken = list(itertools.islice(source, min(_TAKEN_AT_ONCE, self._ahead - len(self._jobs))))
        texts = [bounded(job.arguments, "the arguments of a job") for job in taken]
        with self._lock:
            for job, text in zip(taken, texts, strict=True):
                number = next(self._numbers)
                self._jobs[number] = job
                self._dispatcher.pending.append(Parcel(number, text, job.size_bytes))
            self._give_out()
        return not taken

    def _next_outcome(self) -> tuple[int, Any] | None:
        while True:
            try:
                found = self._ready.get(timeout=1.0)  # without a timeout, Ctrl-C has no effect on some systems
            except queue.Empty:
                found = None
            if found is not None:
                return found
            if self._fatal is not None:
                raise self._fatal
            if self._closed:
                raise ImgsearchError("the decode pool was closed while it was at work")
            if self._stop():
                return None

    # -- the workers' side (the lock is held, but in _serve and _watch) ----------------------------------------------

    def _give_out(self) -> None:
        if not self._closed:
            self._dispatcher.give_out()

    def _start_process(self) -> WorkerProcess:
        process = WorkerProcess(self._settings)
        server = threading.Thread(target=self._serve, args=(process,), daemon=True)
        self._processes.append(process)
        self._servers.append(server)
        server.start()
        return process

    def _serve(self, process: WorkerProcess) -> None:
        """One thread for each worker: receives its answers, sends it work, replaces it when it dies."""
        while True:
            message = process.receive()
            with self._lock:
                if self._closed:
                    return
                if message is None:
                    self._bury(process)
                    if self._fatal is not None:
                        self._ready.put(None)
                        return
                elif not process.ready:
                    process.became_ready()
                elif not self._accept(process, *message):
                    process.kill()  # a malformed answer is treated as a crash when the pipe ends
                    continue
                self._give_out()

    def _accept(self, process: WorkerProcess, head: dict[str, Any], body: bytes) -> bool:
        """Store one answer. Returns False if it is malformed."""
        parcel = process.outstanding[0] if process.outstanding else None
        if parcel is None or head.get("id") != parcel.number:
            return False
        wanted = parcel.number in self._jobs  # False if the consumer has left its run()
        try:
            heavy = head["kind"] == "heavy"
            outcome = self._outcome(head, body) if wanted and not heavy else None
        except (ValueError, KeyError, TypeError):
            return False
        process.finished()
        if self._dispatcher.heavy_running is parcel:
            self._dispatcher.heavy_running = None
        if wanted and heavy:
            self._dispatcher.heavy.append(parcel)
        elif wanted:
            self._settle(parcel.number, outcome)
        return True

    def _outcome(self, head: dict[str, Any], body: bytes) -> Any:
        if head["kind"] == "answer":
            return self._read(head["head"], body)
        make = ContentChanged if head["changed"] else MediaError
        return make(str(head["message"]), stage=str(head["stage"]), transient=bool(head["transient"]))

    def _settle(self, number: int, outcome: Any) -> None:
        self._crashed_once.discard(number)
        self._ready.put((number, outcome))

    def _bury(self, process: WorkerProcess) -> None:
        """Handle a dead worker: judge the file it was working on, put back its other jobs, start a new worker."""
        status = process.wait()
        held = list(process.outstanding)
        if process.ready and held:
            self._judge(held.pop(0), process, status)
        self._dispatcher.take_back([parcel for parcel in held if parcel.number in self._jobs])
        if self._dispatcher.heavy_running in process.outstanding:
            self._dispatcher.heavy_running = None
        process.failed_starts += not process.ready
        if process.failed_starts >= _START_ATTEMPTS:
            self._fatal = ImgsearchError(
                f"the decode workers cannot start (exit status {status}, {process.failed_starts} attempts)",
                f"python -m imgsearch.media.decode_pool.worker --check {self._settings.task} shows why",
            )
        else:
            self._fatal = process.try_restart()

    def _judge(self, parcel: Parcel, process: WorkerProcess, status: int) -> None:
        if parcel.number not in self._jobs:
            return
        before = parcel.number in self._crashed_once
        failure = verdict(process, status, process.allowed_s, before=before)
        if failure is not None:
            self._settle(parcel.number, failure)
        else:
            self._crashed_once.add(parcel.number)
            self._dispatcher.heavy.append(parcel)

    def _watch(self) -> None:
        """Kill a worker that takes too long over one file, or over its own start."""
        while not self._closing.wait(timeout=_TICK_S):
            with self._lock:
                now = time.monotonic()
                for process in self._processes:
                    allowed = process.allowed_s if process.ready else _START_LIMIT_S
                    if (process.outstanding or not process.ready) and now - process.progress_at > allowed:
                        process.kill_overdue()
