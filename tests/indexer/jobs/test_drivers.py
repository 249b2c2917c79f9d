"""Drivers beside each other, workers that die, disks that are full."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from imgsearch.errors import ImgsearchError, LibraryBusy, StorageFull, UsageError
from imgsearch.progress import Silence
from indexer.jobs.claims import claimed, driving
from indexer.jobs.distributor import ENGINES, EngineOptions
from indexer.jobs.driver import RunRequest, part_of, run_job
from indexer.jobs.local.engine import LocalDistributor, visible_gpus
from indexer.jobs.report import job_status
from indexer.jobs.worker import ShardOutcome, embed_shard


def test_a_second_driver_is_refused_by_name(jobs, hostile):
    spec = jobs.create(hostile)
    with driving(Path(spec.folder), (1, 1)):
        for work in (jobs.run, jobs.publish):
            with pytest.raises(LibraryBusy, match=f"process {os.getpid()} on "):
                work(spec)
        with pytest.raises(LibraryBusy):
            jobs.run(spec, part=(1, 2))
    assert jobs.run(spec).done == 5


def test_parts_of_a_job_run_side_by_side(jobs, hostile):
    spec = jobs.create(hostile)
    with driving(Path(spec.folder), (1, 3)):
        assert jobs.run(spec, part=(2, 3)).done == 2
        with pytest.raises(LibraryBusy, match="this part"):
            jobs.run(spec, part=(1, 3))
        with pytest.raises(LibraryBusy):
            jobs.run(spec)
    assert [jobs.run(spec, part=(part, 3)).done for part in (1, 2, 3)] == [2, 0, 1]


def test_every_shard_is_in_one_part(jobs, hostile):
    spec = jobs.create(hostile, shard_size=1)
    parts = [shard.index for part in range(1, 6) for shard in part_of(spec, (part, 5))]
    assert sorted(parts) == list(range(17))
    for wrong in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(UsageError):
            part_of(spec, wrong)


def test_a_shard_that_another_process_makes_is_left_to_it(jobs, hostile):
    spec = jobs.create(hostile)
    with claimed(spec.layout.claims / "000001.lock") as held:
        assert held
        assert embed_shard(spec, spec.shards[1]).state == "claimed"
        assert str(os.getpid()) in job_status(Path(spec.folder)).running[1]
    assert embed_shard(spec, spec.shards[1]).state == "done"
    assert job_status(Path(spec.folder)).running == {}


@contextlib.contextmanager
def full_disk(most_bytes):
    """No file of this process may grow beyond ``most_bytes``: a real refusal of the kernel."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_nothing(jobs, hostile):
    spec = jobs.create(hostile)
    with full_disk(4000):  # the signatures of a shard take 6 KB
        report = jobs.run(spec)
    assert (report.sums.shards_done, report.exit_code, len(report.errors)) == (0, 4, 1)
    assert report.errors[0].fatal and "cannot be written" in report.errors[0].message
    assert not list(spec.layout.work.iterdir())
    assert jobs.run(spec).done == 5
    with full_disk(20_000), pytest.raises(StorageFull):
        jobs.publish(spec)
    assert jobs.publish(spec).images == 9


def test_a_full_disk_makes_no_job(jobs, hostile):
    with full_disk(100), pytest.raises(StorageFull):
        jobs.create(hostile)
    assert jobs.create(hostile).count == 17


def test_a_disk_that_is_too_small_is_known_before(jobs, hostile, monkeypatch):
    from indexer.jobs import driver

    spec = jobs.create(hostile)
    monkeypatch.setattr(driver, "free_bytes", lambda folder: 1000)
    with pytest.raises(StorageFull, match="17 inputs need about"):
        jobs.run(spec)


def test_a_stop_gives_up_the_shard_in_the_making(jobs, hostile):
    spec = jobs.create(hostile)
    asked = iter(range(1000))
    report = jobs.run(spec, stop=lambda: next(asked) > 12)
    assert report.interrupted and 0 < report.sums.shards_done < 5
    assert not list(spec.layout.work.iterdir())


