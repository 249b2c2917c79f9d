"""`imgsearch index --beside`: vectors of another model, of all pictures that the library has, made beside its own while
these go on being searched. `imgsearch switch` makes them the library's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch import app as library
from imgsearch.errors import LibraryBusy, MediaError, UsageError
from imgsearch.media.decode_pool import DecodeJob, DecodePool
from imgsearch.media.decoded import DecodedImage
from imgsearch.progress import Progress, Silence
from imgsearch.records import Float32, ModelId, UInt8
from imgsearch.settings import Settings
from imgsearch.storage import Store
from imgsearch.storage.beside import add_beside, begin_beside, missing_beside, store_beside, vectors_beside
from imgsearch.storage.catalog.beside import same_vectors
from imgsearch.storage.reads.fact_reads import read_told_orientations
from imgsearch.wording import counted, one_line
from indexer.encoder import Encoded, VectorSource, library_encoder
from indexer.forecast import require_space, time_text
from indexer.snapshot import refresh_snapshot

_CHUNK = 500  # images whose places are looked up at once
_WAIT_S = 0.5  # a wait for another writer, between two looks at ``stop``
_NAMED = 5  # unreadable files in the text of a summary


@dataclass
class BesideSummary:
    """``made``: images that got their vectors in this run, ``images``: that have them, ``missing``: that have none.
    ``unreadable``: files that gave none, with the reason."""

    library: str
    model: str
    made: int = 0
    images: int = 0
    missing: int = 0
    unreadable: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        if self.interrupted:
            return 130
        return 3 if self.missing else 0

    def as_dict(self) -> dict[str, Any]:
        """The JSON for --json."""
        return asdict(self) | {"exit_code": self.exit_code}

    def text(self) -> str:
        """The same for a person."""
        total = self.images + self.missing
        lines = [
            f"{counted(self.made, 'picture')} got vectors of {one_line(self.model)} beside the library's own "
            f"({time_text(self.seconds)}): {self.images:,} of {total:,} have them."
        ]
        lines += [f"Not read: {one_line(row['path'])} ({one_line(row['reason'])})." for row in self.unreadable[:_NAMED]]
        if len(self.unreadable) > _NAMED:
            lines.append(f"... and {len(self.unreadable) - _NAMED:,} more that could not be read.")
        lines += [one_line(note) + "." for note in self.notes]
        if self.interrupted:
            lines.append("Stopped: what was made is kept. Run the same command again to go on.")
        elif not self.missing:
            lines.append(f"Next: imgsearch switch --library {one_line(self.library)}")
        return "\n".join(lines)


def index_beside(
    settings: Settings, progress: Progress | None = None, stop: Callable[[], bool] = lambda: False
) -> BesideSummary:
    """Make what is missing of the vectors of ``settings.model`` (not named: of those that lie there) beside the own
    ones of the library, then their search index if that pays. An interrupted run is continued by the same call. Other
    writers, searches and a server go on: the lock is held for a commit at a time.

    Raises LibraryMissing, UsageError (no model was named), ModelMismatch (those of a third model lie there),
    ModelUnavailable, CheckpointInvalid, NotEnoughMemory, StorageFull."""
    progress = progress or Silence()
    with library.open_store(settings) as own:
        beside = begin_beside(own, _model(settings, own))
        settings = replace(settings, model=settings.model or beside.model.name)
        run = _BesideRun(beside, settings, progress, stop)
        with closing(library_encoder(settings, beside)) as encoder:
            run.run(encoder)
        summary = run.summary
        summary.interrupted = stop() and summary.missing > 0
        if not summary.interrupted and (note := refresh_snapshot(beside, progress, stop)):
            summary.notes.append(note)
        return summary


def _model(settings: Settings, own: Store) -> ModelId:
    """The identity of the model that is to make the vectors, at the size and in the arithmetic of those that are there
    already. Loads nothing."""
    there = store_beside(own)
    if not settings.model:
        if there is None:
            raise UsageError(
                "--beside makes vectors of another model, and none was named", "imgsearch index --model NEW --beside"
            )
        return library.model_id(settings, there.model)
    if there is not None:
        found = library.model_id(settings, there.model)
        if same_vectors(found, there.model):
            return found
    library.check_model(settings.model)
    return library.model_id(settings)


@dataclass(slots=True)
class _Batch:
    """Images that are encoded together, with the files that they were read from."""

    ids: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    pixels: list[UInt8] = field(default_factory=list)


class _BesideRun:
    """One run: pass after pass over what is missing, until only what was tried is."""

    def __init__(self, store: Store, settings: Settings, progress: Progress, stop: Callable[[], bool]) -> None:
        self._store, self._settings, self._progress, self._stop = store, settings, progress, stop
        self.summary = BesideSummary(str(store.path), store.model.name)
        self._tried: set[int] = set()
        self._in_flight: tuple[_Batch, Future[Encoded]] | None = None
        self._total = 0

    def run(self, encoder: VectorSource) -> None:
        """Make what is missing. Raises as `index_beside` does."""
        started = time.monotonic()
        try:
            while not self._stop() and self._pass(encoder):
                pass
        finally:
            self._progress.close()
            found = vectors_beside(self._store)
            if found is not None:
                self.summary.images, self.summary.missing = found.images, found.missing
            self.summary.seconds = round(time.monotonic() - started, 3)

    def _pass(self, encoder: VectorSource) -> bool:
        """True if anything was tried."""
        todo = sum(1 for image_id in missing_beside(self._store) if image_id not in self._tried)
        if not todo:
            return False
        require_space(todo, self._store.model, self._store.dtype, self._store.path)
        self._progress.say(f"{counted(todo, 'picture')} to make vectors of {self._store.model.name} for")
        self._total = self.summary.made + todo
        self._progress("reading", self.summary.made, self._total)
        profile = library.runtime_profile(self._settings, self._store.model)
        size = self._settings.batch_size or profile.batch_size
        encoder.expect(todo)
        pool = DecodePool(self._store.model.image_size, workers=self._settings.workers, stop=self._stop)
        batch = _Batch()
        with closing(pool):
            for job, outcome in pool.run(self._jobs()):
                self._take(job, outcome, batch)
                if len(batch.ids) >= size:
                    self._finish()
                    self._in_flight, batch = (batch, encoder.submit(batch.pixels)), _Batch()
                if self._stop():
                    break
        self._finish()
        if batch.ids and not self._stop():
            self._in_flight = (batch, encoder.submit(batch.pixels))
            self._finish()
        return True

    def _jobs(self) -> Iterator[DecodeJob]:
        missing = (image_id for image_id in missing_beside(self._store) if image_id not in self._tried)
        while part := list(islice(missing, _CHUNK)):
            told = read_told_orientations(self._store, part)
            paths, records = self._store.all_paths(part), self._store.images(part)
            for image_id in part:
                self._tried.add(image_id)
                files = [os.fspath(path) for path in paths.get(image_id, [])]
                if image_id in records and files:
                    path = next((file for file in files if Path(file).exists()), files[0])
                    facts = records[image_id].facts
                    tag = image_id, facts.content_hash
                    yield DecodeJob(path, facts.size_bytes, tag=tag, told=told.get(image_id, 1))

    def _take(self, job: DecodeJob, outcome: object, batch: _Batch) -> None:
        image_id, content_hash = job.tag
        if isinstance(outcome, DecodedImage) and outcome.facts.content_hash == content_hash:
            batch.ids.append(image_id)
            batch.paths.append(job.path)
            batch.pixels.append(outcome.pixels)
        elif isinstance(outcome, MediaError):
            self._unreadable(job.path, outcome.message)
        else:
            self._unreadable(job.path, "it has changed since it was indexed; `imgsearch index` reads it anew")

    def _unreadable(self, path: str, reason: str) -> None:
        self.summary.unreadable.append({"path": path, "reason": reason})

    def _finish(self) -> None:
        """Commit the batch that is being encoded, if there is one."""
        if self._in_flight is None:
            return
        (batch, future), self._in_flight = self._in_flight, None
        encoded = future.result()
        found: dict[int, Float32] = {}
        for image_id, path, vectors in zip(batch.ids, batch.paths, encoded.vectors, strict=True):
            if isinstance(vectors, np.ndarray):
                found[image_id] = vectors
            else:
                self._unreadable(path, vectors.message)
        while found:
            try:
                self.summary.made += add_beside(self._store, found, wait_s=_WAIT_S)
                break
            except LibraryBusy:  # another run holds the lock for as long as it takes
                if self._stop():
                    break
        self._progress("reading", self.summary.made, self._total)
