from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgsearch.errors import UsageError
from imgsearch.records import Root
from indexer.scanning.scan_scope import check_paths, choose_targets, new_root_paths


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("a/b/c", "a/bc", "d", "lib"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def chosen(tree: Path, paths: list[str], roots: list[str]) -> list[tuple[str, str]]:
    """(root, scope) of each target."""
    known = [Root(number, tree / path) for number, path in enumerate(roots, 1)]
    targets = choose_targets([str(tree / path) for path in paths], known, tree / "lib")
    return [(os.path.relpath(target.root.path, tree), target.scope) for target in targets]


def test_path_inside_a_root_is_a_part_of_it(tree: Path) -> None:
    assert chosen(tree, ["a/b"], ["a", "d"]) == [("a", "b")]
    assert chosen(tree, ["a/b", "a/b/c", "a/b/../b"], ["a"]) == [("a", "b")]
    assert chosen(tree, ["a/b", "a/bc", "a"], ["a"]) == [("a", "")]
    assert chosen(tree, ["a/b", "a/bc"], ["a"]) == [("a", "b"), ("a", "bc")]


def test_path_that_contains_roots_brings_them_along(tree: Path) -> None:
    assert chosen(tree, ["a"], ["a/b", "a", "d"]) == [("a/b", ""), ("a", "")]
    assert chosen(tree, ["a/b/c"], ["a", "a/b"]) == [("a/b", "c")]


def test_target_skips_the_library_and_inner_roots(tree: Path) -> None:
    known = [Root(1, tree / "a"), Root(2, tree / "a" / "b")]
    (target,) = (t for t in choose_targets([str(tree / "a")], known, tree / "lib") if t.root.root_id == 1)
    assert set(target.skip) == {str(tree / "lib"), str(tree / "a" / "b")}


def test_new_roots_are_the_outermost_paths_that_no_root_holds(tree: Path) -> None:
    def fresh(paths: list[str], roots: list[str]) -> list[str]:
        known = [Root(number, tree / path) for number, path in enumerate(roots, 1)]
        return [os.path.relpath(path, tree) for path in new_root_paths([str(tree / p) for p in paths], known)]

    assert fresh(["a", "a/b", "a", "d"], []) == ["a", "d"]
    assert fresh(["a/b", "a/bc"], ["a"]) == []
    assert fresh(["a"], ["a/b"]) == ["a"]
    (tree / "link").symlink_to(tree / "a")
    assert fresh(["link", "a"], []) == ["link"]
    assert fresh(["link/b"], ["a"]) == []


def test_check_refuses_what_is_not_there_unless_a_root_holds_it(tree: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        check_paths([str(tree / "gone")], tree / "lib", [])
    check_paths([str(tree / "gone" / "x")], tree / "lib", [Root(1, tree / "gone")])
    with pytest.raises(UsageError, match="library's own"):
        check_paths([str(tree / "lib")], tree / "lib", [])


def test_check_refuses_a_file_that_is_no_picture(tree: Path) -> None:
    texts = {
        "notes.txt": b"dear diary",
        "clip.mp4": b"\0\0\0\x18ftypmp42" + bytes(8),
        "plain": b"",
        "run.sh": b"#!/bin/sh\n",
    }
    for name, head in texts.items():
        (tree / name).write_bytes(head)
        with pytest.raises(UsageError, match=f"{name} is an? .*, expected a folder or a picture"):
            check_paths([str(tree / "a"), str(tree / name)], tree / "lib", [])
    for name in ("cut.jpg", "page.exr", "download.part", "noext"):  # damaged, not supported, and pictures
        (tree / name).write_bytes(b"\xff\xd8\xff\xe0" if name[0] in "dn" else b"dear diary")
        check_paths([str(tree / name)], tree / "lib", [])
