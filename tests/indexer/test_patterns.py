"""Patterns over several runs: pictures leave and come back, what was said is remembered, what was named is wanted."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from imgsearch.errors import LibraryError, UsageError
from imgsearch.media.walking.ignore import IGNORE_FILE
from imgsearch.progress import Silence
from imgsearch.records import Root
from imgsearch.settings import Settings
from imgsearch.storage import forget, open_store, writing
from indexer.index_run import IndexRequest, IndexRun, run_index
from indexer.report import RunSummary
from indexer.scanning.remembered import FILE_NAME
from indexer.watch import scopes

MODEL = str(Path(__file__).parents[1] / "golden" / "lavis" / "blip2_tiny.pth")


def index(desk: Any, *paths: Path, **more: Any) -> RunSummary:
    settings = Settings(desk.library, model="" if desk.library.exists() else MODEL, device="cpu")
    return run_index(IndexRequest(tuple(map(str, paths)), settings, **more))


def held(desk: Any) -> set[str]:
    return {name.removeprefix("photos/") for name in desk.rows()}


def test_excluded_pictures_leave_are_said_and_come_back_without_the_model(desk: Any) -> None:
    everything = {path.name for path in desk.photos.iterdir()}
    index(desk, desk.photos)
    desk.embedded.clear()
    summary = index(desk, desk.photos, exclude=["scene0[0-4]*"])
    assert (summary.removed, summary.passed.left) == (5, {"excluded by scene0[0-4]* (--exclude)": 5})
    assert "5 files left the library and stay on the disk" in summary.text()
    assert held(desk) == everything - {f"scene0{number}.png" for number in range(5)}
    for paths in ((), (desk.photos,)):  # a plain run does what was said, and tells so
        summary = index(desk, *paths)
        assert (summary.removed, summary.new, summary.copied) == (0, 0, 0)
        assert any("--exclude scene0[0-4]*" in note for note in summary.notes)
    summary = index(desk, desk.photos, exclude=["scene00.png"])  # others take their place
    assert held(desk) == everything - {"scene00.png"}
    index(desk, no_patterns=True)
    assert held(desk) == everything
    assert desk.embedded == []  # nothing went through the model again


def test_ignore_file_takes_out_and_its_end_brings_back(desk: Any) -> None:
    index(desk, desk.photos)
    (desk.photos / IGNORE_FILE).write_text("*.png\n!scene11.png\n")
    assert index(desk).removed == 11
    assert held(desk) == {"scene11.png"}
    (desk.photos / IGNORE_FILE).write_text("*")
    assert index(desk).offline == []  # all of it is left out: not a drive that is gone
    assert held(desk) == set()
    (desk.photos / IGNORE_FILE).unlink()
    index(desk)
    assert len(held(desk)) == 12


def test_ignore_file_that_cannot_be_read_changes_nothing(desk: Any) -> None:
    index(desk, desk.photos)
    (desk.photos / IGNORE_FILE).write_bytes(b"a\n" * (1 << 20))
    summary = index(desk)
    assert (summary.removed, len(held(desk))) == (0, 12)
    assert "longer than" in str(summary.unreadable + summary.offline)


def test_hidden_pictures_of_an_old_library_leave_and_are_said(desk: Any) -> None:
    (desk.photos / "scene00.png").rename(desk.photos / ".scene00.png")
    index(desk, desk.photos, include=[".scene00.png"])
    assert ".scene00.png" in held(desk)
    summary = index(desk, desk.photos, no_patterns=True)
    assert (summary.passed.left, summary.failed) == ({"hidden": 1}, 0)
    assert ".scene00.png" not in held(desk)


def test_file_that_is_named_is_wanted_whatever_excludes_it(desk: Any) -> None:
    index(desk, desk.photos, exclude=["*.png"])
    assert held(desk) == set()
    index(desk, desk.photos / "scene03.png")
    index(desk, desk.photos)
    assert held(desk) == {"scene03.png"}
    other = desk.photos / ".hidden"
    other.mkdir()
    (desk.photos / "scene04.png").rename(other / "a.jpg")
    index(desk, other)
    index(desk)
    assert held(desk) == {"scene03.png", ".hidden/a.jpg"}


def test_patterns_of_a_part_hold_for_the_part_and_of_a_root_for_roots_in_it(desk: Any) -> None:
    for part in ("x", "y"):
        (desk.photos / part).mkdir()
        (desk.photos / part / "b.png").write_bytes((desk.photos / "scene01.png").read_bytes())
    index(desk, desk.photos / "y")
    index(desk, desk.photos)
    index(desk, desk.photos / "x", exclude=["*.png"])
    assert {name for name in held(desk) if "/" in name} == {"y/b.png"}
    index(desk, desk.photos, exclude=["b.png"])
    assert {name for name in held(desk) if "/" in name} == set()
    assert len(held(desk)) == 12


def test_pattern_that_left_out_nothing_is_said(desk: Any) -> None:
    summary = index(desk, desk.photos, exclude=["photos/scene00.png", "scene01.png"])
    (note,) = summary.notes
    assert note.startswith("--exclude photos/scene00.png left out nothing")
    assert index(desk, desk.photos, exclude="*.png").seen == 0


def test_damaged_patterns_stop_the_run_instead_of_letting_all_in(desk: Any) -> None:
    index(desk, desk.photos, exclude=["*.png"])
    assert json.loads((desk.library / FILE_NAME).read_text())["patterns"][0]["exclude"] == ["*.png"]
    (desk.library / FILE_NAME).write_text("{")
    with pytest.raises(LibraryError, match="left out"):
        index(desk)


def test_recheck_finds_a_change_that_kept_size_and_time(desk: Any) -> None:
    index(desk, desk.photos)
    one, two = desk.photos / "scene00.png", desk.photos / "scene01.png"
    size, time_ns = one.stat().st_size, one.stat().st_mtime_ns
    content = bytearray(two.read_bytes())
    one.write_bytes((bytes(content) + b"\0" * size)[:size] if len(content) <= size else bytes(content[:size]))
    os.utime(one, ns=(time_ns, time_ns))
    assert index(desk).unchanged == 12
    desk.embedded.clear()
    summary = index(desk, recheck=True)
    assert summary.remaining == 0
    assert summary.unchanged == 11
    assert summary.changed + summary.failed == 1
    assert sum(desk.embedded) == summary.changed
    assert index(desk, recheck=True).unchanged + summary.failed == 12


@pytest.mark.parametrize("kind", ["device", "pipe", "socket", "link", "empty"])
def test_path_that_is_neither_folder_nor_file_is_refused_before_anything_is_made(
    desk: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    path = {"device": "/dev/null", "empty": ""}.get(kind, "odd")
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            server.bind(path)
        elif kind == "link":
            Path(path).symlink_to("nowhere")
        with pytest.raises(UsageError) as caught:
            run_index(IndexRequest((path,), Settings(desk.library, model=MODEL, device="cpu")))
    assert caught.value.exit_code == 2
    assert not desk.library.exists()


def test_device_that_an_older_program_took_is_told_and_forgotten_by_its_path(desk: Any) -> None:
    index(desk, desk.photos)
    with open_store(desk.library) as store, writing(store) as writer:
        writer.add_root(Path("/dev/null"))
    (row,) = index(desk).offline
    assert row["path"] == "/dev/null"
    assert "a device" in row["reason"]
    with pytest.raises(UsageError) as caught:
        index(desk, Path("/dev/null"))
    assert "imgsearch forget /dev/null" in caught.value.hint
    with open_store(desk.library) as store:
        forget(store, Path("/dev/null"))
    assert index(desk).offline == []


def test_places_that_changed_obey_the_patterns_as_a_watch_needs_it(desk: Any) -> None:
    settings = Settings(desk.library, model=MODEL, device="cpu")
    with IndexRun(IndexRequest((str(desk.photos),), settings, exclude=["*0.png"]), Silence(), lambda: False) as session:
        session.update([str(desk.photos)])
        assert "scene00.png" not in held(desk)
        os.utime(desk.photos / "scene00.png")
        session.update([str(desk.photos / "scene00.png"), str(desk.photos / "scene01.png")], named=False)
        assert "scene00.png" not in held(desk)
        (desk.photos / IGNORE_FILE).write_text("scene01.png")
        changed = scopes([str(desk.photos / IGNORE_FILE)], [Root(1, desk.photos)])
        assert changed == {str(desk.photos)}
        assert session.update(sorted(changed), named=False).removed == 1
        with open_store(desk.library) as store:
            assert len(store.roots()) == 1
