"""Libraries beside which nothing can be written: every committed row is seen, nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgsearch.errors import StorageFull
from imgsearch.storage import open_store, writing
from imgsearch.storage.aside import Aside, scratch_of


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of these tests, which has to be empty at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("imgsearch.storage.aside._candidates", lambda: [folder])
    return folder


@contextlib.contextmanager
def read_only(folder: Path, at: Path) -> Iterator[Path]:
    """``folder`` mounted at ``at`` so that nobody can write, root neither."""
    at.mkdir(exist_ok=True)
    mounted = os.getuid() == 0 and subprocess.run(["mount", "--bind", folder, at], capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("a read-only mount needs root and the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", at], check=True)
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def snapshot_of(library: Any, *, index_file: bool) -> Path:
    """A copy of the library's folder while rows are in the log only, as a snapshot of the disk takes it."""
    copy = library.folder / "snapshot"
    shutil.rmtree(copy, ignore_errors=True)
    with contextlib.closing(sqlite3.connect(library.store.catalog.path)) as held:  # keeps the log from being folded in
        held.execute("SELECT 1 FROM library").fetchone()
        library.add(["scene00.png", "scene01.png"])
        shutil.copytree(library.folder / "library", copy)
    assert (copy / "catalog.db-wal").stat().st_size
    if not index_file:
        (copy / "catalog.db-shm").unlink()
    return copy


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("index_file", [True, False])
def test_snapshot_on_a_read_only_disk_shows_rows_that_are_in_the_log(
    library: Any, tmp_path: Path, temporary: Path, index_file: bool
) -> None:
    copy = snapshot_of(library, index_file=index_file)
    with read_only(copy, tmp_path / "ro") as place:
        before = listing(place)
        with open_store(place) as store:
            assert store.view().count == store.stats().images == 2
            assert len(store.paths([1, 2])) == 2
            with pytest.raises(StorageFull, match="read-only"), writing(store):
                pass
        assert listing(place) == before
    assert list(temporary.iterdir()) == []


def test_closed_library_on_a_read_only_disk_is_read_in_place(library: Any, tmp_path: Path, temporary: Path) -> None:
    library.add(["scene00.png"])
    library.store.close()
    with read_only(library.folder / "library", tmp_path / "ro") as place, open_store(place) as store:
        assert store.view().count == 1
        assert list(temporary.iterdir()) == []
        library.add(["scene01.png"])  # somebody else, where it can be written
        assert store.view().count == store.stats().images == 2
        library.store.close()
        assert store.view().count == 2


def test_read_only_evidence_can_be_asked_and_takes_no_decision(library: Any, tmp_path: Path, temporary: Path) -> None:
    library.add(["scene00.png"])
    with library.store.evidence() as evidence:
        evidence.remember_distinct([("00" * 32, "11" * 32)])
    library.store.close()
    with read_only(library.folder / "library", tmp_path / "ro") as place, open_store(place) as store:
        evidence = store.evidence()
        assert len(list(evidence.distinct())) == 1
        with pytest.raises(StorageFull, match="remembered"):
            evidence.remember_distinct([("22" * 32, "33" * 32)])


def test_old_library_on_a_read_only_disk_is_migrated_in_a_copy(
    library: Any, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add(["scene00.png"])
    library.store.close()
    migrated: list[Path] = []
    monkeypatch.setattr("imgsearch.storage.opening.HEAD", "later")
    monkeypatch.setattr(
        "imgsearch.storage.catalog.database.Catalog.migrate", lambda self, connection: migrated.append(self.path)
    )
    with read_only(library.folder / "library", tmp_path / "ro") as place, open_store(place) as store:
        assert store.stats().images == 1
        assert [path.parent.parent for path in migrated] == [temporary]
    assert list(temporary.iterdir()) == []


def test_log_is_never_left_out_and_the_copy_goes(library: Any, temporary: Path) -> None:
    path = snapshot_of(library, index_file=False) / "catalog.db"
    aside = Aside(path)
    with contextlib.closing(sqlite3.connect(aside.uri, uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (2,)
    assert "immutable" not in aside.uri
    aside.close()
    assert list(temporary.iterdir()) == []


def test_full_temporary_folder_is_said_with_what_it_would_take(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = snapshot_of(library, index_file=False) / "catalog.db"
    monkeypatch.setattr("imgsearch.storage.aside._places", lambda needed: iter(()))
    with pytest.raises(StorageFull, match=r"takes [\d.]+ MB, and no temporary folder") as caught:
        Aside(path)
    assert "TMPDIR" in caught.value.hint


def test_copies_of_killed_processes_are_removed(library: Any, temporary: Path) -> None:
    path = snapshot_of(library, index_file=False) / "catalog.db"
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = Path(tempfile.mkdtemp(prefix=f"imgsearch-aside-{ended.pid}-", dir=temporary))
    Aside(path).close()
    assert not left.exists()


def test_scratch_is_one_copy_until_the_original_changes(tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "x.db"
    first = scratch_of(path)
    assert scratch_of(path) == first
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert scratch_of(path) != first
    assert scratch_of(path).is_file()


def test_lock_that_cannot_be_made_is_an_error_of_ours(library: Any) -> None:
    (library.folder / "library" / "lock").unlink(missing_ok=True)
    (library.folder / "library" / "lock").mkdir()
    with pytest.raises(StorageFull, match="lock"), writing(library.store):
        pass
    assert library.store.stats().images == 0
