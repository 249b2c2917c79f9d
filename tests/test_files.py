"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgsearch import files


def test_replacing_leaves_the_old_file_when_the_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), files.replacing(target) as file:
        file.write(b"half of the n")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_write_whole_replaces_the_file_with_the_mode_asked(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "secret"
    target.write_bytes(b"old")
    files.write_whole(target, b"new", mode=mode)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == mode
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_bytes_are_durable_before_the_name_and_the_name_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        order.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "bytes")
        fsync(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        order.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    files.write_whole(tmp_path / "a", b"1")
    with files.drafted(tmp_path / "b.npz") as draft:
        assert draft.suffix == ".npz"
        draft.write_bytes(b"2")
    assert order == ["bytes", "name", "folder"] * 2
    files.write_whole(tmp_path / "c", b"3", durable=False)
    assert order[6:] == ["name"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1", "b.npz": b"2", "c": b"3"}


def test_drafted_leaves_the_old_file_and_takes_up_what_a_killed_one_left(tmp_path: Path) -> None:
    target = tmp_path / "state.pt"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), files.drafted(target) as draft:
        draft.write_bytes(b"half")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    with files.drafted(target) as draft:
        draft.write_bytes(b"new")
    assert target.read_bytes() == b"new" and [path.name for path in tmp_path.iterdir()] == ["state.pt"]
