"""The real command in real processes: killed at every kind of moment, interrupted, run twice, watching.

Most are forked from a warm one; of each kind one starts as it does for a person."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.errors import LibraryMissing
from imgsearch.storage import open_store, verify, writing

LAVIS_FILE = Path(__file__).parents[1] / "golden" / "lavis" / "blip2_tiny.pth"
PICTURES = 40
BATCH = 4


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    folder = tmp_path_factory.mktemp("command") / "photos"
    folder.mkdir()
    noise = np.random.default_rng(1)
    for number in range(PICTURES):
        Image.fromarray(noise.integers(0, 255, (48, 64, 3), np.uint8)).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(autouse=True)
def model(tiny_directory: Path, monkeypatch: pytest.MonkeyPatch, forked_commands: Any) -> None:
    monkeypatch.setenv("IMGSEARCH_MODEL", str(tiny_directory))
    WARM[:] = [forked_commands]


WARM: list[Any] = []


def start(
    photos: Path, library: Path, *more: str, crash_at: str = "", largest_file: int = -1, really: bool = False
) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "IMGSEARCH_CRASH_AT": crash_at}
    command = [sys.executable, "-m", "imgsearch", "index", str(photos), "--library", str(library), "--json"]
    command += ["--device", "cpu", "--workers", "1", "--batch-size", str(BATCH), *more]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    how: dict[str, Any] = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    if really or largest_file >= 0:
        return subprocess.Popen(command, preexec_fn=limit, **how)
    started: subprocess.Popen[str] = WARM[0].Popen(command, **how)
    return started


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def contents(library: Path) -> dict[str, Any]:
    """Path -> (content hash, vectors float32 [T, D])."""
    with open_store(library) as store:
        assert verify(store) == []
        view = store.view()
        images = store.images(view.image_ids.tolist())
        vectors = dict(zip(view.image_ids.tolist(), view.read(view.live_slots), strict=True))
        paths = store.all_paths(images)
        return {str(p): (images[i].facts.content_hash, vectors[i]) for i in images for p in paths[i]}


def committed(library: Path) -> int:
    """Images in the library; 0 while it is being made."""
    try:
        with open_store(library) as store:
            return store.stats().images
    except LibraryMissing:
        return 0


class Reader:
    """Reads the library again and again while it is written to, and keeps what it found wrong."""

    def __init__(self, library: Path) -> None:
        self.library, self.wrong, self.counts = library, [], []  # type: tuple[Path, list[str], list[int]]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with open_store(self.library) as store:
            while not self._stop.is_set():
                try:
                    view = store.view()
                    norms = np.linalg.norm(view.read(view.live_slots), axis=2)
                    if not np.allclose(norms, 1, atol=2e-3):
                        self.wrong.append("a vector that is not of norm 1")
                    if len(store.paths(view.image_ids.tolist())) != view.count:
                        self.wrong.append("an image without a file")
                    self.counts.append(view.count)
                except Exception as exc:  # noqa: BLE001 - whatever a reader meets is a failure of the test
                    self.wrong.append(repr(exc))
                time.sleep(0.005)


@pytest.mark.slow
def test_library_is_the_undisturbed_one_after_kills_at_every_kind_of_moment(photos: Path, tmp_path: Path) -> None:
    undisturbed, library = tmp_path / "undisturbed", tmp_path / "library"
    whole = finish(start(photos, undisturbed))
    assert (whole["embedded"], whole["images"]) == (PICTURES, PICTURES)
    before = 0
    moments = ("segment-fsynced", "segment-fsynced:2", "catalog-written:2", "catalog-committed")
    for moment in moments:
        process = start(photos, library, crash_at=moment, really=moment == moments[0])
        _, err = process.communicate(timeout=240)
        assert process.returncode == -signal.SIGKILL, err
        now = committed(library)
        full_batches = int(moment.partition(":")[2] or 1) - (moment != "catalog-committed")
        assert now - before <= full_batches * BATCH
        assert now >= before
        before = now
    with Reader(library) as reader:
        last = finish(start(photos, library))
    assert reader.wrong == []
    assert reader.counts == sorted(reader.counts)
    assert (last["embedded"], last["unchanged"]) == (PICTURES - before, before)
    expected, got = contents(undisturbed), contents(library)
    assert got.keys() == expected.keys()
    for path, (content_hash, vectors) in got.items():
        assert content_hash == expected[path][0]
        np.testing.assert_allclose(vectors, expected[path][1], atol=1e-3)


@pytest.mark.slow
def test_ctrl_c_commits_says_how_to_go_on_and_exits_130(photos: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    process = start(photos, library, "--batch-size", "1", really=True)
    deadline = time.monotonic() + 120
    while committed(library) == 0 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGSTOP)  # so that it holds the lock while the second one asks
    busy = start(photos, library)
    _, refused = busy.communicate(timeout=240)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=240)
    assert busy.returncode == 4
    assert str(process.pid) in refused
    assert process.returncode == 130, err
    summary = json.loads(out)
    assert summary["interrupted"]
    assert summary["images"] + summary["remaining"] == PICTURES
    assert "Run the same command again" in err
    rest = finish(start(photos, library))
    assert rest["embedded"] == summary["remaining"]


@pytest.mark.slow
def test_a_disk_that_fills_up_in_mid_run_is_said_and_loses_nothing(photos: Path, tmp_path: Path) -> None:
    """No file may grow beyond a size that the run needs: the write is refused in the middle, as on a full disk."""
    library = tmp_path / "library"
    (tmp_path / "first").mkdir()
    shutil.copy(photos / "000.png", tmp_path / "first")
    assert finish(start(tmp_path / "first", library))["images"] == 1
    room = max(path.stat().st_size for path in library.rglob("*") if path.is_file()) + 60_000
    full = start(photos, library, largest_file=room)
    _, err = full.communicate(timeout=240)
    assert full.returncode == 4 and "Traceback" not in err
    assert "free some space" in err
    kept = committed(library)
    assert 1 <= kept < PICTURES
    last = finish(start(photos, library))
    assert (last["embedded"], last["images"]) == (PICTURES - kept, PICTURES)
    assert len(contents(library)) == PICTURES + 1


@pytest.mark.slow
def test_wait_goes_on_once_the_other_writer_is_done(photos: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    (tmp_path / "first").mkdir()
    shutil.copy(photos / "000.png", tmp_path / "first")
    finish(start(tmp_path / "first", library))
    with open_store(library) as store, writing(store):
        waiting = start(photos, library, "--wait")
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        assert "waiting" in said, said
        assert waiting.poll() is None
    assert finish(waiting)["images"] == PICTURES


@pytest.mark.slow
def test_second_ctrl_c_stops_at_once_and_harms_nothing(photos: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    process = start(photos, library, "--batch-size", "1")
    deadline = time.monotonic() + 120
    while committed(library) == 0 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while process.poll() is None and "Once more" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    if "Stopped at once" in err:  # else the first one was quicker
        assert "Traceback" not in err
    kept = committed(library)  # behind it half a batch may lie, which the next run cuts off
    assert finish(start(photos, library))["embedded"] == PICTURES - kept
    assert len(contents(library)) == PICTURES


@pytest.mark.slow
def test_watch_follows_what_happens_to_the_folder(photos: Path, tmp_path: Path) -> None:
    folder, library = tmp_path / "photos", tmp_path / "photos" / "library"
    folder.mkdir()
    shutil.copyfile(photos / "000.png", folder / "a.png")
    process = start(folder, library, "--watch", "--model", str(LAVIS_FILE), really=True)  # which is encoded with torch
    lines: list[dict[str, Any]] = []
    assert process.stdout is not None
    out = process.stdout
    reading = threading.Thread(target=lambda: lines.extend(json.loads(line) for line in out))
    reading.start()

    def wait_for(images: int, sidecars: int = 0) -> None:
        deadline = time.monotonic() + 60
        wanted = images, sidecars
        while time.monotonic() < deadline and not (lines and (lines[-1]["images"], lines[-1]["sidecars"]) == wanted):
            time.sleep(0.05)
        assert (lines[-1]["images"], lines[-1]["sidecars"]) == wanted

    wait_for(1)
    assert process.stderr is not None
    while "Watching" not in process.stderr.readline():
        pass
    time.sleep(1.0)
    (folder / "below").mkdir()
    shutil.copyfile(photos / "001.png", folder / "below" / "b.png")
    (folder / "notes.txt").write_text("no picture")
    wait_for(2)
    description = '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>'
    (folder / "a.xmp").write_text(
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{description}</rdf:RDF>'
    )
    wait_for(2, sidecars=1)
    (folder / "a.png").unlink()
    wait_for(1)
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    assert process.wait(timeout=60) == 0
    reading.join()
    process.stdout.close()
    process.stderr.close()
    assert lines[-1]["failed"] == 0
