"""Folders of other programs: passed over, told, and walked where a person says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from imgsearch.media.walking.program_folders import Included
from imgsearch.records import Root
from imgsearch.settings import Settings
from indexer.index_run import IndexRequest, run_index
from indexer.report import RunSummary
from indexer.watch import scopes

MODEL = str(Path(__file__).parents[1] / "golden" / "lavis" / "blip2_tiny.pth")


def index(desk: Any, *include: str, path: Path | None = None, **more: Any) -> RunSummary:
    settings = Settings(desk.library, model=MODEL, device="cpu")
    return run_index(IndexRequest((str(path or desk.photos),), settings, include=include, **more))


def test_folder_of_a_program_is_told_and_walked_where_it_is_included(desk: Any) -> None:
    inside = desk.photos / "Photos.photoslibrary" / "originals"
    inside.mkdir(parents=True)
    (desk.photos / "@eaDir").mkdir()
    first = next(desk.photos.glob("*.png"))
    shutil.copyfile(first, inside / "copy.png")
    seen = len(list(desk.photos.glob("*.png")))
    summary = index(desk)
    assert (summary.seen, summary.new) == (seen, seen)
    assert summary.program_folders == {
        "an Apple Photos library": 1,
        "thumbnails and system data of a Synology NAS": 1,
    }
    assert summary.as_dict()["program_folders"] == summary.program_folders
    (line,) = (line for line in summary.text().splitlines() if line.startswith("Passed over"))
    assert "2 folders, an Apple Photos library, thumbnails" in line and "--include NAME" in line
    summary = index(desk, "photos.PHOTOSLIBRARY")
    assert (summary.seen, summary.copied) == (seen + 1, 1)
    assert list(summary.program_folders) == ["thumbnails and system data of a Synology NAS"]
    summary = index(desk)  # the pattern is remembered
    assert (summary.seen, summary.removed) == (seen + 1, 0)
    summary = index(desk, no_patterns=True)
    assert (summary.removed, summary.passed.left) == (1, {"belongs to a program: an Apple Photos library": 1})
    assert index(desk, path=inside.parent).seen == 1  # named itself: walked
    assert index(desk).removed == 0  # and wanted from now on


def test_line_about_passed_over_folders_is_one_line_and_short() -> None:
    assert "Passed over" not in RunSummary("l", "m").text()
    summary = RunSummary("l", "m", program_folders={f"kind {number:02}": number for number in range(1, 30)})
    (line,) = (line for line in summary.text().splitlines() if "Passed over" in line)
    assert "435 folders, kind 29 (29), kind 28 (28)" in line and "23 other kinds" in line and "kind 20" not in line
    assert "1 folder, x." in RunSummary("l", "m", program_folders={"x": 1}).text()


def test_watch_does_not_look_into_folders_of_programs(tmp_path: Path) -> None:
    root = Root(1, tmp_path, False)
    changed = {str(tmp_path / path) for path in ("a.jpg", "@eaDir/a.jpg/t.jpg", "x.photoslibrary/b.jpg", ".h/c.jpg")}
    assert scopes(changed, [root]) == {str(tmp_path / "a.jpg")}
    found = scopes(changed, [root], Included(["*.photoslibrary", ".h"]))
    assert found == changed - {str(tmp_path / "@eaDir/a.jpg/t.jpg")}
