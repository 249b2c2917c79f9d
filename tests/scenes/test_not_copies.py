"""Families of files that are no copies: what is written is what the truth says, and the judge reads a plan rightly."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.scenes.not_copies import FAMILIES, NotCopy, write_not_copies
from imgsearch.scenes.not_copies.judge import judge

SMALL = ("animated-gif", "icon-sets", "flags", "label-masks-16-bit", "companions", "dice", "patterns", "plain", "ramps")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("not-copies") / "new"
    return folder, write_not_copies(folder, 3, sets=3, families=SMALL)


def test_files_of_two_sources_never_have_the_same_bytes(written):
    folder, rows = written
    source_of = {}
    for row in rows:
        if row.stack and Path(row.path).suffix != ".jpg":
            continue  # sidecars of a duplicated stack are alike
        digest = hashlib.sha256((folder / row.path).read_bytes()).hexdigest()
        assert source_of.setdefault(digest, row.source) == row.source


def test_originals_show_other_samples_than_each_other(written):
    folder, rows = written
    seen = {}
    for row in rows:
        if row.path == row.source and row.family not in ("animated-gif", "companions"):
            with Image.open(folder / row.path) as image:
                samples = np.asarray(image.convert("RGB") if image.mode == "P" else image)
            assert seen.setdefault((samples.shape, samples.tobytes()), row.path) == row.path


def test_copies_in_another_container_hold_the_same_samples(written):
    folder, rows = written
    converted = [row for row in rows if "/converted/" in row.path]
    assert len(converted) > 20
    for row in converted:
        with Image.open(folder / row.path) as copy, Image.open(folder / row.source) as source:
            assert copy.mode == source.mode
            assert np.array_equal(np.asarray(copy), np.asarray(source))


def test_of_every_source_something_whole_may_stay(written):
    _, rows = written
    for row in rows:
        if row.path == row.source and row.whole:
            assert not row.may_move or any(one.whole and one.source == row.path and one != row for one in rows)


def test_same_arguments_write_the_same_files(tmp_path):
    chosen = ("dice", "edited", "raw-and-jpeg", "noise")
    for name in ("a", "b"):
        write_not_copies(tmp_path / name, 5, sets=1, families=chosen)
    for path in sorted((tmp_path / "a").rglob("*")):
        twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.is_dir() or path.read_bytes() == twin.read_bytes()
        assert path.is_dir() or path.stat().st_mtime_ns == twin.stat().st_mtime_ns


def test_unknown_families_and_full_folders_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no family 'cats'"):
        write_not_copies(tmp_path / "new", 1, families=["cats"])
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(UsageError, match="not an empty folder"):
        write_not_copies(tmp_path, 1)


def test_there_are_two_dozen_families():
    assert len(FAMILIES) >= 24


def plan_of(*moves: tuple[str, str], along: dict[str, list[str]] | None = None) -> dict:
    """A plan's JSON in which each (keeper, file) is a group of its own."""
    groups: dict[str, list] = defaultdict(list)
    for keeper, path in moves:
        companions = [{"path": f"/f/{name}"} for name in (along or {}).get(path, [])]
        member = {"tier": "perceptual", "score": 0.9, "move": True, "evidence": {}, "file": {"path": f"/f/{path}"}}
        groups[keeper].append(member | {"companions": companions})
    return {"groups": [{"reason": "", "keeper": {"path": f"/f/{k}"}, "members": m} for k, m in groups.items()]}


ROWS = [
    NotCopy("a", "a", "x", 0, may_move=False, whole=True),
    NotCopy("b", "b", "x", 0, may_move=True, whole=True),
    NotCopy("b2", "b", "x", 0, may_move=True, whole=True),
    NotCopy("a-small", "a", "x", 0, may_move=True, whole=False),
    NotCopy("s", "s", "x", 0, may_move=True, whole=True, stack="1"),
    NotCopy("s.xmp", "s.xmp", "x", 0, may_move=True, whole=False, stack="1"),
    NotCopy("s2", "s", "x", 0, may_move=True, whole=True),
]


@pytest.mark.parametrize(
    ("moves", "along", "expected"),
    [
        ([("a", "a-small"), ("b", "b2")], {}, []),
        ([("b", "a-small")], {}, ["not a copy"]),
        ([("a-small", "a")], {}, ["the source"]),
        ([("b2", "b"), ("b", "b2")], {}, ["all are moved", "all are moved"]),
        ([("s2", "s")], {}, ["torn apart"]),
        ([("s2", "s")], {"s": ["s.xmp"]}, []),
        ([("b", "b2")], {"b2": ["s.xmp"]}, ["not a copy", "torn apart"]),
    ],
)
def test_judge_names_what_a_plan_moves_wrongly(moves, along, expected):
    tally = judge(ROWS, Path("/f"), plan_of(*moves, along=along))["x"]
    assert sorted(offence.what for offence in tally.offences) == expected


def test_judge_counts_copies_found_and_moved():
    tally = judge(ROWS, Path("/f"), plan_of(("a", "a-small"), ("a", "b2")))["x"]
    assert (tally.files, tally.copies, tally.found, tally.moved, tally.near) == (7, 3, 1, 2, 1)
