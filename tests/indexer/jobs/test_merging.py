"""Merging libraries: what comes along, what is refused, and kills."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from imgsearch.errors import ModelMismatch, UsageError
from imgsearch.progress import Silence
from imgsearch.storage import FeatureStore, QuantisedFeatures, open_store, verify, writing
from imgsearch.storage.upkeep import merging
from indexer.jobs.library.merge import merge_libraries


@pytest.fixture
def halves(published, tmp_path):
    """Copies of their libraries, as deep in the folders: a library names its pictures from where it lies."""
    return [Path(shutil.copytree(published / name, tmp_path / name)) / "library" for name in "ab"]


def test_libraries_of_one_model_merge(hostile, halves, tmp_path):
    merged = merge_libraries([halves[0].parent, halves[1]], tmp_path / "all", Silence())
    with open_store(tmp_path / "all") as store:
        assert verify(store) == []
        held = {os.path.basename(path) for paths in store.all_paths(range(1, 20)).values() for path in paths}  # noqa: PTH119
        failed = {Path(failure.path).name for failure in store.failures()}
        images = {record.facts for record in store.iter_images()}
    assert (merged.images, merged.files) == (9, 12)
    assert held | failed == {path.name for path in hostile.rglob("*") if path.is_file()} and len(failed) == 5
    expected = set()
    for half in halves:
        with open_store(half) as store:
            expected |= {record.facts for record in store.iter_images()}
    assert images == expected


def test_merging_keeps_what_people_and_models_said(halves, tmp_path):
    from imgsearch.records import FileFacts, Word
    from imgsearch.storage.catalog.facts import FileDate, SidecarFacts
    from imgsearch.storage.catalog.texts.captions import StoredCaption
    from imgsearch.storage.reads.captions import read_captions
    from imgsearch.storage.reads.fact_reads import read_words

    with open_store(halves[1]) as store, writing(store) as writer:
        record = next(iter(store.iter_images()))
        root_id, place = 1, next(iter(store.files(1))).relative_path
        caption = StoredCaption(record.image_id, "a shape", 0.5, True, "mini", "f" * 64, "float32", "", "{}")
        writer.write_captions([caption])
        with writer.transaction() as transaction:
            said = FileFacts(
                rating=4,
                rating_source="sidecar",
                words=(Word("tag", "beach", "sidecar"),),
                latitude=1.5,
                longitude=2.5,
                place_source="sidecar",
            )
            transaction.facts.sidecars.append(SidecarFacts(FileDate(root_id, place, "2001", "sidecar"), 77, said))
            transaction.commit()
        told = store.images([store.files_at(1, [place])[place].image_id]).popitem()[1]
    merge_libraries([halves[1], halves[0]], tmp_path / "all", Silence())
    with open_store(tmp_path / "all") as store:
        assert verify(store) == []
        found = {row.facts.content_hash: row for row in store.iter_images()}
        again = found[told.facts.content_hash]
        assert (again.facts, again.dated_at, again.dated_source) == (told.facts, told.dated_at, told.dated_source)
        assert [word.text for word in read_words(store, [again.image_id])[again.image_id]] == ["beach"]
        captioned = found[record.facts.content_hash].image_id
        assert read_captions(store, [captioned])[captioned].text == "a shape"


def test_libraries_of_other_models_do_not_merge(halves, library, tmp_path):
    library.add(library.names(2))
    with pytest.raises(ModelMismatch, match="cannot be compared"):
        merge_libraries([halves[0], library.store.path], tmp_path / "all", Silence())
    with pytest.raises(UsageError, match="twice"):
        merge_libraries([halves[0], halves[0]], tmp_path / "all", Silence())
    with pytest.raises(UsageError, match="is there already"):
        merge_libraries(halves, halves[0], Silence())
    assert not (tmp_path / "all").exists() and not list(tmp_path.glob(".all*"))


def test_vectors_survive_a_merge(tiny, library, tmp_path):
    library.add(library.names(5))
    merge_libraries([library.store.path], tmp_path / "all", Silence())
    with open_store(tmp_path / "all") as store:
        view, before = store.view(), library.store.view()
        assert np.array_equal(view.read(view.live_slots), before.read(before.live_slots))


def _keep_features(library: Path) -> dict[str, bytes]:
    """Give every image made-up features of its own. -> the files that were written, by name."""
    with open_store(library) as store:
        kept = FeatureStore(store.layout.features, store.model, None)
        for record in store.iter_images():
            draw = np.random.default_rng([len(library.parent.name.rstrip("a")), record.image_id])
            kept.put(record.facts.shown_key, QuantisedFeatures.of(draw.normal(size=(3, 8))))
    return _features(library)


def _features(library: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (library / "features").rglob("*.q8")}


def test_kept_features_come_along_byte_for_byte(halves, tmp_path):
    first, second = map(_keep_features, halves)
    (halves[1] / "features" / "keep-all").touch()
    shared = sorted(first.keys() & second.keys())
    alone = sorted(second.keys() - first.keys())
    assert len(shared) >= 2 and len(alone) >= 2
    _file(halves[0], shared[0]).unlink()  # the second's is taken
    _file(halves[1], alone[0]).write_bytes(second[alone[0]][:-1])
    content = bytes.fromhex(shared[1].removesuffix(".q8"))
    with sqlite3.connect(halves[1] / "catalog.db") as catalog:  # read by an older program: would not fit the vectors
        catalog.execute("UPDATE images SET decode_recipe = decode_recipe - 1 WHERE content_hash = ?", (content,))
    _file(halves[0], shared[1]).unlink()
    merged = merge_libraries(halves, tmp_path / "all", Silence())
    expected = {**second, **first, shared[0]: second[shared[0]]}
    del expected[alone[0]], expected[shared[1]]
    assert _features(tmp_path / "all") == expected and merged.features == len(expected)
    assert (tmp_path / "all" / "features" / "keep-all").exists()
    assert f"Features of {len(expected)} pictures" in merged.text()
    assert _file(halves[1], alone[0]).exists(), "libraries that are merged stay as they are"


def _file(library: Path, name: str) -> Path:
    return library / "features" / name[:2] / name


def test_a_library_of_another_recipe_is_named(halves, tmp_path):
    with sqlite3.connect(halves[1] / "catalog.db") as catalog:
        catalog.execute("UPDATE library SET model_recipe = 'v0-old'")
    with pytest.raises(ModelMismatch, match="recipe by which pictures are prepared: v0-old there, ") as refused:
        merge_libraries(halves, tmp_path / "all", Silence())
    assert "kept features" in refused.value.message and "again with this version" in refused.value.hint
    assert not (tmp_path / "all").exists() and not list(tmp_path.glob(".all*"))


@pytest.fixture
def rich(halves, monkeypatch):
    """The halves with captions and features, merged three images at a time."""
    from imgsearch.storage.catalog.texts.captions import StoredCaption

    monkeypatch.setattr(merging, "_CHUNK", 3)
    for half in halves:
        _keep_features(half)
        with open_store(half) as store, writing(store) as writer:
            ids = [record.image_id for record in store.iter_images()]
            made = [StoredCaption(n, f"shape {n}", 0.5, True, "m", "f" * 64, "float32", "", "{}") for n in ids]
            writer.write_captions(made)
    return halves


_TABLES = {
    "images": "image_id, slot, content_hash, facts_recipe, decode_recipe, width, orientation",
    "files": "image_id, root_id, relative_path, size_bytes, mtime_ns, dated_at, dated_source, sidecars",
    "captions": "image_id, text, sure",
    "caption_search": "rowid",
    "failures": "root_id, relative_path, reason",
    "deletions": "image_id",
    "segments": "file_name, first_slot, scale",
    "batches": "first_slot, count, checksum",
}


def _told(library: Path) -> dict[str, object]:
    """What a library holds, without the times at which it was written."""
    found: dict[str, object] = {path.name: path.read_bytes() for path in (library / "segments").iterdir()}
    with sqlite3.connect(library / "catalog.db") as catalog:
        for table, columns in _TABLES.items():
            found[table] = list(catalog.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}"))
    return {**found, **_features(library)}


@pytest.mark.parametrize(("step", "counts"), [("catalog-committed", (3, 8, 2)), ("captions-written", (1, 3))])
def test_a_killed_merge_goes_on_where_it_was(rich, tmp_path, monkeypatch, killed, step, counts):
    merge_libraries(rich, tmp_path / "calm", Silence())
    copied, copy, output = [], merging._copy_chunk, tmp_path / "all"
    monkeypatch.setattr(merging, "_copy_chunk", lambda *given: copied.append(len(given[1])) or copy(*given))
    for count in counts:
        copied.clear()
        assert killed(step, count, lambda: merge_libraries(rich, output, Silence()))
    merge_libraries(rich, output, Silence())
    assert _told(output) == _told(tmp_path / "calm")
    assert not list(tmp_path.glob(".all*")) and not list(output.glob("merging*"))
    assert 0 < sum(copied) < 9, "it did not begin anew"


def test_a_killed_merge_of_changed_libraries_begins_anew(rich, tmp_path, killed):
    output = tmp_path / "all"
    assert killed("captions-written", 3, lambda: merge_libraries(rich, output, Silence()))
    with open_store(rich[0]) as store, writing(store) as writer:
        writer.forget_captions(record.image_id for record in store.iter_images())
    merge_libraries(rich, output, Silence())
    merge_libraries(rich, tmp_path / "calm", Silence())
    assert _told(output) == _told(tmp_path / "calm")
