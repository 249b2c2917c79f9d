"""Files that get other bytes: originals kept, every kill undone, nothing of other people's touched."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from kills import every_kill

from imgsearch.dedup.quarantine.purge import purge
from imgsearch.dedup.quarantine.rewrite import Rewrite, rewrite_files
from imgsearch.dedup.quarantine.undo import undo

OLD, NEW = b"old" * 3_000, b"new" * 3_001
TIME_NS = 10**18 + 7


def asked(path: Path, root: Path, old: bytes = OLD) -> Rewrite:
    return Rewrite(str(path), str(root), hashlib.sha256(old).hexdigest(), NEW)


class Folder:
    def __init__(self, place: Path) -> None:
        self.root, self.kept = place / "photos", place / "originals"
        self.fresh()

    def fresh(self) -> None:
        for folder in (self.root, self.kept):
            shutil.rmtree(folder, ignore_errors=True)
        self.root.mkdir()
        for name in ("a.jpg", "b.jpg"):
            path = self.root / name
            path.write_bytes(OLD)
            path.chmod(0o640)
            os.utime(path, ns=(TIME_NS, TIME_NS))

    def rewritten(self) -> list[str]:
        paths = [self.root / "a.jpg", self.root / "b.jpg"]
        done = rewrite_files(self.kept, [asked(path, self.root) for path in paths])
        return [left.reason for left in done.left]

    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.root.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_files_get_their_bytes_and_the_originals_come_back(folder: Folder) -> None:
    assert folder.rewritten() == [] and folder.content() == {"a.jpg": NEW, "b.jpg": NEW}
    status = (folder.root / "a.jpg").stat()
    assert (status.st_mtime_ns, status.st_mode & 0o777) == (TIME_NS, 0o640)
    done = undo(folder.kept)
    assert (done.returned, done.beside) == (2, []) and folder.content() == {"a.jpg": OLD, "b.jpg": OLD}
    assert undo(folder.kept).run_id == ""


def test_file_that_was_edited_since_stays_and_its_original_comes_beside(folder: Folder) -> None:
    folder.rewritten()
    (folder.root / "a.jpg").write_bytes(b"edited")
    (folder.root / "b.jpg").unlink()
    assert undo(folder.kept).returned == 2
    assert folder.content() == {"a.jpg": b"edited", "a (restored).jpg": OLD, "b.jpg": OLD}


def test_rewrite_killed_anywhere_is_undone_or_ended(folder: Folder) -> None:
    count = 0
    for count in every_kill(folder.rewritten, folder.fresh):
        shown = [content for name, content in folder.content().items() if name.endswith("jpg")]
        stored = [path.read_bytes() for path in folder.kept.glob("runs/*/files/*/*")]
        assert [*shown, *stored].count(OLD) + [path.read_bytes() for path in folder.root.glob(".*.out")].count(OLD) >= 2
        if count % 3 == 0:
            reasons = folder.rewritten()  # what was done before has changed
            assert all("changed" in reason for reason in reasons)
            assert folder.content() == {"a.jpg": NEW, "b.jpg": NEW}
        while undo(folder.kept).run_id:
            pass
        assert folder.content() == {"a.jpg": OLD, "b.jpg": OLD}, count
    assert count > 15


def test_undo_killed_anywhere_goes_on(folder: Folder) -> None:
    def fresh() -> None:
        folder.fresh()
        folder.rewritten()

    for count in every_kill(lambda: undo(folder.kept), fresh):
        while undo(folder.kept).run_id:
            pass
        assert folder.content() == {"a.jpg": OLD, "b.jpg": OLD}, count


def test_what_is_not_a_plain_file_of_ones_own_is_left(folder: Folder, tmp_path: Path) -> None:
    path = folder.root / "a.jpg"
    (folder.root / "link.jpg").symlink_to(path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "d.jpg").write_bytes(OLD)
    (folder.root / "way").symlink_to(outside)
    os.link(folder.root / "b.jpg", folder.root / "twin.jpg")
    (folder.root / "locked.jpg").write_bytes(OLD)
    (folder.root / "locked.jpg").chmod(0o444)
    (folder.root / "changed.jpg").write_bytes(b"else")
    names = ("link.jpg", "way/d.jpg", "b.jpg", "locked.jpg", "changed.jpg", "gone.jpg")
    before = {name: (folder.root / name).read_bytes() for name in names[:5]}
    done = rewrite_files(folder.kept, [asked(folder.root / name, folder.root) for name in names])
    words = ("symbolic link", "leads out", "2 names", "write-protected", "changed", "No such")
    assert all(word in left.reason for word, left in zip(words, done.left, strict=True)), done.left
    assert {name: (folder.root / name).read_bytes() for name in names[:5]} == before
    assert sorted(each.name for each in folder.root.iterdir() if each.name.startswith(".")) == []


def test_originals_are_purged_where_the_new_file_stands(folder: Folder) -> None:
    folder.rewritten()
    (folder.root / "b.jpg").write_bytes(b"edited")
    done = purge(folder.kept)
    assert done.purged == 1 and "has changed since" in done.left[0].reason
