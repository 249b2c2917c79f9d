"""A dry run tells what the run after it does, and writes nothing."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from imgsearch.errors import UsageError
from imgsearch.media.walking.ignore import IGNORE_FILE
from imgsearch.media.walking.walk_counts import NO_IMAGE, UNREAD, PassedOver
from imgsearch.progress import Silence
from imgsearch.settings import Settings
from indexer.dry_run import DryRun, dry_run
from indexer.index_run import IndexRequest, run_index
from indexer.report import RunSummary
from indexer.scanning.passed_text import passed_line

MODEL = str(Path(__file__).parents[1] / "golden" / "lavis" / "blip2_tiny.pth")


def request(desk: Any, *paths: Path, model: str = "none", **more: Any) -> IndexRequest:
    settings = Settings(desk.library, model="" if desk.library.exists() else model, device="cpu")
    return IndexRequest(tuple(map(str, paths)), settings, **more)


def tried(desk: Any, *paths: Path, **more: Any) -> DryRun:
    before = snapshot(desk.folder)
    found = dry_run(request(desk, *paths, **more), Silence())
    assert snapshot(desk.folder) == before
    return found


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def same(found: DryRun, summary: RunSummary) -> bool:
    return (found.seen, found.unchanged, found.removed, found.passed, found.program_folders) == (
        summary.seen, summary.unchanged, summary.removed, summary.passed, summary.program_folders,
    )  # fmt: skip


def test_dry_run_is_what_the_run_then_does(desk: Any) -> None:
    (desk.photos / "@eaDir").mkdir()
    (desk.photos / "notes.txt").write_text("no picture")
    (desk.photos / IGNORE_FILE).write_text("*7.png")
    found = tried(desk, desk.photos)
    assert not desk.library.exists()
    assert (found.exists, found.new, found.changed) == (False, 11, 0)
    assert found.read_bytes == sum(path.stat().st_size for path in desk.photos.glob("*[!7].png"))
    assert found.seconds is not None
    assert found.disk_bytes is not None
    assert found.rate_of.startswith("a probe of")
    assert same(found, run_index(request(desk, desk.photos)))
    (desk.photos / "scene00.png").unlink()
    os.utime(desk.photos / "scene01.png", ns=(1, 1))
    (desk.photos / "new.png").write_bytes((desk.photos / "scene02.png").read_bytes())
    found = tried(desk, exclude=["scene05*"])
    assert (found.new, found.changed, found.removed) == (1, 1, 2)
    assert same(found, run_index(request(desk, exclude=["scene05*"])))
    assert tried(desk, recheck=True).rechecked == 10
    assert tried(desk).text().endswith("Nothing was written.")


def test_dry_run_takes_the_rate_of_the_last_run_and_prints_json(desk: Any) -> None:
    for number in range(9):  # 20 contents at least
        content = (desk.photos / "scene00.png").read_bytes()
        (desk.photos / f"n{number}.png").write_bytes(content + bytes([number]))
    run_index(request(desk, desk.photos))
    (desk.photos / "more.png").write_bytes((desk.photos / "scene00.png").read_bytes() + b"more")
    told = json.loads(tried(desk).shown(as_json=True))
    assert (told["dry_run"], told["new"], told["rate_of"]) == (True, 1, "the last run")
    assert told["passed_over"]["files"] == 0


def test_dry_run_says_why_the_time_is_not_known(desk: Any) -> None:
    found = tried(desk, desk.photos, model="blip2-that-is-not-there")
    assert (found.seconds, found.new) == (None, 12)
    assert "not known" in found.text()


def test_dry_run_refuses_what_a_run_refuses(desk: Any) -> None:
    for paths in ((), (desk.folder / "gone",), (Path("/dev/null"),)):
        with pytest.raises(UsageError):
            tried(desk, *paths)
    with pytest.raises(UsageError, match="--exclude"):
        tried(desk, desk.photos, exclude=[""])


def test_pictures_of_other_formats_are_named_as_such() -> None:
    passed = PassedOver(Counter({(UNREAD, ".exr"): 2, (UNREAD, ".xcf"): 1, (NO_IMAGE, ".txt"): 1}))
    assert passed_line(passed) == (
        "Left out: 3 pictures of formats that are not supported (.exr 2, .xcf 1), 1 file that is no picture (.txt 1)."
    )
