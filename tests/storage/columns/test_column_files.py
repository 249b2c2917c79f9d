"""Files of columns: damaged, lost, killed while they are made, and made too late."""

from __future__ import annotations

import json
import os
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch import files
from imgsearch.errors import SegmentDamaged
from imgsearch.progress import Silence
from imgsearch.records import Clause, FileFacts, Filters, MediaFacts, ModelId
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, open_store, verify, writing
from imgsearch.storage.column_files import build_columns, columns_outlook
from imgsearch.storage.columns.changes import columns_row
from imgsearch.storage.columns.file import ArrayFile, write_arrays
from imgsearch.storage.reads.timeline import window
from indexer import columns as making

MODEL = ModelId("mini", "ab" * 32, "v1-112", "float32", 2, 4)
STEPS = [step for step in files.STEPS if step.startswith("columns")]
YEAR = Filters((Clause("year", (2015, 2016)), Clause("folder", "trip")))


def add(store: Store, numbers: range) -> None:
    with writing(store) as writer:
        root_id = writer.add_root(store.path.parent / "photos").root_id
        facts = [MediaFacts(f"{n:064x}", n, 640, 480, "JPEG", 9, f"20{10 + n % 9}-03-04") for n in numbers]
        places = [[FilePlace(root_id, f"{'trip' if n % 2 else 'work'}/{n}.jpg", 9, 1)] for n in numbers]
        with writer.transaction() as tx:
            tx.add(EmbeddedBatch(facts, np.zeros((len(facts), 2, 4), np.float32), places))
            tx.commit()


def rate(store: Store, image_id: int, year: str) -> None:
    with writing(store) as writer, writer.transaction() as tx:
        tx.facts.images[image_id] = FileFacts(year, "exif")
        tx.commit()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with create_store(tmp_path / "library", MODEL) as store:
        add(store, range(40))
        yield store


def used(store: Store) -> bool:
    return store.by_columns(lambda at_hand: True) is True


def answer(store: Store) -> tuple[list[int], list[int]]:
    return store.matching_images(YEAR).tolist(), window(store, 0, 99, "newest", YEAR).tolist()


def path_of(store: Store) -> Path:
    with store.catalog.look() as connection:
        row = columns_row(connection)
    assert row is not None
    return store.layout.snapshots / row.file_name


def test_without_columns_the_catalog_answers(store: Store) -> None:
    assert not used(store)
    expected = answer(store)
    assert build_columns(store) is not None and used(store)
    assert answer(store) == expected


def test_every_changed_byte_is_noticed_or_nothing_reads_it(store: Store) -> None:
    expected = answer(store)
    build_columns(store)
    path = path_of(store)
    whole = path.read_bytes()
    (length,) = struct.unpack_from("<I", whole, 12)
    arrays = json.loads(whole[20 : 20 + length])["arrays"].values()
    begins = [20 + length + array["place"] for array in arrays if 0 not in array["shape"]]
    for at in (0, 9, 13, 17, 40, 20 + length - 1, *begins):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with open_store(store.path) as again:
            assert answer(again) == expected, at
    path.write_bytes(whole[: 20 + length + 3] + b"\xff" + whole[20 + length + 4 :])  # of the first array
    assert [problem.kind for problem in verify(store)] == ["columns"]
    path.write_bytes(whole)
    assert verify(store) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path, whole: path.unlink(),
        lambda path, whole: path.write_bytes(b""),
        lambda path, whole: path.write_bytes(whole[:-1]),
        lambda path, whole: path.write_bytes(whole + b"x"),
        lambda path, whole: path.write_bytes(whole[:8] + struct.pack("<I", 2) + whole[12:]),
        lambda path, whole: (path.unlink(), path.mkdir()),
    ],
)
def test_a_file_that_cannot_be_used_is_made_again(
    store: Store, spoil: Callable[[Path, bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = answer(store)
    build_columns(store)
    spoil(path_of(store), path_of(store).read_bytes())
    with open_store(store.path) as again:
        assert not used(again)
        assert answer(again) == expected
        assert len(verify(again)) == 1
        monkeypatch.setattr(making, "PAYS_FROM", 1)
        add(again, range(40, 41))  # a folder in the file's place cannot be replaced by one of the same name
        assert making.refresh_columns(again, Silence())
        assert used(again) and not making.refresh_columns(again, Silence())
        assert answer(again) == expected


def test_columns_of_another_library_are_not_read(store: Store, tmp_path: Path) -> None:
    build_columns(store)
    with create_store(tmp_path / "other", MODEL) as other:
        add(other, range(7))
        build_columns(other)
        path_of(store).write_bytes(path_of(other).read_bytes())
    with open_store(store.path) as again:
        assert not used(again)


@pytest.mark.parametrize("step", [*STEPS, "catalog-begun"])
def test_a_kill_at_any_step_leaves_columns_that_are_right(store: Store, step: str) -> None:
    build_columns(store)
    rate(store, 3, "2015-01-01")
    child = os.fork()
    if child == 0:
        try:
            files._crash_at, files._remaining = step, 1 if step in STEPS else 2
            with open_store(store.path) as inside:
                build_columns(inside)
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    rate(store, 4, "2016-01-01")
    with open_store(store.path) as again:
        assert used(again) and {3, 4} & set(answer(again)[0]) == {4}  # 3 is at work
        assert build_columns(again) is not None
        assert [path.suffix for path in again.layout.snapshots.iterdir()] == [".columns"]
        assert 4 in answer(again)[0]


def test_changes_while_columns_are_made_are_not_lost(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgsearch.storage import column_files

    written = column_files._written

    def slow(*given: Any) -> Any:
        row = written(*given)
        rate(store, 2, "2015-06-06")
        add(store, range(40, 50))
        rate(store, 46, "2015-06-07")
        return row

    monkeypatch.setattr(column_files, "_written", slow)
    assert build_columns(store) is not None and used(store)
    assert columns_outlook(store, lambda images: 99).changed == 11
    assert {2, 46} <= set(answer(store)[0])


def test_of_two_builds_the_later_one_gives_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgsearch.storage import column_files

    written = column_files._written

    def overtaken(*given: Any) -> Any:
        row = written(*given)
        monkeypatch.setattr(column_files, "_written", written)
        assert build_columns(store) is not None
        rate(store, 2, "2015-06-06")
        return row

    monkeypatch.setattr(column_files, "_written", overtaken)
    assert build_columns(store) is None
    assert used(store) and 2 in answer(store)[0]
    assert len(list(store.layout.snapshots.iterdir())) == 1


def test_with_too_many_changes_the_catalog_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    build_columns(store)
    monkeypatch.setattr("imgsearch.storage.columns.current.MOST_CHANGES", 3)
    add(store, range(40, 44))
    assert not used(store)
    assert answer(store)[0] == [image_id for image_id in range(1, 45) if image_id % 9 in (6, 7) and image_id % 2 == 0]


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(5, dtype=np.uint16),
        "none": np.empty(0, "S1"),
        "text": np.array([b"x", b"yz"]),
        "b": np.eye(2),
    }
    with (tmp_path / "x").open("wb") as file:
        checksum = write_arrays(file, {"generation": 3}, arrays)
    found = ArrayFile(tmp_path / "x", checksum)
    assert found.about["generation"] == 3
    for name, array in arrays.items():
        assert found.get(name).dtype == array.dtype and np.array_equal(found.get(name), array)
    with pytest.raises(SegmentDamaged):
        found.get("c")
    with pytest.raises(SegmentDamaged):
        ArrayFile(tmp_path / "x", checksum + 1)
