"""Captions and answers for many clients: one generator, used by one thread, in batches of waiting requests.

A generator is large and for one thread at a time. It is loaded on first use. Requests wait in a queue of bounded
length; waiting requests of one kind become one batch. A request whose client has gone is dropped before the next batch,
and a batch without any client left ends between two tokens. Searches continue beside it: the thread has a lower
priority, and none of their locks.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from imgsearch.errors import ImgsearchError
from web.problems import Conflict, Overloaded, WebError

if TYPE_CHECKING:
    from PIL import Image

    from imgsearch.generation.contract import Generator, Watch

_LOG = logging.getLogger("imgsearch.web")

WAITING = 16
"""Requests that may wait or run at once. A batch of eight of the small generator takes a second of one core."""

BATCH = 8
"""Requests that are answered together; with more, the first word of the next one would take too long."""

POLL_S = 0.2
"""How often a waiting request checks whether its client is still there."""

_NICE = 10  # of the writing thread, if the system gives threads their own priorities


Run: TypeAlias = "Callable[[Generator, Sequence[Image.Image], Sequence[Any], Watch], Sequence[Any]]"
"""Writes about images, from the image and ``said`` of each wish -> one result each."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A request to write about an image. Wishes with the same ``run`` share a batch. ``image`` gives the image for a
    generator of so many pixels a side, or raises Gone; ``said`` is passed to ``run``."""

    run: Run
    image: Callable[[int], Image.Image]
    said: Any


class _Gone(Exception):
    """Nobody waits for the batch any more."""


@dataclass(eq=False, slots=True)
class _Job:
    """One wish in progress; its messages come through ``told``: ("state" | "text" | "done" | "error", value)."""

    wish: Wish
    told: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)
    gone: bool = False
    over: bool = False

    def tell(self, name: str, value: Any) -> None:
        self.over = self.over or name in ("done", "error")
        self.told.put((name, value))


class Hearing:
    """The messages about one wish, in order: ("state", a sentence) while it waits, ("text", the text so far), ("",
    None) now and then, and last ("done", the result). It ends early if the client has gone. The caller drops it in the
    end, whether it was read or not."""

    def __init__(self, job: _Job, gone: Callable[[], bool], drop: Callable[[_Job], None]) -> None:
        self._job, self._gone, self._drop = job, gone, drop

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Raises the errors of loading and writing: NotEnoughMemory, ModelUnavailable, CheckpointInvalid, MediaError,
        UsageError."""
        while True:
            try:
                name, value = self._job.told.get(timeout=POLL_S)
            except queue.Empty:
                if self._gone():
                    self.drop()
                    return
                yield "", None
                continue
            if name == "error":
                raise value
            yield name, value
            if name == "done":
                return

    def drop(self) -> None:
        """Nobody listens any more, so the rest need not be written."""
        if not (self._job.over or self._job.gone):
            self._job.gone = True
            self._drop(self._job)


