import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import ImgsearchError, MediaError
from imgsearch.media.decode import DecodedImage, KnownContent, decode_file
from imgsearch.media.decode_pool import DecodeJob, DecodePool
from imgsearch.media.decode_pool.frames import read_frame
from imgsearch.media.decode_pool.jobs import Parcel
from imgsearch.media.decode_pool.process import WorkerProcess, WorkerSettings
from imgsearch.media.limits import MIB

SIDE = 32
TASK = "imgsearch.media.decode_pool.decoding:decode_task"
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def write_pictures(folder: Path, count: int) -> list[DecodeJob]:
    jobs = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.new("RGB", (40, 30), (number % 256, 90, 200)).save(path)
        jobs.append(DecodeJob(str(path), path.stat().st_size, tag=number))
    return jobs


def hostile_job(folder: Path, behaviour: str) -> DecodeJob:
    """A file whose name makes the worker misbehave, through the import hook that `misbehaving` installs."""
    path = folder / f"{behaviour}.png"
    Image.new("RGB", (4, 4)).save(path)
    return DecodeJob(str(path), path.stat().st_size, tag=behaviour)


@pytest.fixture
def misbehaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that hang, crash or hoard on files named so: real decoders do it, but not on demand."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, signal, sys, time\n"
        "def install():\n"
        "    import imgsearch.media.decode as decode\n"
        "    real = decode.decode_file\n"
        "    def decode_file(path, size, **options):\n"
        "        if 'spin' in path:\n"
        "            while True: pass\n"
        "        if 'sleep' in path: time.sleep(600)\n"
        "        if 'segfault' in path: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "        if 'oom' in path: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        if 'nonsense' in path: os._exit(0)\n"
        "        return real(path, size, **options)\n"
        "    decode.decode_file = decode_file\n"
        "if 'imgsearch.media.decode_pool.worker' in sys.orig_argv: install()\n"
    )
    monkeypatch.syspath_prepend(str(site))


def test_every_job_has_one_outcome_equal_to_decoding_here(tmp_path: Path) -> None:
    jobs = write_pictures(tmp_path, 60)
    with DecodePool(SIDE, workers=2, ahead=16) as pool:
        outcomes = dict(pool.run(jobs))
    assert set(outcomes) == set(jobs)
    for job in jobs[::20]:
        here = decode_file(job.path, SIDE)
        there = outcomes[job]
        assert isinstance(here, DecodedImage)
        assert isinstance(there, DecodedImage)
        assert np.array_equal(here.pixels, there.pixels)
        assert (here.facts, here.mtime_ns) == (there.facts, there.mtime_ns)


def test_pool_runs_again_also_after_being_left(tmp_path: Path) -> None:
    jobs = write_pictures(tmp_path, 40)
    with DecodePool(SIDE, workers=2, ahead=20) as pool:
        for _ in pool.run(jobs):
            break
        assert len(list(pool.run(jobs[:7]))) == 7
        assert list(pool.run([])) == []
    with pytest.raises(ImgsearchError, match="closed"):
        next(pool.run(jobs))


def test_jobs_are_taken_in_the_callers_thread_and_not_far_ahead(tmp_path: Path) -> None:
    jobs = write_pictures(tmp_path, 50)
    taken = 0

    def source() -> Iterator[DecodeJob]:
        nonlocal taken
        for job in jobs:
            assert threading.current_thread() is threading.main_thread()
            taken += 1
            yield job

    with DecodePool(SIDE, workers=2, ahead=10) as pool:
        for consumed, _ in enumerate(pool.run(source()), start=1):
            assert taken <= consumed + 10
            if consumed == 3:
                time.sleep(0.3)
    assert taken == 50


