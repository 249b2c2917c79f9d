"""Pictures of a library read and aligned in pairs, by worker processes where there are many pairs."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from PIL import Image

from imgsearch.dedup.alignment import Alignment, align
from imgsearch.errors import ImgsearchError, MediaError
from imgsearch.media.decode import open_upright
from imgsearch.records import Failure, MediaFacts
from imgsearch.storage.inventory import HeldFile
from imgsearch.storage.store import Store

_SIDE = 256
_KEPT = 512  # pictures of 256 px, in each process: 100 MB at most
_PART = 32  # pairs given to a worker at a time: two to five seconds
_WORTH_WORKERS = 200  # pairs that take longer than starting workers
_MOST_WORKERS = 16

IdPair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Picture:
    image_id: int
    files: tuple[HeldFile, ...]  # that can be reached


class Looker:
    """Looks at pictures by image id. ``failed`` is told once of each picture of which no file can be read."""

    def __init__(self, store: Store, failed: Callable[[Failure], None], workers: int | None = None) -> None:
        """``workers``: processes, as many as there are cores unless given."""
        self._store = store
        self._failed = failed
        self._workers = workers or min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
        self._files: OrderedDict[int, list[HeldFile]] = OrderedDict()
        self._told: set[str] = set()

    def look(self, pairs: Sequence[IdPair]) -> Iterator[Alignment | None]:
        """How the two of each pair lie on each other, in order; None where one of them cannot be read. Pairs that share
        a picture should stand together: the latest pictures are kept."""
        parts = (pairs[at : at + _PART] for at in range(0, len(pairs), _PART))
        work = ([(self._picture(a), self._picture(b)) for a, b in part] for part in parts)
        serial = self._workers == 1 or len(pairs) < _WORTH_WORKERS
        for alignments, failures in map(_Pictures().look, work) if serial else self._by_workers(work):
            for failure in failures:
                if failure.path not in self._told:
                    self._told.add(failure.path)
                    self._failed(failure)
            yield from alignments

    def facts(self, image_id: int) -> MediaFacts | None:
        """What the library knows of a picture; None where no file of it is left."""
        files = self._files_of(image_id)
        return files[0].facts if files else None

    def _by_workers(self, work: Iterator[list[tuple[_Picture, _Picture]]]) -> Iterator[_Looked]:
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self._workers, spawned, initializer=_begin_worker) as pool:
            waiting: deque[Future[_Looked]] = deque()
            try:
                for part in itertools.islice(work, 2 * self._workers):
                    waiting.append(pool.submit(_look, part))
                while waiting:
                    yield waiting.popleft().result()
                    waiting += [pool.submit(_look, part) for part in itertools.islice(work, 1)]
            except BrokenProcessPool as error:
                raise ImgsearchError(
                    "a process that looked at pictures was ended from outside, as happens when memory is short",
                    "give the command again: what was compared is kept",
                ) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _picture(self, image_id: int) -> _Picture:
        return _Picture(image_id, tuple(file for file in self._files_of(image_id) if not file.offline))

    def _files_of(self, image_id: int) -> list[HeldFile]:
        if image_id not in self._files:
            self._files[image_id] = self._store.copies([image_id]).get(image_id, [])
            if len(self._files) > 4 * _KEPT:
                self._files.popitem(last=False)
        return self._files[image_id]


_Looked = tuple[list[Alignment | None], list[Failure]]


class _Pictures:
    """The latest pictures that were read, by image id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Image.Image | None] = OrderedDict()

    def look(self, pairs: Sequence[tuple[_Picture, _Picture]]) -> _Looked:
        failures: list[Failure] = []
        found: list[Alignment | None] = []
        for pair in pairs:
            first, second = (self._opened(picture, failures) for picture in pair)
            found.append(None if first is None or second is None else align(first, second))
        return found, failures

    def _opened(self, picture: _Picture, failures: list[Failure]) -> Image.Image | None:
        if picture.image_id in self._kept:
            self._kept.move_to_end(picture.image_id)
            return self._kept[picture.image_id]
        opened = _read(picture.files, failures)
        self._kept[picture.image_id] = opened
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return opened


def _read(files: Sequence[HeldFile], failures: list[Failure]) -> Image.Image | None:
    """The first of ``files`` that can be read; if none can, what is wrong with the first joins ``failures``."""
    reasons = []
    for file in files:
        try:
            return open_upright(file.path, _SIDE, content_hash=file.facts.content_hash)
        except MediaError as error:
            reasons.append(
                Failure(file.path, error.stage, error.message, error.transient, file.size_bytes, file.mtime_ns)
            )
    failures += reasons[:1]
    return None


_PICTURES = _Pictures()
"""Of a worker process."""


def _look(pairs: Sequence[tuple[_Picture, _Picture]]) -> _Looked:
    return _PICTURES.look(pairs)


def _begin_worker() -> None:
    """Ctrl-C is the parent's to answer, and a parent that was killed takes the worker along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
