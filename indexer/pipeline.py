"""The pipeline: files -> decode workers -> batches -> encoder thread -> one commit a batch.

While one batch is encoded, the workers decode the next ones, never further ahead than a few batches. A batch is
committed as soon as it is encoded, so a kill loses that batch (on a GPU two) and what was decoded for the next.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool import DecodeJob, DecodePool
from imgsearch.media.decoded import DecodedImage, KnownContent
from imgsearch.records import Float32
from imgsearch.storage import EmbeddedBatch, FailedFile, FilePlace
from imgsearch.storage.caches.likely_features import LikelyFeatures
from indexer.encoder import Encoded
from indexer.run_context import RunContext
from indexer.scanning.pending_files import PendingFile, place_of
from indexer.scanning.scan import Scan
from indexer.scanning.work_list import WorkList

_LOOSE_ROWS = 1000  # rows without vectors (copies, failures) that wait for a commit

_AT_ONCE = 2  # batches that the encoder has where commits overlap: one computes, one is copied to the device

_NOTHING = Encoded([], 0.0, [])

T = TypeVar("T")


@dataclass(slots=True)
class Content:
    """One decoded content and every pending file that holds it."""

    image: DecodedImage
    files: list[tuple[PendingFile, FilePlace]]


@dataclass(slots=True)
class InFlight:
    """A batch that is being encoded."""

    contents: dict[str, Content]
    future: Future[Encoded]


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """How images are gathered into batches."""

    batch_size: int
    overlap_commit: bool = False  # commit while the next batch is encoded: for a device that must not wait
    patience_s: float = 5.0  # how long a row without vectors, or a half-full batch, waits for more


class IngestPipeline:
    """Updates the library from a work list. The list's ``hashes_by_size`` grows as contents are embedded, and its
    ``missing_images`` shrink as they are found again. ``measured`` is called with the images and the seconds of each
    batch."""

    def __init__(
        self,
        context: RunContext,
        pool: DecodePool,
        work: WorkList,
        settings: PipelineSettings,
        measured: Callable[[int, float], None] = lambda images, seconds: None,
    ) -> None:
        self._context, self._store, self._summary = context, context.store, context.summary
        self._pool, self._work, self._settings, self._measured = pool, work, settings, measured
        self._likely = None if context.kept is None else LikelyFeatures(context.kept, context.progress.say)
        self._collecting: dict[str, Content] = {}
        self._checked = 0  # how many of _collecting are known to be new to the catalog
        self._flying: deque[InFlight] = deque()  # the oldest first
        self._placed: list[tuple[PendingFile, FilePlace, str]] = []
        self._failed: list[tuple[PendingFile, MediaError, FilePlace]] = []
        self._vanished: list[PendingFile] = []
        self._waiting_since = 0.0
        self._done = 0  # files handled, as reported in the event "index-progress"
        self._moved_images: set[int] = set()

    def run(self, pending: Iterable[PendingFile]) -> None:
        """Read, embed where needed, and commit ``pending``. When ``stop`` says so, the batch in flight is finished
        and committed, the rest is left. Raises StorageFull, ModelError, ImgsearchError if no worker starts."""
        if self._context.stop():
            return
        jobs = (DecodeJob(f.path, f.size_bytes, self._known_of(f.size_bytes), f) for f in pending)
        with closing(_delegate(self._pool.run(jobs))) as outcomes:
            for job, outcome in outcomes:
                self._take(job.tag, outcome)
                if self._context.stop():
                    break
                self._advance()
        if not self._context.stop():
            self._submit()
        self._finish()
        self._collecting.clear()
        self._checked = 0
        self._commit({})

    def remove_missing(self, scans: Iterable[Scan]) -> None:
        """Remove the rows of missing files from the results; for a doubtful root only if images of it were found again
        under other names."""
        for scan in scans:
            if scan.doubtful and not any(state.image_id in self._moved_images for state in scan.missing):
                self._summary.notes.append(scan.note)
                continue
            root_id = scan.target.root.root_id
            if scan.missing or scan.stale_failures:
                with self._context.writer.transaction() as transaction:
                    transaction.remove_files(root_id, [state.relative_path for state in scan.missing])
                    transaction.clear_failures(root_id, scan.stale_failures)
                    transaction.commit()
                self._summary.removed += sum(state.image_id not in self._moved_images for state in scan.missing)

    def _known_of(self, size_bytes: int) -> frozenset[str]:
        return frozenset(self._work.hashes_by_size.get(size_bytes, ()))

    def _take(self, file: PendingFile, outcome: DecodedImage | KnownContent | MediaError) -> None:
        if not (self._placed or self._failed or self._collecting):
            self._waiting_since = time.monotonic()
        if isinstance(outcome, MediaError):
            self._fail(file, outcome)
        elif isinstance(outcome, KnownContent):
            place = place_of(file, outcome.size_bytes, outcome.mtime_ns)
            self._placed.append((file, place, outcome.content_hash))
        else:
            self._collect(file, outcome)

    def _fail(self, file: PendingFile, error: MediaError) -> None:
        if not os.path.lexists(file.path):
            self._vanished.append(file)
            return
        self._failed.append((file, error, FilePlace(file.root_id, file.relative_path, file.size_bytes, file.mtime_ns)))

    def _collect(self, file: PendingFile, image: DecodedImage) -> None:
        """Adds a decoded content to an equal one that is waiting or being encoded, else as a new one."""
        place = place_of(file, image.facts.size_bytes, image.mtime_ns)
        key = image.facts.content_hash
        flying = (flight.contents[key] for flight in self._flying if key in flight.contents)
        content = self._collecting.get(key) or next(flying, None)
        if content is None:
            self._collecting[key] = Content(image, [(file, place)])
        else:
            content.files.append((file, place))

    def _advance(self) -> None:
        """Submit or commit everything that is due."""
        while self._flying and self._flying[0].future.done():
            self._finish(1)
        late = time.monotonic() - self._waiting_since > self._settings.patience_s
        if len(self._collecting) >= self._settings.batch_size or (late and self._collecting and not self._flying):
            self._set_known_aside()
            if len(self._collecting) >= self._settings.batch_size or late:
                self._submit()
        if len(self._placed) + len(self._failed) >= _LOOSE_ROWS or (late and not self._flying):
            self._commit({})

    def _set_known_aside(self) -> None:
        """Contents that the catalog already has, including deleted ones, need a row and no embedding."""
        fresh = list(self._collecting)[self._checked :]
        for key in self._store.known_contents(fresh):
            content = self._collecting.pop(key)
            self._placed += [(file, place, key) for file, place in content.files]
        self._checked = len(self._collecting)

    def _submit(self) -> None:
        """Give the collected batch to the encoder, once the last one (where commits overlap, that before) is done."""
        if not self._settings.overlap_commit:
            self._finish()
        before = self._wait() if len(self._flying) >= _AT_ONCE else None
        self._set_known_aside()
        batch, self._collecting, self._checked = self._collecting, {}, 0
        self._waiting_since = time.monotonic()
        if batch:
            pixels = [content.image.pixels for content in batch.values()]
            self._flying.append(InFlight(batch, self._context.encoder.submit(pixels)))
        if before is not None:
            self._commit(*before)

    def _wait(self) -> tuple[dict[str, Content], Encoded] | None:
        """The oldest batch in flight, once it is encoded; None if there is none."""
        if not self._flying:
            return None
        flight = self._flying.popleft()
        encoded = flight.future.result()
        self._measured(len(flight.contents), encoded.seconds)
        return flight.contents, encoded

    def _finish(self, most: int = _AT_ONCE) -> None:
        for _ in range(most):
            done = self._wait()
            if done is not None:
                self._commit(*done)

    def _commit(self, contents: dict[str, Content], encoded: Encoded = _NOTHING) -> None:
        """One transaction: the encoded batch, and all waiting rows."""
        vectors = encoded.vectors
        embedded = [(c, v) for c, v in zip(contents.values(), vectors, strict=True) if isinstance(v, np.ndarray)]
        for content, error in zip(contents.values(), vectors, strict=True):
            if isinstance(error, MediaError):
                self._failed += [(file, error, place) for file, place in content.files]
        placed, failed, vanished = self._placed, self._failed, self._vanished
        if not (embedded or placed or failed or vanished):
            return
        self._placed, self._failed, self._vanished = [], [], []
        ids = self._store.known_contents(key for _, _, key in placed)
        before = self._images_before([file for file, _, _ in placed if file.changed])
        same = {id(file) for file, _, key in placed if file.recheck and before.get(_key(file)) == ids[key]}
        with self._context.writer.transaction() as transaction:
            if embedded:
                facts = [content.image.facts for content, _ in embedded]
                places = [[place for _, place in content.files] for content, _ in embedded]
                stacked = np.stack([vector for _, vector in embedded])
                signatures = [content.image.signature for content, _ in embedded]
                words = [content.image.words for content, _ in embedded]
                transaction.add(EmbeddedBatch(facts, stacked, places, signatures, words))
            transaction.place_files([(place, ids[key]) for file, place, key in placed if id(file) not in same])
            for file in [f for f, error, _ in failed if f.changed and not error.transient] + vanished:
                transaction.remove_files(file.root_id, [file.relative_path])
            transaction.record_failures([_failed_file(*row) for row in failed])
            done = sum(len(c.files) for c, _ in embedded) + len(placed) + len(failed) + len(vanished)
            self._done += done
            progress = {"done": self._done, "failed": self._summary.failed + len(failed)}
            transaction.record_event("index-progress", progress)
            transaction.commit()
        self._keep_features(contents, encoded)
        self._count_embedded(embedded)
        for file, _, key in placed:
            if id(file) in same:
                self._summary.unchanged += 1
            else:
                self._count_placed(file, ids[key], before.get(_key(file)))
        self._summary.failed += len(failed)
        self._summary.vanished += len(vanished)
        self._context.progress("reading", self._done, self._work.count)

    def _keep_features(self, contents: dict[str, Content], encoded: Encoded) -> None:
        for content, features in zip(contents.values(), encoded.features, strict=False):  # none at all, or one each
            if features is not None and self._likely is not None:
                self._likely.put(content.image.facts, features)

    def _images_before(self, files: list[PendingFile]) -> dict[tuple[int, str], int]:
        """The image id that each of these places holds now."""
        found = {}
        for root_id in {file.root_id for file in files}:
            paths = [file.relative_path for file in files if file.root_id == root_id]
            rows = self._store.files_at(root_id, paths)
            found.update({(root_id, path): row.image_id for path, row in rows.items()})
        return found

    def _count_embedded(self, embedded: list[tuple[Content, Float32]]) -> None:
        summary = self._summary
        summary.embedded += len(embedded)
        for content, _ in embedded:
            changed = sum(file.changed for file, _ in content.files)
            fresh = len(content.files) - changed
            summary.changed += changed
            summary.new += min(fresh, 1)
            summary.copied += max(fresh - 1, 0)
            size = content.image.facts.size_bytes
            if size in self._work.repeated_sizes:
                self._work.hashes_by_size.setdefault(size, set()).add(content.image.facts.content_hash)

    def _count_placed(self, file: PendingFile, image_id: int, had: int | None) -> None:
        summary = self._summary
        if file.changed:
            summary.touched += had == image_id
            summary.changed += had != image_id
        elif self._work.missing_images[image_id] > 0:
            self._work.missing_images[image_id] -= 1
            self._moved_images.add(image_id)
            summary.moved += 1
        else:
            summary.copied += 1


def _key(file: PendingFile) -> tuple[int, str]:
    return file.root_id, file.relative_path


def _failed_file(file: PendingFile, error: MediaError, place: FilePlace) -> FailedFile:
    # ``place`` has the size and time of the bytes that were read, so that a later change is a change.
    where = (file.root_id, file.relative_path)
    return FailedFile(*where, error.stage, error.message, error.transient, place.size_bytes, place.mtime_ns)


def _delegate(outcomes: Iterator[T]) -> Generator[T, None, None]:
    """The same iterator, which the type checker also sees as closable."""
    yield from outcomes