def test_failures_are_values(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture at all, just words\n")
    bad = [DecodeJob(str(tmp_path / name), 9) for name in ("a.jpg", "gone.jpg", os.fsdecode(b"caf\xe9.jpg"))]
    with DecodePool(SIDE, workers=1) as pool:
        outcomes = dict(pool.run(bad))
    assert all(isinstance(outcome, MediaError) for outcome in outcomes.values())
    assert [outcomes[job].transient for job in bad] == [False, True, True]
    assert "text file" in outcomes[bad[0]].message


def test_known_content_is_not_decoded(tmp_path: Path) -> None:
    (job,) = write_pictures(tmp_path, 1)
    here = decode_file(job.path, SIDE)
    assert isinstance(here, DecodedImage)
    known = DecodeJob(job.path, job.size_bytes, frozenset({here.facts.content_hash}))
    with DecodePool(SIDE, workers=1) as pool:
        ((_, outcome),) = pool.run([known])
    assert outcome == KnownContent(here.facts.content_hash, job.size_bytes, here.mtime_ns)


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.parametrize(
    ("behaviour", "words", "transient"),
    [
        ("spin", "took longer than 2 s", None),
        ("sleep", "took longer than 2 s", True),
        ("segfault", "crashed twice on this file .SIGSEGV", False),
        ("oom", "lack of memory", True),
        ("nonsense", "crashed twice", False),
    ],
)
def test_misbehaving_file_fails_alone(tmp_path: Path, behaviour: str, words: str, transient: bool | None) -> None:
    jobs = write_pictures(tmp_path, 30)
    jobs.insert(5, hostile_job(tmp_path, behaviour))
    started = time.monotonic()
    with DecodePool(SIDE, workers=2, time_limit_s=2.0) as pool:
        outcomes = {job.tag: outcome for job, outcome in pool.run(jobs)}
    assert time.monotonic() - started < 60
    failed = outcomes.pop(behaviour)
    assert isinstance(failed, MediaError)
    assert __import__("re").search(words, failed.message), failed.message
    assert transient is None or failed.transient == transient
    assert len(outcomes) == 30
    assert all(isinstance(outcome, DecodedImage) for outcome in outcomes.values())


def test_heavy_files_run_alone_and_too_heavy_ones_fail(tmp_path: Path) -> None:
    jobs = write_pictures(tmp_path, 12)
    for name, side in (("heavy", 1100), ("heavier", 2600)):
        Image.new("RGB", (side, side), "red").save(tmp_path / f"{name}.png", compress_level=1)
        jobs.insert(3, DecodeJob(str(tmp_path / f"{name}.png"), 9, tag=name))
    with DecodePool(SIDE, workers=2, memory_bytes=2 * MIB, heavy_memory_bytes=10 * MIB) as pool:
        outcomes = {job.tag: outcome for job, outcome in pool.run(jobs)}
    assert isinstance(outcomes.pop("heavy"), DecodedImage)
    too_heavy = outcomes.pop("heavier")
    assert isinstance(too_heavy, MediaError)
    assert "more than the limit of 10 MiB" in too_heavy.message
    assert all(isinstance(outcome, DecodedImage) for outcome in outcomes.values())


@linux
def test_worker_never_loads_torch_and_ends_with_its_parent(tmp_path: Path) -> None:
    (job,) = write_pictures(tmp_path, 1)

    def parcel(number: int) -> Parcel:
        return Parcel(number, json.dumps([job.path, []]).encode(), job.size_bytes)

    settings = json.dumps({"size": SIDE, "pixels": True})
    process = WorkerProcess(WorkerSettings(TASK, settings, 50 * MIB, 50 * MIB, 5.0))
    try:
        assert process.receive() == ({"ready": process.pid}, b"")
        process.send([parcel(1)], heavy=False)
        answer = process.receive()
        assert answer is not None
        assert answer[0]["kind"] == "answer"
        libraries = Path(f"/proc/{process.pid}/maps").read_text()
        assert "_imaging" in libraries  # the proof would notice a library
        assert "torch" not in libraries
        os.kill(process.pid, signal.SIGINT)  # Ctrl-C is not the worker's business
        process.send([parcel(2)], heavy=False)
        assert process.receive() is not None
        assert process._process.stdin is not None
        process._process.stdin.close()  # as if the parent had died
        assert process._process.wait(timeout=20) == 0
    finally:
        process.wait()


def test_worker_imports_little() -> None:
    code = (
        f"import sys, imgsearch.media.decode_pool.worker as worker; worker.find_task({TASK!r});"
        "print({'torch', 'pillow_heif', 'rawpy', 'sqlite3', 'subprocess', 'imgsearch.settings'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_workers_that_cannot_start_are_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    jobs = write_pictures(tmp_path, 2)
    with DecodePool(SIDE, workers=1) as pool, pytest.raises(ImgsearchError, match="cannot start") as caught:
        list(pool.run(jobs))
    assert "--check" in caught.value.hint


def test_message_that_is_cut_off_or_senseless_reads_as_the_end() -> None:
    for data in (b"", b"\1\0", b"\5\0\0\0\0\0\0\0{}", b"\2\0\0\0\0\0\0\0[]", b"\3\0\0\0\0\0\0\0abc", b"\xff" * 40):
        assert read_frame(io.BytesIO(data)) is None


def test_a_worker_that_the_system_does_not_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    jobs = write_pictures(tmp_path, 2)
    with DecodePool(SIDE, workers=2) as pool, pytest.raises(ImgsearchError, match="worker cannot start") as caught:
        list(pool.run(jobs))
    assert "/nonexistent/python" in caught.value.message and "--workers 1" in caught.value.hint
