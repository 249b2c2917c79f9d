"""The engine of Ray Data. First with a Ray made of paper, where everything goes wrong; then with a real one on this
machine, and on a cluster of three nodes of which one dies."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imgsearch.errors import ExtraMissing, ImgsearchError
from indexer.jobs.distributor import EngineOptions
from indexer.jobs.local.process import read_outcome
from indexer.jobs.on_ray import engine as ray_engine
from indexer.jobs.on_ray.actor import ATTEMPTS, ShardActor
from indexer.jobs.on_ray.beats import Beat, beat_folder
from indexer.jobs.on_ray.connection import require_reachable
from indexer.jobs.on_ray.engine import RayDistributor
from indexer.jobs.worker import ShardOutcome


class PaperRay:
    """As much of Ray as the engine uses; ``hand_back`` makes what Ray Data yields of the rows."""

    def __init__(self, hand_back: Callable[[Any, list[dict[str, Any]]], Iterator[Any]]) -> None:
        self.data = self
        self.hand_back = hand_back
        self.context = SimpleNamespace()
        self.given: dict[str, Any] = {}

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 1.0}}, {"Alive": False, "Resources": {"CPU": 64.0}}]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}

    def available_resources(self) -> dict[str, float]:
        return {}

    def ActorPoolStrategy(self, **given: Any) -> dict[str, Any]:
        return given

    def from_items(self, rows: list[dict[str, Any]], override_num_blocks: int) -> PaperRay:
        assert override_num_blocks == len(rows)
        self.rows = rows
        return self

    def map(self, made: Any, *, fn_constructor_args: tuple[Any, ...], **given: Any) -> PaperRay:
        self.actor, self.given = made(*fn_constructor_args), given
        return self

    def iter_rows(self) -> Iterator[Any]:
        return self.hand_back(self.actor, self.rows)


@pytest.fixture
def on_paper(monkeypatch: pytest.MonkeyPatch) -> Callable[..., PaperRay]:
    def put(hand_back: Callable[[Any, list[dict[str, Any]]], Iterator[Any]]) -> PaperRay:
        ray = PaperRay(hand_back)
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setitem(sys.modules, "ray.data", ray)
        return ray

    return put


def test_outcomes_in_any_order_and_twice_make_the_same_library(jobs, hostile, content, on_paper):
    ray = on_paper(lambda actor, rows: (actor(row) for row in [*reversed(rows), *rows[:2]]))
    calm, other = jobs.create(hostile, name="calm"), jobs.create(hostile)
    jobs.run(calm)
    report = jobs.run(other, engine="ray")
    assert report.sums.complete and report.sums.inputs == 17 and not report.errors
    assert content(jobs.publish(other).folder) == content(jobs.publish(calm).folder)
    assert ray.given["compute"]["max_tasks_in_flight_per_actor"] == 1 and ray.given["num_cpus"] == 1
    assert ray.given["runtime_env"]["env_vars"]["OPENBLAS_NUM_THREADS"] == "1"
    assert ray.context.execution_no_progress_timeout_s == -1
    assert not list(other.layout.events.glob("beats-*"))


def test_dropped_row_is_missed(jobs, hostile, on_paper):
    on_paper(lambda actor, rows: (actor(row) for row in rows[:-1]))
    spec = jobs.create(hostile)
    with pytest.raises(ImgsearchError, match="without shard 4"):
        jobs.run(spec, engine="ray")


def test_outcome_that_the_disk_does_not_bear_out_is_not_believed(jobs, hostile, on_paper):
    line = '{"shard": %d, "state": "done", "sums": null, "message": "", "hint": "", "fatal": false, "exit_code": 4}'
    on_paper(lambda actor, rows: ({"outcome": line % row["shard"]} for row in rows))
    with pytest.raises(ImgsearchError, match="says that shard 0 is done, but it is not in"):
        jobs.run(jobs.create(hostile), engine="ray")


def test_end_of_ray_is_told_and_the_job_goes_on_later(jobs, hostile, on_paper):
    def breaks(actor: Any, rows: list[dict[str, Any]]) -> Iterator[Any]:
        yield actor(rows[0])
        raise RuntimeError("The actor died\nunexpectedly: No module named 'imgsearch'")

    ray, spec = on_paper(breaks), jobs.create(hostile)
    with pytest.raises(ImgsearchError, match="Ray gave up: RuntimeError") as told:
        jobs.run(spec, engine="ray")
    assert "on every node" in told.value.hint
    ray.hand_back = lambda actor, rows: map(actor, rows)
    assert jobs.run(spec, engine="ray").done == 4


def test_stall_is_named_with_what_to_change(jobs, hostile, on_paper, monkeypatch):
    monkeypatch.setattr(ray_engine, "STALL_S", 0.3)
    monkeypatch.setattr(ray_engine, "LEAVE_S", 0.0)
    over = threading.Event()
    on_paper(lambda actor, rows: over.wait(20) and iter(()))
    with pytest.raises(ImgsearchError, match=r"needs 1 CPU, and of the cluster's 1 CPU 0 CPU are free") as told:
        jobs.run(jobs.create(hostile), engine="ray")
    over.set()
    assert "--workers" in told.value.hint


def test_long_shard_is_no_stall_while_its_worker_lives(jobs, hostile, on_paper, monkeypatch):
    monkeypatch.setattr(ray_engine, "STALL_S", 0.9)
    monkeypatch.setattr(ray_engine, "_LOOK_S", 0.05)
    told: list[int] = []

    def slow(actor: Any, rows: list[dict[str, Any]]) -> Iterator[Any]:
        with Beat(actor._beats, 0) as beat:
            for number in range(20):
                time.sleep(0.06)
                beat._images = number
                beat._write()
        yield from map(actor, rows)

    on_paper(slow)
    spec = jobs.create(hostile)
    outcomes = list(RayDistributor(spec, EngineOptions(told=told.append)).run(spec.shards))
    assert {outcome.state for outcome in outcomes} == {"done"} and sum(told) >= 1


def test_stop_ends_the_run_and_begins_nothing(jobs, hostile, on_paper):
    begun: list[int] = []

    def counted(actor: Any, rows: list[dict[str, Any]]) -> Iterator[Any]:
        for row in rows:
            begun.append(row["shard"])
            yield actor(row)

    on_paper(counted)
    spec = jobs.create(hostile)
    outcomes = list(RayDistributor(spec, EngineOptions(stop=lambda: len(begun) > 1)).run(spec.shards))
    assert outcomes[0].state == "done"
    assert outcomes[-1].state in ("stopped", "done") and not list(spec.layout.work.iterdir())


def test_nothing_that_goes_wrong_leaves_the_actor(jobs, hostile, monkeypatch):
    spec = jobs.create(hostile)

    def outcome(index: int, actor: ShardActor) -> ShardOutcome:
        return read_outcome(json.loads(actor({"shard": index})["outcome"]))

    with beat_folder(spec.layout) as beats:
        lost = ShardActor(str(spec.layout.folder / "nowhere"), "cpu", 1, beats)
        assert outcome(0, lost).state == "error" and "there is no job in" in outcome(0, lost).message
        actor = ShardActor(spec.folder, "cpu", 1, beats)
        assert outcome(0, actor).state == "done"
        monkeypatch.setattr(actor._worker, "embed", lambda shard: 1 / 0)
        assert "ZeroDivisionError" in outcome(1, actor).message
        for _ in range(ATTEMPTS):
            Beat(beats, 2)._write()  # workers that died over it
        assert f"died {ATTEMPTS} times" in outcome(2, actor).message
        beats.stop()
        assert outcome(3, actor).state == "stopped"


def test_missing_ray_is_told_with_the_command(jobs, hostile, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExtraMissing, match="the engine ray needs ray") as told:
        jobs.run(jobs.create(hostile), engine="ray")
    assert "imgsearch[ray]" in told.value.hint


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "no.such.host.invalid:6379", "h:9999999"]
)
def test_cluster_that_is_not_there_is_told_at_once(address):
    with pytest.raises(ImgsearchError, match="there is no Ray at") as told:
        require_reachable(address)
    assert "--address HOST:6379" in told.value.hint


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one CPU."""
    pytest.importorskip("ray", reason="Ray is not installed: make test-ray")
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=size)
    yield made
    with contextlib.suppress(Exception):
        made.shutdown()


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


