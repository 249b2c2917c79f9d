"""How many actors fit which cluster, and the beats by which they tell that they live."""

from __future__ import annotations

import time

import pytest

from imgsearch.errors import UsageError
from indexer.jobs.on_ray import beats
from indexer.jobs.on_ray.beats import Beat, beat_folder
from indexer.jobs.on_ray.plan import ActorPlan, plan_actors

ONE_CPU = {"CPU": 1.0}


@pytest.mark.parametrize(
    ("nodes", "shards", "workers", "decode", "gpu", "plan"),
    [
        ([{"CPU": 2.0}], 100, 0, 0, False, ActorPlan(1, 2, 0, 2)),
        ([{"CPU": 2.0}], 100, 2, 0, False, ActorPlan(2, 1, 0, 1)),
        ([ONE_CPU] * 3, 100, 0, 0, False, ActorPlan(3, 1, 0, 1)),
        ([ONE_CPU] * 3, 2, 0, 0, False, ActorPlan(2, 1, 0, 1)),
        ([ONE_CPU] * 3, 100, 5, 0, False, ActorPlan(5, 1, 0, 1)),  # two wait for a node
        ([{"CPU": 16.0}, {"CPU": 4.0}], 100, 2, 0, False, ActorPlan(2, 4, 0, 4)),  # each fits either node
        ([{"CPU": 16.0}, {"CPU": 4.0}], 100, 2, 8, False, ActorPlan(2, 8, 0, 8)),
        ([{"CPU": 0.0}, {"CPU": 8.0}], 100, 0, 0, False, ActorPlan(1, 8, 0, 8)),  # a head node without work
        ([{"CPU": 16.0, "GPU": 4.0}], 100, 0, 0, True, ActorPlan(4, 4, 1, 4)),
        ([{"CPU": 16.0, "GPU": 4.0}], 100, 0, 0, False, ActorPlan(1, 16, 0, 16)),  # a job for the CPU
        ([{"CPU": 16.0, "GPU": 1.0}], 100, 4, 0, True, ActorPlan(4, 4, 0.25, 4)),
        ([{"CPU": 16.0, "GPU": 2.0}] * 2, 100, 12, 0, True, ActorPlan(12, 2, 0.3333, 2)),  # three on each of four
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 64.0}], 100, 0, 0, True, ActorPlan(2, 8, 1, 8)),
    ],
)
def test_plan_fits_the_cluster(nodes, shards, workers, decode, gpu, plan):
    assert plan_actors(nodes, shards, workers, decode, gpu) == plan


@pytest.mark.parametrize(
    ("nodes", "decode", "said"),
    [
        ([ONE_CPU] * 3, 2, "a worker wants 2 CPU, and the cluster has 3 CPU; its largest node 1 CPU"),
        ([{"CPU": 0.0}], 0, "the cluster has 0 CPU"),
        ([], 0, "the cluster has 0 CPU"),
    ],
)
def test_worker_that_fits_no_node_is_refused(nodes, decode, said):
    with pytest.raises(UsageError, match=said):
        plan_actors(nodes, 10, 0, decode, False)


def test_beats_tell_progress_and_count_the_workers_that_died(jobs, hostile, monkeypatch):
    monkeypatch.setattr(beats, "EVERY_S", 0.0)
    layout = jobs.create(hostile).layout
    with beat_folder(layout) as folder:
        died = Beat(folder, 4)
        died._write()  # and never ended
        with Beat(folder, 4) as second, Beat(folder, 5) as first:
            assert (second.attempts, first.attempts) == (2, 1)
            first.told(7)
            first.told(2)
            seen = folder.read()
            assert {shard: images for shard, (_, images) in seen.items()} == {4: 0, 5: 9}
            assert not first.stopped()
            folder.stop()
            assert first.stopped() and second.stopped()
        assert folder.read() == {}
    assert not folder.path.exists() and folder.stopped  # a worker left behind gives up too


def test_beats_of_dead_drivers_are_swept(jobs, hostile):
    layout = jobs.create(hostile).layout
    with beat_folder(layout) as folder:
        stale = folder.path.with_name(folder.path.name.rpartition("-")[0] + "-999999999.5")
        other = folder.path.with_name("beats-elsewhere-999999999.5")
        stale.mkdir(), other.mkdir()
        with beat_folder(layout):
            assert folder.path.is_dir() and other.is_dir() and not stale.exists()


def test_beat_outlives_a_folder_that_takes_none(jobs, hostile):
    with beat_folder(jobs.create(hostile).layout) as folder:
        pass
    with Beat(folder, 1) as beat:
        beat.told(3)
        time.sleep(0)
    assert beat.attempts == 1
