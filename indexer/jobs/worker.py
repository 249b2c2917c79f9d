"""One shard: decoded, embedded, and committed by one rename. A plain function of a specification and a shard, which any
engine can call anywhere, twice or at once: the second call finds the first one's work.

What decides rounding is fixed when the job is created: a shard's contents go to the model in the order of its list, in
batches of ``spec.batch_size``, however its files come out of the decoders.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from imgsearch import app
from imgsearch.errors import ImgsearchError, LibraryError, MediaError, ModelMismatch, NotEnoughMemory
from imgsearch.media.decode_pool import DecodeJob, DecodePool
from imgsearch.media.decoded import DecodedImage, KnownContent
from imgsearch.records import ModelId, is_model_free
from imgsearch.settings import Settings
from indexer.encoder import Encoded, Encoder, NoVectors, VectorSource
from indexer.jobs.claims import claimed, whoami
from indexer.jobs.inputs.rows import InputRow
from indexer.jobs.inputs.staging import Staging, unstage
from indexer.jobs.ledger import read_list
from indexer.jobs.shard_files import Again, Copied, Embedded, Failed, Result, ShardSums, ShardWriter, committed
from indexer.jobs.spec import JobSpec, Shard

_AHEAD = 96  # decoded images that may wait, at least; as `imgsearch index` has it

T = TypeVar("T")
State = Literal["done", "already", "claimed", "stopped", "error"]


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """What became of a shard. "done": committed by this call. "already": it was committed before. "claimed": another
    process is making it. "stopped": ``stop`` said so. "error": nothing was committed, for ``message``; ``fatal`` if
    other shards would fail the same way (no space, no model). ``sums`` are those of a committed shard."""

    shard: int
    state: State
    sums: ShardSums | None = None
    message: str = ""
    hint: str = ""
    fatal: bool = False
    exit_code: int = 4

    @property
    def committed(self) -> bool:
        return self.state in ("done", "already")


def embed_shard(spec: JobSpec, shard: Shard) -> ShardOutcome:
    """Make sure that ``shard`` is committed. Raises nothing that a file, a disk or a model can cause: see
    `ShardOutcome`. The model and the decoders stay in this process for the next call."""
    return _worker_for(spec).embed(shard)


_kept: dict[JobSpec, ShardWorker] = {}


def _worker_for(spec: JobSpec) -> ShardWorker:
    if spec not in _kept:
        for worker in list(_kept.values()):
            worker.close()
        _kept.clear()
        _kept[spec] = ShardWorker(spec)
    return _kept[spec]


class ShardWorker:
    """Embeds shards of one job, one after the other. The model is loaded by the first image that needs it.
    ``decode_workers``: processes that decode, 0 for one a core. ``stop`` is asked between images."""

    def __init__(
        self,
        spec: JobSpec,
        *,
        decode_workers: int = 0,
        stop: Callable[[], bool] = lambda: False,
        told: Callable[[int], None] = lambda images: None,
    ) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `imgsearch index` does, before torch is loaded
        self._spec, self._stop, self._told = spec, stop, told
        self._model_free = is_model_free(spec.model)
        self._encoder: VectorSource = NoVectors() if self._model_free else Encoder(lambda: open_job_model(spec))
        self._pool = DecodePool(
            spec.model.image_size,
            pixels=not self._model_free,
            workers=decode_workers,
            ahead=max(_AHEAD, 3 * spec.batch_size),
            stop=stop,
        )

    def __enter__(self) -> ShardWorker:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoders and the encoder's thread."""
        self._pool.close()
        self._encoder.close()

    def embed(self, shard: Shard) -> ShardOutcome:
        """See `embed_shard`."""
        try:
            return self._embed(shard)
        except ImgsearchError as error:
            return ShardOutcome(
                shard.index, "error", None, error.message, error.hint, fatal=True, exit_code=error.exit_code
            )
        except (OSError, MemoryError) as error:
            return ShardOutcome(shard.index, "error", None, f"shard {shard.index}: {error}", fatal=False)

    def _embed(self, shard: Shard) -> ShardOutcome:
        layout = self._spec.layout
        if sums := committed(self._spec, shard):
            return ShardOutcome(shard.index, "already", sums)
        with claimed(layout.claims / f"{shard.index:06d}.lock") as held:
            if not held:
                return ShardOutcome(shard.index, "claimed")
            if sums := committed(self._spec, shard):
                return ShardOutcome(shard.index, "already", sums)
            for left in layout.work.glob(f"{shard.index:06d}-*"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            writer = ShardWriter(self._spec, shard, layout.work / f"{shard.index:06d}-{whoami()}")
            try:
                run = _ShardRun(self._spec, self._pool, self._encoder, writer, self._told)
                started = time.monotonic()
                results = run.results(list(read_list(self._spec, shard)), self._stop)
                if len(results) < shard.count:
                    if self._stop():
                        return ShardOutcome(shard.index, "stopped")
                    raise LibraryError(
                        f"shard {shard.index} has {shard.count} inputs, and {len(results)} came back from the decoders",
                        "nothing was committed; run the job again",
                    )
                sums = writer.commit(results, time.monotonic() - started, run.encoding)
                return ShardOutcome(shard.index, "done", sums)
            finally:
                writer.discard()


@dataclass(slots=True)
class _Batch:
    """New contents on their way to the model, by their places in the shard."""

    places: list[int] = field(default_factory=list)
    images: list[DecodedImage] = field(default_factory=list)


class _ShardRun:
    """The results of one shard: decoders work ahead of the model, which has one batch while the next one fills."""

    def __init__(
        self,
        spec: JobSpec,
        pool: DecodePool,
        encoder: VectorSource,
        writer: ShardWriter,
        told: Callable[[int], None],
    ) -> None:
        self._spec, self._pool, self._encoder, self._writer, self._told = spec, pool, encoder, writer, told
        self._results: dict[int, Result] = {}
        self._first_of: dict[str, int] = {}  # content hash -> its first place in the shard
        self._by_size: dict[int, set[str]] = {}
        self._batch = _Batch()
        self._in_flight: tuple[_Batch, Future[Encoded]] | None = None
        self.encoding = 0.0  # seconds

    def results(self, rows: list[InputRow], stop: Callable[[], bool]) -> list[Result]:
        """One result a row, in order; incomplete if ``stop`` said so. Raises ModelError, StorageFull."""
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
                yield DecodeJob(path, max(row.size_bytes, 0), known, (place, row))

    def _take(self, place: int, row: InputRow, outcome: DecodedImage | KnownContent | MediaError) -> None:
        if isinstance(outcome, MediaError):
            self._results[place] = _failed(row, outcome)
            return
        known = isinstance(outcome, KnownContent)
        digest = outcome.content_hash if isinstance(outcome, KnownContent) else outcome.facts.content_hash
        size = outcome.size_bytes if isinstance(outcome, KnownContent) else outcome.facts.size_bytes
        mtime_ns = row.mtime_ns if row.kind == "member" else outcome.mtime_ns
        if known or digest in self._first_of:
            self._results[place] = Copied(digest, size, mtime_ns)
            return
        assert isinstance(outcome, DecodedImage)
        self._first_of[digest] = place
        self._by_size.setdefault(size, set()).add(digest)
        self._results[place] = Embedded(outcome.facts, outcome.words, mtime_ns)
        self._batch.places.append(place)
        self._batch.images.append(outcome)

    def _submit(self) -> None:
        """Give the batch to the model, once the one before is finished."""
        self._finish()
        if self._batch.images:
            future = self._encoder.submit([image.pixels for image in self._batch.images])
            self._in_flight = self._batch, future
            self._batch = _Batch()

    def _finish(self) -> None:
        if self._in_flight is None:
            return
        (batch, future), self._in_flight = self._in_flight, None
        encoded = future.result()
        self.encoding += encoded.seconds
        if isinstance(self._encoder, Encoder) and self._encoder.most < self._spec.batch_size:
            raise NotEnoughMemory(
                f"a batch of {self._spec.batch_size} pictures does not fit into memory, and a smaller one may round "
                "otherwise",
                f"free memory and resume, or create the job again with --batch-size {max(1, self._encoder.most)}",
            )
        kept = []
        for place, image, vectors in zip(batch.places, batch.images, encoded.vectors, strict=True):
            if isinstance(vectors, np.ndarray):
                kept.append((vectors, image.signature))
            else:
                facts = image.facts
                self._results[place] = Failed(
                    vectors.stage, vectors.message, vectors.transient, facts.size_bytes, image.mtime_ns
                )
        self._writer.add([vectors for vectors, _ in kept], [signature for _, signature in kept])
        self._told(len(batch.places))

    def _fail_copies_of_failed(self) -> None:
        """A copy of a content on which the model failed has no vectors either."""
        for place, result in self._results.items():
            if isinstance(result, Copied):
                first = self._results[self._first_of[result.content_hash]]
                if isinstance(first, Failed):
                    self._results[place] = replace(first, size_bytes=result.size_bytes, mtime_ns=result.mtime_ns)


def open_job_model(spec: JobSpec) -> Any:
    """The job's model, loaded. Raises ModelMismatch if it is not the one that the job was created with, ModelError."""
    settings = Settings(Path(), model=spec.model_name, device=spec.device, dtype=spec.model.dtype)
    model = app.open_model(settings, spec.model)
    require_same_model(spec.model, model.model_id, f"the job {spec.folder}")
    return model


def require_same_model(wanted: ModelId, found: ModelId, whose: str) -> None:
    """Raise ModelMismatch unless vectors of both may stand side by side."""
    names = ("fingerprint", "recipe", "dtype", "query_tokens", "dims")
    differing = [
        f"{name} {getattr(found, name)}, expected {getattr(wanted, name)}"
        for name in names
        if getattr(found, name) != getattr(wanted, name)
    ]
    if differing:
        raise ModelMismatch(
            f"{whose} belongs to the model {wanted.name!r}; got {found.name!r} ({'; '.join(differing)})",
            "put the model's files back as they were, or create another job for the new ones",
        )


def _failed(row: InputRow, error: MediaError) -> Failed:
    return Failed(error.stage, error.message, error.transient, row.size_bytes, row.mtime_ns)


def _often(sizes: list[int]) -> set[int]:
    values, counts = np.unique(np.array(sizes, np.int64), return_counts=True)
    return set(values[counts > 1].tolist())


def _closable(outcomes: Iterator[T]) -> Generator[T, None, None]:
    """The same iterator, which the type checker also sees as closable."""
    yield from outcomes
