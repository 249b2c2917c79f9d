"""The README's lines about copies, run to the letter in a home that has an older plan."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^## Copies\n(.*?)^## ", re.MULTILINE | re.DOTALL)


def readme_lines() -> list[str]:
    found = SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found
    return [line.strip() for line in found[1].splitlines() if line.startswith("    .venv/bin/imgsearch ")]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with pictures that were never looked at, and a default library of others with a plan that was not
    applied."""
    from imgsearch.cli.main import main
    from imgsearch.scenes.dataset import make_set, write_set

    write_set(make_set(3, 11), tmp_path / "drawn")
    drawn = sorted((tmp_path / "drawn" / "images").iterdir())
    for folder, picture in (("Older", drawn[0]), ("Pictures", drawn[1])):
        (tmp_path / folder).mkdir()
        for name in ("one.png", "two.png", "three.png"):
            (tmp_path / folder / name).write_bytes((drawn[2] if name == "three.png" else picture).read_bytes())
    program = tmp_path / ".venv" / "bin" / "imgsearch"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'from imgsearch.cli import main; exit(main())' \"$@\"\n")
    program.chmod(0o755)
    for name in [name for name in os.environ if name.startswith(("XDG_", "IMGSEARCH_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["index", str(tmp_path / "Older"), "--model", "none", "--quiet"]) == 0
    assert main(["dedup", "find", "--quiet", "--check"]) == 5
    return tmp_path


def typed(line: str, home: Path, answer: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a line as bash does, with a terminal in front of it at which ``answer`` was typed."""
    ours, theirs = os.openpty()
    try:
        os.write(ours, answer)
        place = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            ["bash", "-c", line], stdin=theirs, cwd=home, env=place, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_readme_lines_leave_the_files_of_an_older_plan_alone(home: Path) -> None:
    lines = readme_lines()
    assert [line.split()[2] for line in lines] == ["find", "report", "apply", "undo"]
    before = contents(home / "Pictures")
    older = contents(home / "Older")
    plan = home / ".local" / "share" / "imgsearch" / "library" / "dedup" / "plan.json"
    planned = plan.read_bytes()
    for line in lines:
        done = typed(line, home, b"yes\n" if " apply" in line else b"")
        assert done.returncode == 0, done.stderr
        assert contents(home / "Older") == older and plan.read_bytes() == planned
        if " apply" in line:
            assert str(home / "Pictures") in done.stderr and str(home / "Older") not in done.stderr + done.stdout
            assert sorted(contents(home / "Pictures")) == ["one.png", "three.png"]
        else:
            assert contents(home / "Pictures") == before
    assert "one.png" in (home / "copies.html").read_text(encoding="utf-8")


def test_readme_apply_moves_nothing_without_a_yes(home: Path) -> None:
    before = contents(home / "Older")
    apply = next(line for line in readme_lines() if " apply" in line)
    assert typed(apply, home, b"\n").returncode == 2
    assert typed(apply, home, b"\x04").returncode == 2  # Ctrl-D
    assert contents(home / "Older") == before
