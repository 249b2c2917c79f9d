"""One shard: decoded, embedded, and committed by one rename. A plain function of a specification and a shard, which any
engine can call anywhere, twice or at once: the second call finds the first one's work.

What decides rounding is fixed when the job is created: a shard's contents go to the model in the order of its list, in
batches of ``spec.batch_size``, however its files come out of the decoders.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from imgsearch import app
from imgsearch.errors import ImgsearchError, LibraryError, ModelError, ModelMismatch, StorageFull, UsageError
from imgsearch.media.decode_pool import DecodePool
from imgsearch.records import ModelId, is_model_free
from imgsearch.settings import Settings
from indexer.encoder import Encoder, NoVectors, VectorSource
from indexer.jobs.claims import claimed, whoami
from indexer.jobs.ledger import read_list
from indexer.jobs.shards.pipeline import ShardPipeline
from indexer.jobs.shards.reader import committed
from indexer.jobs.shards.results import ShardSums
from indexer.jobs.shards.sidecars import SidecarReader
from indexer.jobs.shards.writer import ShardWriter
from indexer.jobs.spec import JobSpec, Shard

_AHEAD = 96  # decoded images that may wait, at least; as `imgsearch index` has it

_FATAL = (StorageFull, ModelError, ModelMismatch, UsageError)

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
        self._sidecars = SidecarReader(decode_workers, stop)
        self._model_free = is_model_free(spec.model)
        encoder = partial(Encoder, lambda: open_job_model(spec), keep_features=spec.features)
        self._encoder: VectorSource = NoVectors() if self._model_free else encoder()
        self._flying = 1 if self._model_free or _on_cpu(spec) else 2
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
        """End the decoders, the readers of sidecars and the encoder's thread."""
        self._pool.close()
        self._sidecars.close()
        self._encoder.close()

    def embed(self, shard: Shard) -> ShardOutcome:
        """See `embed_shard`."""
        try:
            return self._embed(shard)
        except ImgsearchError as error:
            fatal = isinstance(error, _FATAL) or type(error) is ImgsearchError  # the last: decoders that cannot start
            return ShardOutcome(shard.index, "error", None, error.message, error.hint, fatal, error.exit_code)
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
                run = ShardPipeline(self._spec, self._pool, self._encoder, writer, self._told, self._flying)
                started = time.monotonic()
                rows = list(read_list(self._spec, shard))
                beside = self._sidecars.read(rows, self._spec.roots)
                if self._stop():  # what was not read yet would be taken for nothing
                    return ShardOutcome(shard.index, "stopped")
                results = run.results(rows, self._stop, beside)
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


def open_job_model(spec: JobSpec) -> Any:
    """The job's model, loaded. Raises ModelMismatch if it is not the one that the job was created with, ModelError."""
    model = app.open_model(_settings(spec), spec.model)
    require_same_model(spec.model, model.model_id, f"the job {spec.folder}")
    return model


def _on_cpu(spec: JobSpec) -> bool:
    try:
        return app.runtime_profile(_settings(spec), spec.model).on_cpu
    except ModelError:
        return True  # the first image that needs the model says what is wrong


def _settings(spec: JobSpec) -> Settings:
    dtype = spec.model.dtype
    return Settings(Path(), model=spec.model_name, device=spec.device, dtype=dtype, runtime=spec.runtime)


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
