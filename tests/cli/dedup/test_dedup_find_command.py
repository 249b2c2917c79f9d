"""imgsearch dedup find: what is looked at, what it says, and what it leaves out."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from written_twice import write_twice

from imgsearch.cli.main import main


def told(*words: str | Path, capsys) -> dict[str, object]:
    capsys.readouterr()
    assert main(["dedup", "find", *map(str, words), "--json", "--quiet"]) == 0
    return dict(json.loads(capsys.readouterr().out))


@pytest.fixture
def library(tmp_path: Path, drawn: list[Path], home: Path) -> Path:
    """A library without a model: a folder with a copy in it, and one with a copy of the other's."""
    photos = tmp_path / "photos"
    write_twice(photos / "one", drawn[0])
    (photos / "two").mkdir()
    shutil.copy(drawn[0], photos / "two" / "c.png")
    shutil.copy(drawn[1], photos / "two" / "d.png")
    place = tmp_path / "library"
    assert main(["index", str(photos), "--library", str(place), "--model", "none", "--quiet"]) == 0
    return place


def test_find_in_folders_of_a_library_looks_at_these_alone(library: Path, tmp_path: Path, capsys) -> None:
    one, two, place = tmp_path / "photos" / "one", tmp_path / "photos" / "two", str(library)
    (tmp_path / "link").symlink_to(one)
    for named in (one, tmp_path / "link", f"{one}/"):
        found = told(named, "--library", place, capsys=capsys)
        assert (found["pictures"], found["to_move"], found["folders"]) == (1, 1, [str(one)])
        moved = json.loads(Path(str(found["plan"])).read_text(encoding="utf-8"))["groups"][0]["members"]
        assert [one["file"]["path"] for one in moved] == [str(one / "b.png")]
    found = told(two, "--library", place, capsys=capsys)
    assert (found["pictures"], found["to_move"]) == (2, 0)
    assert told(one, two, "--library", place, capsys=capsys)["to_move"] == 2
    assert told("--library", place, capsys=capsys)["to_move"] == 2
    assert main(["dedup", "apply", str(one), "--yes"]) == 2  # the last plan is for the whole library
    assert told(one, "--library", place, capsys=capsys)["to_move"] == 1
    assert main(["dedup", "apply", str(one), "--library", place, "--yes"]) == 0
    assert [path.name for path in sorted(one.iterdir())] == ["a.png"] and len(list(two.iterdir())) == 2


def test_find_in_a_folder_that_a_library_lacks_says_what_reads_it(library: Path, tmp_path: Path, capsys) -> None:
    empty = tmp_path / "it's empty"
    empty.mkdir()
    assert main(["dedup", "find", str(empty), "--library", str(library)]) == 2
    error = capsys.readouterr().err
    assert "holds no picture below" in error and f"imgsearch index '{tmp_path}/it'\"'\"'s empty' --library" in error
    assert main(["dedup", "find", str(tmp_path / "none"), "--library", str(library)]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_find_does_not_count_links(twice: Path, tmp_path: Path, drawn: list[Path], capsys) -> None:
    """Neither links to files nor what lies behind links to folders, in the folder and out of it."""
    outside = write_twice(tmp_path / "outside", drawn[0])
    (twice / "b.png").unlink()
    (twice / "file link.png").symlink_to(twice / "a.png")
    (twice / "file link out.png").symlink_to(outside / "a.png")
    (twice / "folder link").symlink_to(outside)
    (twice / "broken link.png").symlink_to(tmp_path / "gone.png")
    (twice / "loop").symlink_to(twice)
    found = told(twice, capsys=capsys)
    assert (found["groups"], found["to_move"], found["shown_by_tier"]) == (0, 0, {})
    shutil.copy(drawn[0], twice / "b.png")
    linked = tmp_path / "linked"
    linked.symlink_to(twice)  # the folder that is named may be a link
    assert told(linked, capsys=capsys)["to_move"] == 1
    assert main(["dedup", "apply", str(twice), "--yes"]) == 0
    assert len(list(outside.iterdir())) == 2 and sum(not path.is_symlink() for path in twice.iterdir()) == 1


def test_find_counts_no_other_name_of_a_kept_file(twice: Path, capsys) -> None:
    (twice / "b.png").unlink()
    os.link(twice / "a.png", twice / "b.png")
    assert told(twice, capsys=capsys)["to_move"] == 0


def test_find_says_what_it_looked_for(twice: Path, library: Path, capsys) -> None:
    assert main(["dedup", "find", str(twice), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "looked for: the same file, the same pixels, the same picture saved again\n" in out
    assert "near copies were not looked for: add --tiers bytes,pixels,perceptual,near\n" in out
    assert "1 file to move: 1 the same file; " in out
    assert main(["dedup", "find", str(twice), "--quiet", "--tiers", "bytes,pixels"]) == 0
    out = capsys.readouterr().out
    assert "looked for: the same file, the same pixels\n" in out and "near" not in out
    assert main(["dedup", "find", "--library", str(library), "--quiet"]) == 0
    assert "near copies were not looked for: the library has no model" in capsys.readouterr().out
