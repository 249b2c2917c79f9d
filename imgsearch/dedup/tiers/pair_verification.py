"""Compares pairs of a library's images. Each image is decoded once, small, in the hardened pool, and kept until the
looks end; signatures rule out most pairs that are no copies before any decoding."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from imgsearch.dedup.evidence.examination import failure_of
from imgsearch.dedup.pixels.registration.register import UNRELATED
from imgsearch.dedup.pixels.registration.sheets import Sheets
from imgsearch.dedup.pixels.registration.task import TASK, alignments_from
from imgsearch.dedup.pixels.template_matching import Alignment
from imgsearch.errors import ImgsearchError, MediaError
from imgsearch.media.decode_pool import HardenedPool, Job, JobResult
from imgsearch.records import Failure
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.inventory import HeldFile
from imgsearch.storage.store import Store

FILE_NAME = "looks.tmp"

MOST_REST = 0.22
"""`Starts.rest` beyond which two images are unrelated: 2,100 near copies have 0.18 at most, two in three pairs of
unrelated images more than 0.22."""

MOST_CLIPPED, LEAST_CLIPPED = 0.35, 0.8
"""The rest, and the correlation of the best start, for images that were mostly clipped: made brighter by half."""

_AT_ONCE = 192  # pairs, which a stopped run decodes again
_STARTS = 64  # pairs in a job: a fifth of a second
_LOOKS = 16  # the same
_TIME_LIMIT_S = 30.0  # for a job on a busy machine
_HELD = 8192  # images whose files are cached

IdPair = tuple[int, int]


class PairLooks:
    """Compares pairs by image id. Starts no process before the first look; leaving it ends all of them."""

    def __init__(self, store: Store, failed: Callable[[Failure], None], workers: int = 0) -> None:
        """``failed`` is called once for each image without a readable file. The small images are stored in the folder
        of the library's evidence meanwhile."""
        self._store, self._failed = store, failed
        path = store.evidence().folder / FILE_NAME
        self._sheets = Sheets(path)
        self._pool = HardenedPool(
            TASK, {"sheets": str(path.absolute())}, workers=workers, time_limit_s=_TIME_LIMIT_S, ahead=64
        )
        self._rows: dict[int, int] = {}
        self._drawn: set[int] = set()  # decoded
        self._unread: set[int] = set()
        self._files: dict[int, list[HeldFile]] = {}

    def __enter__(self) -> PairLooks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._pool.__exit__(kind, error, trace)
        finally:
            self._sheets.__exit__(kind, error, trace)

    def look(
        self, pairs: Iterable[IdPair], told: Callable[[], object] = lambda: None
    ) -> Iterator[tuple[IdPair, Alignment | None]]:
        """How the two of each pair lie on each other, in order; None if one of them cannot be read. ``told`` is called
        several times a second. Pairs that share an image should stand together. 3 ms of one core an unrelated pair,
        10 ms a copy, and one decoding each image. Raises ImgsearchError if a worker was ended from outside,
        StorageFull."""
        for chunk in lookups.chunks(pairs, _AT_ONCE):
            yield from self._look_at(chunk, told)

    def files_of(self, image_id: int) -> list[HeldFile]:
        """Every file of an image, the reachable ones first."""
        if image_id not in self._files:
            self.read_files([image_id])
        return self._files[image_id]

    def read_files(self, image_ids: Iterable[int]) -> None:
        """Look up the files of many images at once."""
        if len(self._files) > _HELD:
            self._files.clear()
        lacking = sorted({image_id for image_id in image_ids if image_id not in self._files})
        found = self._store.copies(lacking)
        self._files.update({image_id: found.get(image_id, []) for image_id in lacking})

    def _look_at(
        self, pairs: Sequence[IdPair], told: Callable[[], object]
    ) -> Iterator[tuple[IdPair, Alignment | None]]:
        self._sign({image_id for pair in pairs for image_id in pair})
        starts: dict[IdPair, list[Any]] = {}
        jobs = (Job(["starts", self._rows_of(part)], tag=part) for part in lookups.chunks(pairs, _STARTS))
        for part, body in self._answers(jobs, told):
            starts.update(zip(part, json.loads(body), strict=True))
        worth = [pair for pair in pairs if _is_worth(starts[pair])]
        self._draw({image_id for pair in worth for image_id in pair}, told)
        there = [pair for pair in worth if self._unread.isdisjoint(pair)]
        found: dict[IdPair, Alignment | None] = dict.fromkeys(pairs, UNRELATED)
        found.update(dict.fromkeys([pair for pair in worth if not self._unread.isdisjoint(pair)]))
        waiting = iter(pairs)
        jobs = (
            Job(["looks", self._rows_of(part), [starts[pair] for pair in part]], tag=part)
            for part in lookups.chunks(there, _LOOKS)
        )
        for part, body in self._answers(jobs, told):
            found.update(zip(part, alignments_from(body), strict=True))
            for pair in waiting:
                yield pair, found[pair]
                if pair == part[-1]:
                    break
        for pair in waiting:
            yield pair, found[pair]

    def _answers(self, jobs: Iterator[Job], told: Callable[[], object]) -> Iterator[tuple[list[IdPair], bytes]]:
        for job, answer in self._pool.run(jobs, ordered=True):
            if not isinstance(answer, JobResult):
                raise ImgsearchError(
                    f"a process that looked at pictures did not answer: {answer.message}",
                    "give the command again: what was looked at is kept",
                )
            told()
            yield job.tag, answer.body

    def _rows_of(self, pairs: Sequence[IdPair]) -> list[tuple[int, int]]:
        return [(self._rows[first], self._rows[second]) for first, second in pairs]

    def _sign(self, image_ids: set[int]) -> None:
        fresh = sorted(image_ids - self._rows.keys())
        _, signatures = self._store.signatures(np.array(fresh, np.int64))
        for image_id, signature in zip(fresh, signatures, strict=True):
            self._rows[image_id] = len(self._rows)
            self._sheets.put_signature(self._rows[image_id], signature.tobytes())

    def _draw(self, image_ids: set[int], told: Callable[[], object]) -> None:
        """Decode those that were not decoded yet: from the first readable file of each."""
        waiting = sorted(image_ids - self._drawn - self._unread)
        self.read_files(waiting)
        reasons: dict[int, Failure] = {}
        attempt = 0
        while waiting:
            tried = [(image_id, self._reachable(image_id)[attempt:]) for image_id in waiting]
            jobs = (_reading(image_id, files[0]) for image_id, files in tried if files)
            for job, answer in self._pool.run(jobs):
                told()
                image_id, file = job.tag
                if isinstance(answer, MediaError):
                    reasons.setdefault(image_id, failure_of(file, answer))
                else:
                    self._sheets.put_planes(self._rows[image_id], answer.body)
                    self._drawn.add(image_id)
            self._unread |= {image_id for image_id, files in tried if not files}
            waiting = [image_id for image_id, files in tried if files and image_id not in self._drawn]
            attempt += 1
        for image_id in sorted(reasons.keys() - self._drawn):
            self._failed(reasons[image_id])

    def _reachable(self, image_id: int) -> list[HeldFile]:
        return [file for file in self.files_of(image_id) if not file.offline]


def _is_worth(starts: Sequence[Sequence[float]]) -> bool:
    rest, correlation = starts[0][-1], max(start[-2] for start in starts)
    return rest <= MOST_REST or (rest <= MOST_CLIPPED and correlation >= LEAST_CLIPPED)


def _reading(image_id: int, file: HeldFile) -> Job:
    path = str(Path(file.path))
    return Job(["planes", path, file.facts.content_hash], file.size_bytes, tag=(image_id, file))
