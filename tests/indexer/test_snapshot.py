"""`imgsearch build` and the end of `index`, over libraries of made-up vectors."""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.cli import main
from imgsearch.errors import LibraryUnsupported, StorageFull
from imgsearch.index import ExactIndex, SnapshotIndex, first_stage, open_index
from imgsearch.progress import Silence
from imgsearch.records import MediaFacts, ModelId
from imgsearch.storage import (
    EmbeddedBatch,
    FilePlace,
    Store,
    compact,
    create_store,
    latest_snapshot,
    open_store,
    writing,
)
from indexer import snapshot
from indexer.snapshot import build_snapshot, outlook_of, refresh_snapshot

T, D = 4, 16


class Shelf:
    """A library with ``count`` images of random vectors; number 7 lies in "7.jpg"."""

    def __init__(self, folder: Path, dtype: str) -> None:
        self.folder, self.photos = folder / "library", folder / "photos"
        self.photos.mkdir()
        self.store: Store = create_store(self.folder, ModelId("m", "ab" * 32, "v1-32", "float32", T, D), dtype=dtype)
        self.count = 0
        self._rng = np.random.default_rng(3)

    def copied(self, folder: Path) -> Shelf:
        """The same library below another folder. The pictures' own folder holds nothing and stays."""
        made = copy.copy(self)
        made.folder, made._rng = folder / "library", copy.deepcopy(self._rng)
        shutil.copytree(self.folder, made.folder)
        made.store = open_store(made.folder)
        return made

    def add(self, count: int) -> None:
        vectors = self._rng.standard_normal((count, T, D)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        numbers = range(self.count, self.count + count)
        facts = [MediaFacts(f"{number:064x}", number, 10, 10, "PNG", 1) for number in numbers]
        with writing(self.store) as writer:
            root = writer.add_root(self.photos).root_id
            places = [[FilePlace(root, f"{number}.jpg", 1, 1)] for number in numbers]
            with writer.transaction() as tx:
                tx.add(EmbeddedBatch(facts, vectors, places))
                tx.commit()
        self.count += count

    def remove(self, numbers: list[int]) -> None:
        with writing(self.store) as writer:
            root = writer.add_root(self.photos).root_id
            with writer.transaction() as tx:
                tx.remove_files(root, [f"{number}.jpg" for number in numbers])
                tx.commit()

    def restore(self, numbers: list[int]) -> None:
        with writing(self.store) as writer:
            root = writer.add_root(self.photos).root_id
            with writer.transaction() as tx:
                tx.place_files([(FilePlace(root, f"{number}.jpg", 1, 1), f"{number:064x}") for number in numbers])
                tx.commit()

    def texts(self, count: int = 20) -> np.ndarray:
        texts = np.random.default_rng(4).standard_normal((count, D)).astype(np.float32)
        return texts / np.linalg.norm(texts, axis=1, keepdims=True)

    def answers(self, k: int = 10) -> tuple[np.ndarray, str | None, type]:
        """Image ids of the best, as a search would find them; its note; the kind of index."""
        with open_store(self.folder) as store:
            view = store.view()
            index, note = open_index(view, latest_snapshot(store))
            found = index.search(self.texts(), k, view.live_mask())
            return view.image_ids_of(found.slots.ravel()).reshape(found.slots.shape), note, type(index)

    def truth(self, k: int = 10) -> np.ndarray:
        view = self.store.view()
        found = ExactIndex(view, view.tie_keys()).search(self.texts(), k, view.live_mask())
        return view.image_ids_of(found.slots.ravel()).reshape(found.slots.shape)


@pytest.fixture(scope="module", params=["float16", "int8"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    made = Shelf(tmp_path_factory.mktemp("filled"), request.param)
    made.add(600)
    made.store.close()
    return made


@pytest.fixture
def shelf(filled: Shelf, tmp_path: Path) -> Iterator[Shelf]:
    made = filled.copied(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches by snapshot even here: 100 candidates, and no filter narrow enough to be answered by brute force."""
    from imgsearch.index import opening

    def index(*arguments: Any) -> SnapshotIndex:
        return SnapshotIndex(*arguments, candidates=100, exact_more=0)

    monkeypatch.setattr(opening, "_with_snapshot", index)


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]))


def test_build_makes_a_snapshot_that_finds_what_brute_force_finds(shelf: Shelf, small_pool: None) -> None:
    assert shelf.answers()[1:] == (None, ExactIndex)
    info = build_snapshot(shelf.store, Silence())
    assert (info.first_slot, info.stop_slot, info.images) == (0, 600, 600)
    found, note, kind = shelf.answers()
    assert (note, kind) == (None, SnapshotIndex)
    assert recall(found, shelf.truth()) >= 0.95
    shelf.add(80)  # the tail
    assert recall(shelf.answers()[0], shelf.truth()) >= 0.95
    assert outlook_of(shelf.store.view(), info).newer == 80


def test_deleted_and_compacted_pictures_leave_and_moved_ones_stay(shelf: Shelf, small_pool: None) -> None:
    build_snapshot(shelf.store, Silence())
    gone = list(range(0, 600, 3))
    shelf.remove(gone)
    found, note, kind = shelf.answers()
    assert (note, kind) == (None, SnapshotIndex)
    dead = {number + 1 for number in gone}
    assert not dead & set(found.ravel().tolist())
    assert recall(found, shelf.truth()) >= 0.95
    compact(shelf.store)  # every slot of the snapshot is gone, every living picture in the tail
    found, note, kind = shelf.answers()
    assert (note, kind) == (None, SnapshotIndex)
    assert found.tolist() == shelf.truth().tolist()


def test_pictures_that_come_back_after_a_build_are_found(shelf: Shelf, small_pool: None) -> None:
    gone = list(range(0, 600, 3))
    shelf.remove(gone)
    build_snapshot(shelf.store, Silence())
    shelf.restore(gone)
    found, note, kind = shelf.answers()
    assert (note, kind) == (None, SnapshotIndex)
    assert recall(found, shelf.truth()) >= 0.95


@pytest.mark.parametrize("harm", ["missing", "cut", "steering byte", "not faiss"])
def test_search_goes_on_and_says_how_to_mend_a_harmed_snapshot(
    shelf: Shelf, small_pool: None, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = build_snapshot(shelf.store, Silence())
    whole = bytearray(info.path.read_bytes())
    if harm == "missing":
        info.path.unlink()
    elif harm == "cut":
        info.path.write_bytes(whole[:-100])
    elif harm == "steering byte":
        whole[100] ^= 1
        info.path.write_bytes(whole)
    else:
        monkeypatch.setattr(first_stage, "FaissFirstStage", lambda path, stop: _refuse())
    found, note, kind = shelf.answers()
    assert kind is ExactIndex and note is not None and "imgsearch build" in note
    assert found.tolist() == shelf.truth().tolist()
    monkeypatch.undo()
    build_snapshot(shelf.store, Silence())
    assert shelf.answers()[1] is None


def _refuse() -> Any:
    raise RuntimeError("Error: 'false' failed: index type 0x0 not recognized")


def test_flipped_bits_in_codes_and_ids_make_no_wrong_score_and_no_crash(shelf: Shelf, small_pool: None) -> None:
    info = build_snapshot(shelf.store, Silence())
    whole = np.frombuffer(info.path.read_bytes(), np.uint8).copy()
    first, stop = len(whole) - 600 * T * (4 + 8), len(whole) - 2000
    where = np.random.default_rng(1).integers(max(0, first), stop, 3000)
    whole[where] ^= 0xFF
    from imgsearch.storage.snapshots import read_seal

    guarded = read_seal(info).guarded_bytes
    original = np.frombuffer(info.path.read_bytes(), np.uint8)
    whole[:guarded] = original[:guarded]
    body = read_seal(info).body_bytes
    whole[body:] = original[body:]
    info.path.write_bytes(whole.tobytes())
    view = shelf.store.view()
    index, note = open_index(view, info)
    found = index.search(shelf.texts(), 10, view.live_mask())
    assert note is None
    for slots, scores, text in zip(found.slots, found.scores, shelf.texts(), strict=True):
        np.testing.assert_allclose(scores, (view.read(slots) @ text).max(axis=1), atol=1e-6)


def test_without_faiss_search_is_exact_and_build_names_the_extra(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build_snapshot(shelf.store, Silence())
    find_spec = importlib.util.find_spec
    hide: Callable[..., Any] = lambda name, *rest: None if name == "faiss" else find_spec(name, *rest)  # noqa: E731
    monkeypatch.setattr("imgsearch.index.opening.find_spec", hide)
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    found, note, kind = shelf.answers()
    assert kind is ExactIndex and note is not None and "imgsearch[cpu]" in note
    assert found.tolist() == shelf.truth().tolist()
    with pytest.raises(LibraryUnsupported):
        build_snapshot(shelf.store, Silence())
    assert main(["build", "--library", str(shelf.folder)]) == 4
    assert "pip install 'imgsearch[cpu]'" in capsys.readouterr().err


def test_ctrl_c_and_a_full_disk_leave_the_old_snapshot(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    old = build_snapshot(shelf.store, Silence())
    shelf.add(10)
    with pytest.raises(snapshot.BuildStopped):
        build_snapshot(shelf.store, Silence(), lambda: True)

    def full(self: Any, content: bytes) -> int:
        raise StorageFull("no space is left", "")

    monkeypatch.setattr("imgsearch.storage.snapshots.SnapshotDraft.write", full)
    with pytest.raises(StorageFull):
        build_snapshot(shelf.store, Silence())
    assert latest_snapshot(shelf.store) == old
    assert [path.name for path in shelf.store.layout.snapshots.iterdir()] == [old.path.name]


def test_index_builds_when_enough_is_new_and_says_so(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refresh() -> str | None:
        return refresh_snapshot(shelf.store, Silence(), lambda: False)

    assert refresh() is None and latest_snapshot(shelf.store) is None  # small libraries need none
    monkeypatch.setattr(snapshot, "PAYS_FROM", 500)
    monkeypatch.setattr(snapshot, "TAIL_IMAGES", 50)
    assert refresh() == "The search index holds 600 pictures"
    shelf.add(40)
    assert refresh() is None
    shelf.add(20)
    assert refresh() == "The search index holds 660 pictures"
    shelf.add(60)
    assert "not finished" in str(refresh_snapshot(shelf.store, Silence(), lambda: True))


def test_build_verb_says_what_it_did_and_why_not(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    def build(*flags: str) -> Any:
        assert main(["build", "--library", str(shelf.folder), "--json", "--quiet", *flags]) == 0
        return json.loads(capsys.readouterr().out)

    assert build()["built"] is False
    made = build("--force")
    assert made["built"] is True and made["pictures"] == 600
    assert (shelf.folder / "snapshots" / made["file"]).stat().st_size == made["bytes"]
    assert build()["reason"] == "the search index holds every picture"
    assert main(["build", "--library", str(shelf.folder)]) == 0
    assert "nothing built" in capsys.readouterr().out


def test_build_of_an_empty_library_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Shelf(tmp_path, "float16").store.close()
    assert main(["build", "--library", str(tmp_path / "library"), "--force"]) == 0
    assert "holds no picture" in capsys.readouterr().out
