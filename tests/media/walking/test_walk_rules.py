"""What a walk leaves out: patterns, hidden files, markers; and that it says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgsearch.errors import UsageError
from imgsearch.media.walking.ignore import IGNORE_FILE
from imgsearch.media.walking.pass_rules import PassRules, Patterns
from imgsearch.media.walking.walk import Walk


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def walked(root: Path, exclude: tuple[str, ...] = (), include: tuple[str, ...] = (), base: Path | None = None) -> Walk:
    return Walk(root, rules=PassRules(str(root), [Patterns(str(base or root), exclude, include)]))


def names(walk: Walk) -> list[str]:
    return sorted(entry.relative_path for entry in walk)


def test_patterns_of_the_command_line_leave_out_and_take_back(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.png", "keep.png", "b.jpg", "raw/c.jpg", "x/raw/d.jpg", "x/e.JPG")))
    assert names(walked(tmp_path, ("*.png",))) == ["b.jpg", "raw/c.jpg", "x/e.JPG", "x/raw/d.jpg"]
    assert names(walked(tmp_path, ("raw/",))) == ["a.png", "b.jpg", "keep.png", "x/e.JPG"]
    assert names(walked(tmp_path, ("/raw",))) == ["a.png", "b.jpg", "keep.png", "x/e.JPG", "x/raw/d.jpg"]
    assert names(walked(tmp_path, ("*.png",), ("keep.png",))) == [
        "b.jpg",
        "keep.png",
        "raw/c.jpg",
        "x/e.JPG",
        "x/raw/d.jpg",
    ]
    assert names(walked(tmp_path, ("*", "!*/", "!*.jpg"))) == ["b.jpg", "raw/c.jpg", "x/raw/d.jpg"]  # case counts
    assert names(walked(tmp_path, ("/raw/**",), ("/raw/c.jpg",)))[3:] == ["raw/c.jpg", "x/e.JPG", "x/raw/d.jpg"]
    assert "raw/c.jpg" not in names(walked(tmp_path, ("raw/",), ("raw/c.jpg",)))  # the folder is not entered: as git
    assert names(walked(tmp_path, (f"{tmp_path}/x/", "#no comment here"))) == [
        "a.png",
        "b.jpg",
        "keep.png",
        "raw/c.jpg",
    ]


def test_what_was_said_of_a_folder_counts_below_it_only(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "x/a.png", tmp_path / "x/y/b.png")
    assert names(walked(tmp_path, ("*.png",), base=tmp_path / "x")) == ["a.png"]
    assert names(walked(tmp_path, ("/b.png",), base=tmp_path / "x/y")) == ["a.png", "x/a.png"]
    assert names(walked(tmp_path / "x", ("/x/y",), base=tmp_path)) == ["a.png"]


def test_ignore_files_count_at_every_level_and_the_deeper_one_decides(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.png", "x/b.png", "x/y/c.png", "x/y/d.jpg", "z/e.jpg")))
    (tmp_path / IGNORE_FILE).write_text("*.png\n/z\n")
    (tmp_path / "x/y" / IGNORE_FILE).write_text("!c.png\nd.jpg\n")
    walk = Walk(tmp_path)
    assert names(walk) == ["x/y/c.png"]
    assert walk.counts.passed_folders == {f"excluded by /z in {IGNORE_FILE}": 1}
    assert walk.counts.passed_files[(f"excluded by *.png in {IGNORE_FILE}", ".png")] == 2
    assert walk.counts.passed_files[(f"excluded by d.jpg in x/y/{IGNORE_FILE}", ".jpg")] == 1
    assert names(walked(tmp_path, ("c.png",), ("b.png",))) == ["x/b.png"]  # the command line before any file
    rules = PassRules(str(tmp_path / "x"), top=str(tmp_path))
    assert names(Walk(tmp_path / "x", rules=rules)) == ["y/c.png"]  # a root in a root


def test_walk_and_reason_agree_on_every_path(tmp_path: Path) -> None:
    files = [
        "a.png",
        ".h.png",
        "x/b.png",
        "x/.nomedia",
        "y.noindex/c.png",
        "@eaDir/d.png",
        ".g/e.png",
        "k/f.png",
        "k/g.jpg",
    ]
    touch(*(tmp_path / name for name in files))
    (tmp_path / "k" / IGNORE_FILE).write_text("*.png\n")
    found = names(Walk(tmp_path))
    rules = PassRules(str(tmp_path))
    assert found == ["a.png", "k/g.jpg"]
    for name in files:
        if not name.endswith(".nomedia"):
            assert bool(rules.reason(str(tmp_path / name))) == (name not in found), name


@pytest.mark.parametrize("marker", [".nomedia", ".noindex", ".NoMedia", ".metadata_never_index"])
def test_folder_with_a_marker_is_left_out_with_all_below_unless_it_is_named(tmp_path: Path, marker: str) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "x" / marker, tmp_path / "x/b.jpg", tmp_path / "x/y/c.jpg")
    walk = Walk(tmp_path)
    assert names(walk) == ["a.jpg"]
    assert walk.counts.passed_folders == {f"holds {marker}": 1}
    assert names(Walk(tmp_path, include=["x"])) == ["a.jpg", "x/b.jpg", "x/y/c.jpg"]
    assert names(Walk(tmp_path / "x")) == ["b.jpg", "y/c.jpg"]
    assert names(Walk(tmp_path / "x/y")) == ["c.jpg"]


def test_marker_is_found_in_a_folder_too_large_to_list_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsearch.media.walking.walk._SORTED_AT_A_TIME", 2)
    touch(*(tmp_path / "x" / name for name in ("a.jpg", "b.jpg", "c.jpg", ".nomedia")), tmp_path / "y/d.jpg")
    (tmp_path / "y" / IGNORE_FILE).write_text("e.jpg")
    touch(*(tmp_path / "y" / name for name in ("e.jpg", "f.jpg", "g.jpg")))
    assert names(Walk(tmp_path)) == ["y/d.jpg", "y/f.jpg", "y/g.jpg"]


def test_hidden_files_are_left_out_like_hidden_folders(tmp_path: Path) -> None:
    touch(tmp_path / ".IMG.jpg", tmp_path / "x/.b.png", tmp_path / "a.jpg", tmp_path / ".jpg")
    walk = Walk(tmp_path)
    assert names(walk) == ["a.jpg"]
    assert walk.counts.passed_files == {("hidden", ".jpg"): 1, ("hidden", ".png"): 1, ("hidden", ""): 1}
    assert names(Walk(tmp_path, include=[".IMG.jpg"])) == [".IMG.jpg", "a.jpg"]
    assert names(Walk(tmp_path, include=[str(tmp_path / "x/.b.png")])) == ["a.jpg", "x/.b.png"]
    assert names(Walk(tmp_path, include=["*.jpg"])) == ["a.jpg"]  # as in a shell: the dot wants to be written
    assert names(Walk(tmp_path, include=[".*"])) == [".IMG.jpg", ".jpg", "a.jpg", "x/.b.png"]
    (tmp_path / IGNORE_FILE).write_text("!.IMG.jpg")
    assert names(Walk(tmp_path)) == [".IMG.jpg", "a.jpg"]


def test_links_obey_the_rules_and_a_link_to_a_folder_is_a_folder(tmp_path: Path) -> None:
    touch(tmp_path / "disk/1.jpg", tmp_path / "root/a.jpg")
    (tmp_path / "root/raw").symlink_to(tmp_path / "disk")
    (tmp_path / "root/one.jpg").symlink_to(tmp_path / "disk/1.jpg")
    assert names(walked(tmp_path / "root", ("raw/",))) == ["a.jpg", "one.jpg"]
    assert names(walked(tmp_path / "root", ("1.jpg", "one.jpg"))) == ["a.jpg"]  # the name in the library counts
    (tmp_path / "disk" / IGNORE_FILE).write_text("*.jpg")
    assert names(Walk(tmp_path / "root")) == ["a.jpg", "one.jpg"]


def test_folder_whose_list_cannot_be_read_is_unknown_not_open(tmp_path: Path) -> None:
    touch(tmp_path / "x/a.jpg", tmp_path / "b.jpg")
    (tmp_path / "x" / IGNORE_FILE).write_bytes(b"a\n" * (1 << 20))
    walk = Walk(tmp_path)
    assert names(walk) == ["b.jpg"]
    assert [(each.relative_path, each.folder) for each in walk.problems] == [("x", True)]
    assert walk.unread("x/a.jpg")


def test_picture_under_another_name_is_taken_and_the_rest_is_counted(tmp_path: Path) -> None:
    touch(tmp_path / "a.svg", tmp_path / "b.txt", tmp_path / "c.mp4")
    (tmp_path / "d.svg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 60)
    os.mkfifo(tmp_path / "e.jpg")
    (tmp_path / "f.jpg").symlink_to(tmp_path / "gone.jpg")
    walk = Walk(tmp_path)
    assert names(walk) == ["d.svg"]
    assert walk.counts.passed_files == {
        ("not a picture", ".svg"): 1,
        ("not a picture", ".txt"): 1,
        ("not a picture", ".mp4"): 1,
        ("a pipe, a socket or a device", ".jpg"): 1,
        ("a link that leads nowhere", ".jpg"): 1,
    }


@pytest.mark.parametrize("text", ["", "!", "/", " ", "a\nb", "a\0"])
def test_pattern_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--exclude"):
        Patterns("/", (text,)).check()