class GenerationService:
    """See the module. ``load`` makes the generator, ``name`` is what it is called by; None for a server without one.
    ``quantize`` as `load_generator` was given it.
    Safe between threads; whoever makes it closes it."""

    def __init__(
        self,
        load: Callable[[], Generator] | None = None,
        name: str = "",
        *,
        quantize: str | None = None,
        waiting: int = WAITING,
        batch: int = BATCH,
    ) -> None:
        self._load, self.name, self._quantize = load, name, quantize
        self._most, self._batch = waiting, batch
        self._generator: Generator | None = None
        self._changed = threading.Condition()
        self._jobs: list[_Job] = []  # that wait
        self._running = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._written = self._refused = self._dropped = self._batches = 0

    @property
    def available(self) -> bool:
        """Whether there is a generator; only a request shows whether it can be loaded."""
        return self._load is not None

    @property
    def dtype(self) -> str:
        """The dtype of the generator's weights once it is loaded, such as "bfloat16+int4"."""
        kind = str(getattr(self._generator, "dtype", ""))
        return f"{kind}+{self._quantize}" if self._quantize else kind

    def write(self, wish: Wish, gone: Callable[[], bool] = lambda: False) -> Hearing:
        """Queue ``wish``; ``gone`` says whether the client has gone. Raises Conflict if there is no generator,
        Overloaded if too many wait."""
        return Hearing(self._submitted(wish), gone, self._dropped_job)

    def gauges(self) -> dict[str, tuple[str, float]]:
        """Same as `SearchService.gauges`."""
        return {"generator_waiting": ("Captions and answers that wait or are written", len(self._jobs) + self._running)}

    def counts(self) -> dict[str, tuple[str, float]]:
        """Same as `SearchService.counts`."""
        return {
            "generator_written": ("Captions and answers written", self._written),
            "generator_refused": ("Captions and answers refused because too many were waiting", self._refused),
            "generator_dropped": ("Captions and answers whose client went away", self._dropped),
            "generator_batches": ("Batches of captions and answers", self._batches),
        }

    def close(self) -> None:
        """Drop waiting requests, and let the thread end after the present token."""
        with self._changed:
            self._closed = True
            waiting, self._jobs = self._jobs, []
            self._changed.notify_all()
            thread = self._thread
        for job in waiting:
            job.tell("error", _leaving())
        if thread is not None:
            thread.join(10)

    def _submitted(self, wish: Wish) -> _Job:
        if self._load is None:
            raise Conflict(
                "this server has no generator, which would write captions and answers",
                "name one when it starts: imgsearch serve --generator Salesforce/blip2-opt-2.7b",
            )
        with self._changed:
            if self._closed:
                raise _leaving()
            if len(self._jobs) + self._running >= self._most:
                self._refused += 1
                raise Overloaded("as many captions and answers are waiting as this server writes", retry_after_s=2)
            job = _Job(wish)
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="generation", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return job

    def _dropped_job(self, job: _Job) -> None:
        with self._changed:
            self._dropped += 1
            if job in self._jobs:
                self._jobs.remove(job)

    def _work(self) -> None:
        _yield_to_searches()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if self._closed:
                    return
                jobs = self._taken()
            try:
                self._answer(jobs)
            except _Gone:
                pass
            except BaseException as error:  # noqa: BLE001  raised where it is waited for
                _fail(jobs, error)
            finally:
                with self._changed:
                    self._running -= len(jobs)

    def _taken(self) -> list[_Job]:
        """The first waiting job, and others of its kind."""
        run = self._jobs[0].wish.run
        jobs = [job for job in self._jobs if job.wish.run == run][: self._batch]
        self._jobs = [job for job in self._jobs if job not in jobs]
        self._running += len(jobs)
        return jobs

    def _answer(self, jobs: list[_Job]) -> None:
        generator = self._ready(jobs)
        size = int(getattr(generator, "image_size", 224))
        pictured: list[tuple[_Job, Image.Image]] = []
        for job in jobs:
            if job.gone:
                continue
            try:
                pictured.append((job, job.wish.image(size)))
            except ImgsearchError as error:
                job.tell("error", error)
        try:
            self._write(generator, pictured)
        except ImgsearchError as error:
            if len(pictured) < 2:
                raise error
            for one in pictured:  # each by itself shows which one is at fault
                try:
                    self._write(generator, [one])
                except ImgsearchError as own:
                    one[0].tell("error", own)

    def _ready(self, jobs: Sequence[_Job]) -> Generator:
        if self._generator is None:
            assert self._load is not None
            for job in jobs:
                job.tell("state", "the model is being loaded")
            self._generator = self._load()
        return self._generator

    def _write(self, generator: Generator, pictured: Sequence[tuple[_Job, Image.Image]]) -> None:
        jobs = [job for job, _ in pictured]
        if not jobs:
            return

        def watch(place: int, text: str) -> None:
            if self._closed or all(job.gone for job in jobs):
                raise _Gone
            jobs[place].tell("text", text)

        self._batches += 1
        said = [job.wish.said for job in jobs]
        results = jobs[0].wish.run(generator, [image for _, image in pictured], said, watch)
        for job, result in zip(jobs, results, strict=True):
            self._written += 1
            job.tell("done", result)


def _fail(jobs: Sequence[_Job], error: BaseException) -> None:
    if not isinstance(error, ImgsearchError):
        _LOG.exception("a generator failed", exc_info=error)
        error = WebError("the server met an error that it did not expect; its log tells more")
    for job in jobs:
        if not job.over:
            job.tell("error", error)


def _leaving() -> Overloaded:
    return Overloaded("the server is about to leave", retry_after_s=5)


def _yield_to_searches() -> None:
    """Linux gives each thread a priority of its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
