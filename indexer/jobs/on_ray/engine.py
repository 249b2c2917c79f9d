"""The engine of Ray Data: shards run in stateful actors, on this machine or on a cluster.

Nothing but the numbers of shards goes through Ray, and one line of JSON comes back for each: what is embedded is
written where the job is, by whoever embedded it, and committed by one rename. So it does not matter that Ray runs a
batch twice after it lost an actor, or hands outcomes back in any order (without preserve_order). The input is a list,
not a file: a read task would want a CPU of its own, and three nodes whose CPUs all belong to actors would wait for it
for ever, without a word.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from imgsearch.errors import ImgsearchError
from imgsearch.extras import needs_extra
from imgsearch.records import is_model_free
from imgsearch.wording import one_line
from indexer.jobs.distributor import EngineOptions
from indexer.jobs.local.process import read_outcome
from indexer.jobs.on_ray.actor import ATTEMPTS, ShardActor
from indexer.jobs.on_ray.beats import BeatFolder, beat_folder
from indexer.jobs.on_ray.connection import connected
from indexer.jobs.on_ray.plan import ActorPlan, describe_nodes, plan_actors
from indexer.jobs.spec import JobSpec, Shard
from indexer.jobs.worker import ShardOutcome

STALL_S = 300.0
"""Without an outcome and without a sign of life of any worker. A cluster that starts machines on demand takes
minutes."""

LEAVE_S = 20.0
"""For workers to give up what they make, before they are killed."""

_POLL_S = 0.2
_LOOK_S = 1.0


class RayDistributor:
    """Runs shards under Ray Data. ``options.address``: a cluster's ("auto", "host:6379"); without one a Ray of its own
    is started on this machine, even beside a running cluster, and ended. ``options.workers``: actors, 0 for one a GPU,
    or else one a node; more workers than GPUs share these."""

    def __init__(self, spec: JobSpec, options: EngineOptions) -> None:
        with needs_extra("the engine ray", "ray"):
            import ray
            import ray.data
        self._ray: Any = ray
        self._spec, self._options = spec, options

    def run(self, shards: Sequence[Shard]) -> Iterator[ShardOutcome]:
        """See `Distributor.run`. Raises ImgsearchError for a cluster that cannot be reached, has no place for a worker,
        or stalls."""
        with connected(self._ray, self._spec, self._options.address), beat_folder(self._spec.layout) as beats:
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            gpu = not self._spec.device.startswith("cpu") and not is_model_free(self._spec.model)
            plan = plan_actors(nodes, len(shards), self._options.workers, self._options.decode_workers, gpu)
            yield from _Run(self._ray, self._spec, self._options, beats, plan, shards).outcomes()


class _Run:
    """One run over some shards, from this process's side."""

    def __init__(
        self,
        ray: Any,
        spec: JobSpec,
        options: EngineOptions,
        beats: BeatFolder,
        plan: ActorPlan,
        shards: Sequence[Shard],
    ) -> None:
        self._ray, self._spec, self._options = ray, spec, options
        self._beats, self._plan, self._shards = beats, plan, shards
        self._found: queue.SimpleQueue[ShardOutcome | BaseException | None] = queue.SimpleQueue()
        self._told: dict[int, int] = {}  # images of shards in the making that the driver knows of
        self._seen: dict[int, int] = {}  # their last beats

    def outcomes(self) -> Iterator[ShardOutcome]:
        thread = threading.Thread(target=self._consume, daemon=True)
        thread.start()
        left = {shard.index for shard in self._shards}
        try:
            yield from self._awaited(left)
        finally:
            self._beats.stop()
            thread.join(LEAVE_S)

    def _awaited(self, left: set[int]) -> Iterator[ShardOutcome]:
        """Each shard's first outcome, as they come in; waits no longer than `STALL_S` for a sign of life."""
        alive, looked, stopping = time.monotonic(), 0.0, False
        while left:
            with contextlib.suppress(queue.Empty):
                found = self._found.get(timeout=_POLL_S)
                alive = time.monotonic()
                if found is None:
                    return
                if isinstance(found, BaseException):
                    raise self._failed(found) from found
                if found.shard in left:
                    left.discard(found.shard)
                    yield found
                    alive = time.monotonic()
                if found.fatal:
                    self._beats.stop()
            if self._options.stop() and not stopping:
                stopping = True
                self._beats.stop()
                alive = time.monotonic()
            if time.monotonic() - looked > _LOOK_S:
                looked = time.monotonic()
                alive = looked if self._lives() else alive
            if time.monotonic() - alive > (LEAVE_S if stopping else STALL_S):
                if stopping:
                    return
                raise self._stalled()

    def _lives(self) -> bool:
        """Whether a worker gave a sign of life; passes on what was embedded."""
        beats = self._beats.read()
        for shard, (_, images) in beats.items():
            if (more := images - self._told.get(shard, 0)) > 0:
                self._told[shard] = images
                self._options.told(more)
        seen = {shard: at for shard, (at, _) in beats.items()}
        lives, self._seen = seen != self._seen and bool(seen), seen
        return lives

    def _consume(self) -> None:
        """In a thread of its own: everything that Ray hands back."""
        try:
            for row in self._dataset().iter_rows():
                self._found.put(read_outcome(json.loads(row["outcome"])))
            self._found.put(None)
        except BaseException as error:  # noqa: BLE001 - for the thread that waits
            self._found.put(error)

    def _dataset(self) -> Any:
        data, plan = self._ray.data, self._plan
        items = data.from_items(
            [{"shard": shard.index} for shard in self._shards], override_num_blocks=len(self._shards)
        )
        # A shard may take hours; Ray would end a run after half an hour without an outcome.
        items.context.execution_no_progress_timeout_s = -1
        items.context.max_consecutive_actor_init_deaths = ATTEMPTS
        items.context.print_on_execution_start = False
        with _quiet():
            items.context.enable_progress_bars = False
        device = "cuda" if self._spec.device.startswith("cuda") else self._spec.device  # an actor sees its own GPU only
        return items.map(
            ShardActor,
            fn_constructor_args=(str(Path(self._spec.folder).absolute()), device, plan.decode_workers, self._beats),
            # All that have a place start at once; no shard waits in a queue behind another while an actor is free.
            compute=data.ActorPoolStrategy(
                min_size=1, max_size=plan.actors, initial_size=plan.actors, max_tasks_in_flight_per_actor=1
            ),
            num_cpus=plan.cpus,
            num_gpus=plan.gpus or None,
            runtime_env={"env_vars": _environment(plan, local=not self._options.address)},
        )

    def _failed(self, error: BaseException) -> ImgsearchError:
        words = one_line(str(error))
        missing = "No module named" in words
        hint = "install the same imgsearch on every node" if missing else "nothing is lost; run the same command again"
        return ImgsearchError(f"Ray gave up: {type(error).__name__}: {words[-300:]}", hint)

    def _stalled(self) -> ImgsearchError:
        free = self._ray.available_resources()
        return ImgsearchError(
            f"Ray has been idle for {STALL_S:.0f} s: a worker needs {self._plan.needs}, and of the cluster's "
            f"{describe_nodes([self._ray.cluster_resources()])} {describe_nodes([free])} are free",
            "use fewer --workers or --decode-workers, wait until other programs leave the cluster, or add nodes; then "
            "resume",
        )


def _environment(plan: ActorPlan, *, local: bool) -> dict[str, str]:
    """Of each worker. NumPy's own matrix product rounds by its number of threads, so that is fixed, as in the local
    engine."""
    threads = str(max(1, int(plan.cpus)))
    environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": "1"}
    if local:  # the same Python on the same disk; elsewhere imgsearch is installed
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109
    return environment


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ray Data says what it does at every turn; the driver has words of its own for that."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    yield
