"""A shard's inputs -> its results: decoders work ahead of the model, which has one batch while the next one fills.

`indexer.pipeline` does the same for a library: there batches are filled by time and committed one by one; here by the
order of the list alone, because what shares a batch with an image can move the last bits of its vectors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from imgsearch.errors import MediaError, NotEnoughMemory
from imgsearch.media.decode_pool import DecodeJob, DecodePool
from imgsearch.media.decoded import DecodedImage, KnownContent
from imgsearch.storage.caches.features import features_digest, packed_features
from indexer.encoder import Encoded, Encoder, VectorSource
from indexer.jobs.inputs.rows import InputRow
from indexer.jobs.inputs.staging import Staging, unstage
from indexer.jobs.shards.results import Again, Beside, Copied, Embedded, Failed, Result
from indexer.jobs.shards.writer import ShardWriter
from indexer.jobs.spec import JobSpec

T = TypeVar("T")


@dataclass(slots=True)
class _Batch:
    """New contents on their way to the model, by their places in the shard."""

    places: list[int] = field(default_factory=list)
    images: list[DecodedImage] = field(default_factory=list)


class ShardPipeline:
    """Makes the results of one shard, once. ``told`` hears of the images of each batch. ``flying``:
    batches that the encoder has at once, two where a GPU computes one while the next is copied."""

    def __init__(
        self,
        spec: JobSpec,
        pool: DecodePool,
        encoder: VectorSource,
        writer: ShardWriter,
        told: Callable[[int], None],
        flying: int = 1,
    ) -> None:
        self._spec, self._pool, self._encoder, self._writer, self._told = spec, pool, encoder, writer, told
        self._results: dict[int, Result] = {}
        self._first_of: dict[str, int] = {}  # content hash -> its first place in the shard
        self._by_size: dict[int, set[str]] = {}
        self._batch = _Batch()
        self._flying: deque[tuple[_Batch, Future[Encoded]]] = deque()  # the oldest first
        self._most_flying = flying
        self._beside: Mapping[int, Beside] = {}
        self._digest = features_digest(spec.model)
        self.encoding = 0.0  # seconds

    def results(self, rows: list[InputRow], stop: Callable[[], bool], beside: Mapping[int, Beside]) -> list[Result]:
        """One result a row, in order; incomplete if ``stop`` said so. ``beside``: what sidecars say, by the row's
        place. Raises ModelError, StorageFull."""
        self._beside = beside
        with Staging(self._writer.staged, self._spec.roots) as staging:
            outcomes = self._pool.run(self._jobs(rows, staging), ordered=True)
            with closing(_closable(outcomes)) as found:
                for job, outcome in found:
                    place, row = job.tag
                    if row.kind == "member":
                        unstage(job.path)
                    self._take(place, row, outcome)
                    if len(self._batch.images) >= self._spec.batch_size:
                        self._submit()
                    if stop():
                        break
        self._submit()
        while self._flying:
            self._finish()
        self._fail_copies_of_failed()
        return [self._results[place] for place in range(len(rows)) if place in self._results]

    def _jobs(self, rows: list[InputRow], staging: Staging) -> Iterator[DecodeJob]:
        repeated = _often([row.size_bytes for row in rows if row.size_bytes > 0])
        for place, row in enumerate(rows):
            if row.kind == "again":
                self._results[place] = Again(row.first)
            elif row.kind == "lost":
                self._results[place] = Failed("read", row.reason, False, -1, 0)
            else:
                try:
                    path = staging.put(row, place) if row.kind == "member" else row.name(self._spec.roots)
                except MediaError as error:
                    self._results[place] = _failed(row, error)
                    continue
                known = frozenset(self._by_size.get(row.size_bytes, ())) if row.size_bytes in repeated else frozenset()
                told = (self._beside[place].facts.orientation if place in self._beside else None) or 0
                yield DecodeJob(path, max(row.size_bytes, 0), known, (place, row), told)

    def _take(self, place: int, row: InputRow, outcome: DecodedImage | KnownContent | MediaError) -> None:
        if isinstance(outcome, MediaError):
            self._results[place] = _failed(row, outcome)
            return
        known = isinstance(outcome, KnownContent)
        digest = outcome.content_hash if isinstance(outcome, KnownContent) else outcome.facts.content_hash
        size = outcome.size_bytes if isinstance(outcome, KnownContent) else outcome.facts.size_bytes
        mtime_ns = row.mtime_ns if row.kind == "member" else outcome.mtime_ns
        if known or digest in self._first_of:
            self._results[place] = Copied(digest, size, mtime_ns, self._beside.get(place))
            return
        assert isinstance(outcome, DecodedImage)
        self._first_of[digest] = place
        self._by_size.setdefault(size, set()).add(digest)
        self._results[place] = Embedded(outcome.facts, outcome.words, mtime_ns, self._beside.get(place))
        self._batch.places.append(place)
        self._batch.images.append(outcome)

    def _submit(self) -> None:
        """Give the batch to the model, once there is room for it."""
        if len(self._flying) >= self._most_flying:
            self._finish()
        if self._batch.images:
            future = self._encoder.submit([image.pixels for image in self._batch.images])
            self._flying.append((self._batch, future))
            self._batch = _Batch()

    def _finish(self) -> None:
        """Write down the oldest batch."""
        batch, future = self._flying.popleft()
        encoded = future.result()
        self.encoding += encoded.seconds
        if isinstance(self._encoder, Encoder) and self._encoder.most < self._spec.batch_size:
            raise NotEnoughMemory(
                f"a batch of {self._spec.batch_size} pictures does not fit into memory, and a smaller one may round "
                "otherwise",
                f"free memory and resume, or create the job again with --batch-size {max(1, self._encoder.most)}",
            )
        kept = []
        features = encoded.features or [None] * len(batch.places)
        for place, image, vectors, own in zip(batch.places, batch.images, encoded.vectors, features, strict=True):
            if isinstance(vectors, np.ndarray):
                kept.append((vectors, image.signature, own))
            else:
                facts = image.facts
                self._results[place] = Failed(
                    vectors.stage, vectors.message, vectors.transient, facts.size_bytes, image.mtime_ns
                )
        packed = [packed_features(own, self._digest) for _, _, own in kept if own is not None]
        self._writer.add([vectors for vectors, _, _ in kept], [signature for _, signature, _ in kept], packed)
        self._told(len(batch.places))

    def _fail_copies_of_failed(self) -> None:
        """A copy of a content on which the model failed has no vectors either."""
        for place, result in self._results.items():
            if isinstance(result, Copied):
                first = self._results[self._first_of[result.content_hash]]
                if isinstance(first, Failed):
                    self._results[place] = replace(first, size_bytes=result.size_bytes, mtime_ns=result.mtime_ns)


def _failed(row: InputRow, error: MediaError) -> Failed:
    return Failed(error.stage, error.message, error.transient, row.size_bytes, row.mtime_ns)


def _often(sizes: list[int]) -> set[int]:
    values, counts = np.unique(np.array(sizes, np.int64), return_counts=True)
    return set(values[counts > 1].tolist())


def _closable(outcomes: Iterator[T]) -> Generator[T, None, None]:
    """The same iterator, which the type checker also sees as closable."""
    yield from outcomes
