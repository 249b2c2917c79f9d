"""Pictures read and compared in pairs, by worker processes where there are many pairs."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

from PIL import Image

from imgsearch.dedup.alignment import Alignment, align
from imgsearch.dedup.comparison import FINE_SIDE, confirm
from imgsearch.dedup.evidence import Copy
from imgsearch.errors import ImgsearchError, MediaError
from imgsearch.media.decode import open_upright
from imgsearch.records import Failure, MediaFacts
from imgsearch.settings import available_cores
from imgsearch.storage.inventory import HeldFile
from imgsearch.storage.store import Store

_KEPT = 256  # pictures in each process, 0.8 MB each at most
_PART = 32  # tasks given to a worker at a time: two to five seconds
_WORTH_WORKERS = 200  # tasks that take longer than starting workers
_MOST_WORKERS = 16
_MOSTLY = 0.8  # of the blocks

IdPair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture to be read: from the first of ``files`` that can be."""

    image_id: int
    files: tuple[Copy | HeldFile, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """Two pictures to be looked at. ``turn``: that of the signatures, if they call the two copies."""

    first: Shown
    second: Shown
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """``is_copy``: signatures call the two copies and the pictures do not deny it; else how they lie on each other."""

    is_copy: bool
    seen: Alignment | None


def looks(
    tasks: Iterable[Task], count: int, failed: Callable[[Failure], None], workers: int | None = None
) -> Iterator[Look | None]:
    """What is seen of each task, in order; None where a picture cannot be read. Tasks that share a picture should stand
    together: the latest are kept. ``count``: about how many tasks there are. ``failed`` is told once of each picture of
    which no file can be read. ``workers``: processes, as many as there are cores unless given. Raises ImgsearchError
    where one of them is killed. 40 ms of one core a copy of 12 megapixels that is confirmed, 60 to 200 ms what is not.
    """
    source = iter(tasks)
    parts = iter(lambda: list(itertools.islice(source, _PART)), [])
    workers = workers or min(available_cores(), _MOST_WORKERS)
    serial = workers == 1 or count < _WORTH_WORKERS
    told: set[str] = set()
    for found, failures in map(_Pictures().look, parts) if serial else _by_workers(parts, workers):
        for failure in failures:
            if failure.path not in told:
                told.add(failure.path)
                failed(failure)
        yield from found


def confirmed(first: Image.Image, second: Image.Image, turn: int) -> Look:
    """A closer look at two upright pictures whose signatures call them copies at ``turn``. Denied, they are near copies
    if most of what both show agrees, however the rest came about (strong sharpening of a grainy picture)."""
    if confirm(first, second, turn).is_copy[0]:
        return Look(True, None)
    seen = align(first, second)
    mostly = seen.kind == "other" and seen.agreement >= _MOSTLY
    return Look(False, replace(seen, kind="near") if mostly else seen)


class Looker:
    """Looks at pictures of a library by image id."""

    def __init__(self, store: Store, failed: Callable[[Failure], None]) -> None:
        self._store = store
        self._failed = failed
        self._files: OrderedDict[int, list[HeldFile]] = OrderedDict()

    def look(self, pairs: Sequence[IdPair]) -> Iterator[Alignment | None]:
        """How the two of each pair lie on each other, in order; None where one of them cannot be read."""
        tasks = (Task(self._shown(first), self._shown(second)) for first, second in pairs)
        for found in looks(tasks, len(pairs), self._failed):
            yield None if found is None else found.seen

    def facts(self, image_id: int) -> MediaFacts | None:
        """What the library knows of a picture; None where no file of it is left."""
        files = self._files_of(image_id)
        return files[0].facts if files else None

    def _shown(self, image_id: int) -> Shown:
        return Shown(image_id, tuple(file for file in self._files_of(image_id) if not file.offline))

    def _files_of(self, image_id: int) -> list[HeldFile]:
        if image_id not in self._files:
            self._files[image_id] = self._store.copies([image_id]).get(image_id, [])
            if len(self._files) > 8 * _KEPT:
                self._files.popitem(last=False)
        return self._files[image_id]


_Looked = tuple[list[Look | None], list[Failure]]


def _by_workers(parts: Iterator[list[Task]], workers: int) -> Iterator[_Looked]:
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawned, initializer=_begin_worker) as pool:
        waiting: deque[Future[_Looked]] = deque()
        try:
            for part in itertools.islice(parts, 2 * workers):
                waiting.append(pool.submit(_look, part))
            while waiting:
                yield waiting.popleft().result()
                waiting += [pool.submit(_look, part) for part in itertools.islice(parts, 1)]
        except BrokenProcessPool as error:
            raise ImgsearchError(
                "a process that looked at pictures was ended from outside, as happens when memory is short",
                "give the command again: what was compared is kept",
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Pictures:
    """The latest pictures that were read, by image id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Image.Image | None] = OrderedDict()

    def look(self, tasks: Sequence[Task]) -> _Looked:
        failures: list[Failure] = []
        found: list[Look | None] = []
        for task in tasks:
            first, second = self._opened(task.first, failures), self._opened(task.second, failures)
            if first is None or second is None:
                found.append(None)
            elif task.turn is None:
                found.append(Look(False, align(first, second)))
            else:
                found.append(confirmed(first, second, task.turn))
        return found, failures

    def _opened(self, shown: Shown, failures: list[Failure]) -> Image.Image | None:
        if shown.image_id in self._kept:
            self._kept.move_to_end(shown.image_id)
            return self._kept[shown.image_id]
        opened = _read(shown.files, failures)
        self._kept[shown.image_id] = opened
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return opened


def _read(files: Sequence[Copy | HeldFile], failures: list[Failure]) -> Image.Image | None:
    """The first of ``files`` that can be read; if none can, what is wrong with the first joins ``failures``."""
    reasons = []
    for file in files:
        try:
            picture = open_upright(file.path, FINE_SIDE, content_hash=file.facts.content_hash).convert("RGB")
        except MediaError as error:
            reasons.append(
                Failure(file.path, error.stage, error.message, error.transient, file.size_bytes, file.mtime_ns)
            )
            continue
        picture.thumbnail((2 * FINE_SIDE, 2 * FINE_SIDE), Image.Resampling.LANCZOS)
        return picture
    failures += reasons[:1]
    return None


_PICTURES = _Pictures()
"""Of a worker process."""


def _look(tasks: Sequence[Task]) -> _Looked:
    return _PICTURES.look(tasks)


def _begin_worker() -> None:
    """Ctrl-C is the parent's to answer, and a parent that was killed takes the worker along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