def test_a_clock_that_jumps_changes_nothing(jobs, hostile, content, monkeypatch):
    spec = jobs.create(hostile)
    calm = jobs.create(hostile, name="calm")
    jobs.run(calm)
    times = itertools.cycle([4_000_000_000, 0, -5, 1_000_000_000])
    jumping = SimpleNamespace(time_ns=lambda: next(times) * 10**9, monotonic=time.monotonic)
    monkeypatch.setattr("indexer.jobs.journal.time", jumping)
    monkeypatch.setattr("imgsearch.storage.catalog.database.datetime", None)  # no row asks for the time of day
    jobs.run(spec)
    made = jobs.publish(spec)
    monkeypatch.undo()
    assert content(made.folder) == content(jobs.publish(calm).folder)


def test_an_engine_that_loses_a_shard_is_noticed(jobs, hostile, monkeypatch):
    spec = jobs.create(hostile)

    class Careless:
        def __init__(self, spec, options):
            self.spec = spec

        def run(self, shards):
            for shard in shards[:-1]:
                yield embed_shard(self.spec, shard)

    class Lying(Careless):
        def run(self, shards):
            yield ShardOutcome(shards[0].index, "done")

    for engine, word in ((Careless, "without shard 4"), (Lying, "says that shard 4 is done")):
        monkeypatch.setattr("indexer.jobs.distributor.InlineDistributor", engine)
        with pytest.raises(ImgsearchError, match=word):
            jobs.run(spec)
    assert ENGINES["inline"].endswith(":InlineDistributor")


def test_a_worker_that_is_killed_is_replaced(hostile, tmp_path, monkeypatch):
    """Real processes: the first one is killed by signal 9 as soon as it is there."""
    from imgsearch.settings import Settings
    from indexer.jobs.create import CreateRequest, create_job

    request = CreateRequest([str(hostile)], tmp_path / "job", Settings(Path(), model="none", device="cpu"), 9)
    create_job(request, Silence())
    started = []

    class Mortal(subprocess.Popen):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, **more)
            started.append(self)
            if len(started) == 1:
                self.send_signal(signal.SIGKILL)

    monkeypatch.setattr("indexer.jobs.local.engine.subprocess.Popen", Mortal)
    report = run_job(RunRequest(tmp_path / "job", workers=1, decode_workers=1), Silence(), lambda: False)
    assert (report.done, len(started)) == (2, 2)


def test_a_shard_that_kills_its_worker_is_an_error(jobs, hostile, monkeypatch):
    spec = jobs.create(hostile)
    monkeypatch.setattr("indexer.jobs.local.engine.sys.executable", "/bin/false")
    found = list(LocalDistributor(spec, EngineOptions(workers=1)).run(spec.shards[:1]))
    assert [(outcome.state, outcome.fatal) for outcome in found] == [("error", False)]
    assert "died 3 times (exit status 1)" in found[0].message


def test_a_driver_waits_for_a_shard_of_another(jobs, hostile, monkeypatch):
    from indexer.jobs import driver

    spec = jobs.create(hostile)
    said = []

    class Told(Silence):
        def say(self, text):
            said.append(text)

    with contextlib.ExitStack() as held:
        held.enter_context(claimed(spec.layout.claims / "000002.lock"))
        monkeypatch.setattr(driver.time, "sleep", lambda seconds: held.close())
        report = run_job(RunRequest(Path(spec.folder), "inline"), Told(), lambda: False)
    assert report.sums.complete and report.done == 5
    assert [text for text in said if "shard 2 is being made by process" in text]


def test_a_process_that_cannot_start_is_an_error(jobs, hostile, monkeypatch):
    spec = jobs.create(hostile)
    monkeypatch.setattr("indexer.jobs.local.engine.sys.executable", "/nonesuch/python")
    report = jobs.run(spec, engine="local", workers=1)
    assert report.exit_code == 4 and "a worker cannot start: No such file" in report.errors[0].message


def test_gpus_are_named_as_the_environment_does():
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2,GPU-abc"}) == ["2", "GPU-abc"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
