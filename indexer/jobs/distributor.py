"""Who runs shards: a protocol with one method, and the table of engines."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from imgsearch.errors import UsageError
from indexer.jobs.spec import JobSpec, Shard
from indexer.jobs.worker import ShardOutcome, ShardWorker


def _never() -> bool:
    return False


def _silent(images: int) -> None:
    """Hears nothing."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How shards are run. ``workers``: processes with a model each, 0 for the engine's own choice. ``decode_workers``:
    decoding processes of each, 0 likewise. ``address``: of a cluster, for engines that have one. ``stop``: asked often;
    once True, shards in the making are given up and no new one is begun. ``told`` hears how many images were embedded,
    as they are."""

    workers: int = 0
    decode_workers: int = 0
    address: str = ""
    stop: Callable[[], bool] = _never
    told: Callable[[int], None] = _silent


class Distributor(Protocol):
    """Runs `embed_shard` somewhere."""

    def run(self, shards: Sequence[Shard]) -> Iterator[ShardOutcome]:
        """At most one outcome for each shard, in any order; none for shards that were not begun. A worker that is lost
        is the engine's to replace, or an outcome "error". After a fatal outcome no further shard is begun. Leaving the
        iterator early ends the work: nothing that was committed is lost."""
        ...


class InlineDistributor:
    """Runs shards in this process, one after the other: for tests and small jobs."""

    def __init__(self, spec: JobSpec, options: EngineOptions) -> None:
        self._spec, self._options = spec, options

    def run(self, shards: Sequence[Shard]) -> Iterator[ShardOutcome]:
        options = self._options
        with ShardWorker(
            self._spec, decode_workers=options.decode_workers, stop=options.stop, told=options.told
        ) as worker:
            for shard in shards:
                if options.stop():
                    return
                outcome = worker.embed(shard)
                yield outcome
                if outcome.fatal:
                    return


ENGINES = {
    "local": "indexer.jobs.local.engine:LocalDistributor",
    "ray": "indexer.jobs.on_ray.engine:RayDistributor",
    "inline": "indexer.jobs.distributor:InlineDistributor",
}
"""Name -> a class that is made with (spec, options)."""


def open_distributor(engine: str, spec: JobSpec, options: EngineOptions) -> Distributor:
    """The engine of that name. Raises UsageError for an unknown one, ExtraMissing for one that is not installed."""
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}", f"the engines are {', '.join(ENGINES)}")
    module, _, name = ENGINES[engine].partition(":")
    return cast(Distributor, operator.attrgetter(name)(import_module(module))(spec, options))