@pytest.mark.slow
def test_library_is_the_same_after_a_node_died_over_a_shard(jobs, hostile, content, cluster):
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20) for _ in range(2)]
    calm, spec = jobs.create(hostile, name="calm", shard_size=2), jobs.create(hostile, shard_size=2)
    jobs.run(calm)
    raylets = {_raylet(node): node for node in nodes}
    killed: list[int] = []

    def kill() -> None:
        """Ends a node, without grace, while a worker of it makes a shard."""
        while not killed and not over.is_set():
            for claim in spec.layout.claims.glob("*.lock"):
                pid = int(claim.read_text().rpartition("-")[2] or 0)
                if node := raylets.get(_parent(pid)):
                    os.kill(pid, 19)  # so that the shard is not done before the node is dead
                    cluster.remove_node(node, allow_graceful=False)
                    killed.append(pid)
                    with contextlib.suppress(OSError):
                        os.kill(pid, 9)
                    return
            time.sleep(0.002)

    over = threading.Event()
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        report = jobs.run(spec, engine="ray", workers=3, address=cluster.address)
    finally:
        over.set()
        killer.join()
    assert killed
    assert report.sums.complete and not report.errors
    assert (report.sums.inputs, report.sums.failed) == (17, 5)
    assert not list(spec.layout.work.iterdir())
    assert content(jobs.publish(spec).folder) == content(jobs.publish(calm).folder)


@pytest.mark.slow
def test_library_is_the_same_on_a_ray_of_this_machine(jobs, hostile, content):
    pytest.importorskip("ray", reason="Ray is not installed: make test-ray")
    calm, spec = jobs.create(hostile, name="calm"), jobs.create(hostile)
    jobs.run(calm)
    report = jobs.run(spec, engine="ray", workers=2)
    assert report.sums.complete and not report.errors
    assert content(jobs.publish(spec).folder) == content(jobs.publish(calm).folder)
