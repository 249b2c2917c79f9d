"""Ctrl-C while `dedup find DIR` reads: the real command, and starts again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from imgsearch.storage import open_store

FILES = 200


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(FILES):
        Image.new("RGB", (16, 16), (number, 100, 50)).save(folder / f"{number}.png")
    return folder


def start(photos: Path, data: Path) -> subprocess.Popen[str]:
    """Tiers that look at pictures are what follows the reading, which is stopped here."""
    command = [sys.executable, "-m", "imgsearch", "dedup", "find", str(photos), "--tiers", "bytes"]
    environment = {**os.environ, "XDG_DATA_HOME": str(data), "IMGSEARCH_WORKERS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    told = ""
    while words not in told and (line := process.stderr.readline()):
        told += line
    return told


def committed(data: Path) -> int:
    libraries = list((data / "imgsearch" / "folders").iterdir())
    assert len(libraries) == 1
    with open_store(libraries[0]) as store:
        return store.stats().images


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(photos: Path, tmp_path: Path, presses: int) -> None:
    process = start(photos, tmp_path)
    wait_for(process, "new or changed")  # the workers start now
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        told = wait_for(process, "\n") + wait_for(process, "\n") if presses == 2 else ""
    _, rest = process.communicate(timeout=60)
    told += rest
    assert process.returncode == 130, told
    assert "Traceback" not in told and "Stopp" in told
    before = committed(tmp_path)
    assert before < FILES
    again = start(photos, tmp_path)
    _, told = again.communicate(timeout=240)
    assert again.returncode == 0, told
    assert f"{FILES - before:,} of {FILES:,} pictures are new" in told
    assert committed(tmp_path) == FILES
