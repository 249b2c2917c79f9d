"""The built wheel, installed outside the checkout, runs the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the wheel's files and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # Built from what git would ship, so that a file that was never added is missed here too.
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.split(b"\0")
    names = [os.fsdecode(name) for name in files if name and not name.startswith((b"tests/", b"docs/"))]
    if not names:
        pytest.skip("not a git checkout")
    for name in names:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    # As pip calls it, without the two processes that pip asks before.
    build = f"from setuptools.build_meta import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], check=True, cwd=source, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    target = folder / "site"
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--no-compile", "--target", str(target), str(wheel)], check=True
    )
    return target


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys, imgsearch; from imgsearch.cli import main; "
        f"assert imgsearch.__file__.startswith({str(installed)!r}), imgsearch.__file__; sys.exit(main())"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment["IMGSEARCH_WORKERS"] = "1"  # nothing is compiled yet: each process at once with another does it again
    environment |= {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.slow
def test_installed_wheel_runs_the_demo_outside_the_checkout(installed, tmp_path):
    done = run(installed, tmp_path, "demo", "--count", "10")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "imgsearch-demo" / "answers.png").stat().st_size > 10_000
    assert "answers.png" in done.stdout and "match" in done.stdout
    again = run(installed, tmp_path, "demo", "--count", "10")
    assert again.returncode == 0, again.stderr
    assert "drawn before" in again.stdout


def test_installed_wheel_lists_its_commands(installed, tmp_path):
    done = run(installed, tmp_path, "--help")
    assert done.returncode == 0 and "index" in done.stdout and "Traceback" not in done.stderr
