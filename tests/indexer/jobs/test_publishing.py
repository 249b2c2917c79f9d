"""Publishing in part, again and elsewhere; merging."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgsearch.errors import LibraryError, ModelMismatch, UsageError
from imgsearch.progress import Silence
from imgsearch.storage import open_store, verify, writing
from indexer.jobs.library import exchange
from indexer.jobs.library.merge import merge_libraries


def test_an_incomplete_job_is_not_published(jobs, hostile):
    spec = jobs.create(hostile)
    jobs.run(spec, part=(1, 2))
    with pytest.raises(LibraryError, match="3 of 5 shards are done, 8 of 17"):
        jobs.publish(spec)
    assert not spec.layout.library.exists()


def test_a_partial_library_names_what_is_missing(jobs, hostile, content):
    spec = jobs.create(hostile)
    jobs.run(spec, part=(1, 2))
    made = jobs.publish(spec, partial=True)
    assert (made.missing, made.sums.pending) == ((1, 3), 8)
    with open_store(made.folder) as store:
        missing = [failure for failure in store.failures() if "was not done" in failure.reason]
        assert len(missing) == 8 and all(failure.transient for failure in missing)
        (event,) = [event for event in store.events() if event.kind == "job-published"]
        assert event.data == {"job": spec.job_id, "inputs": 17, "missing_shards": [1, 3]}
        assert verify(store) == []
    jobs.run(spec)
    whole = jobs.publish(spec)
    assert (whole.folder, whole.missing, whole.images) == (made.folder, (), 9)
    other = jobs.create(hostile, name="other")
    jobs.run(other)
    assert content(whole.folder) == content(jobs.publish(other).folder)


def test_a_library_is_published_once(jobs, hostile, content):
    spec = jobs.create(hostile)
    jobs.run(spec)
    first = jobs.publish(spec)
    before = content(first.folder)
    assert not first.already and jobs.publish(spec).already
    spec.layout.published.unlink()  # a kill between the rename and the record
    assert jobs.publish(spec).already
    assert content(first.folder) == before


def test_a_library_that_was_changed_since_stays(jobs, hostile, tmp_path):
    spec = jobs.create(hostile)
    jobs.run(spec, part=(1, 2))
    made = jobs.publish(spec, partial=True)
    with open_store(made.folder) as store, writing(store) as writer:
        writer.record_event("mine", {})
    jobs.run(spec)
    with pytest.raises(UsageError, match="stays as it is"):
        jobs.publish(spec)
    with open_store(made.folder) as store:
        assert store.events()[-1].kind == "mine"
    assert jobs.publish(spec, tmp_path / "elsewhere" / "library").images == 9
    assert not list(spec.layout.folder.glob(".library*"))


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_library_is_replaced_at_once_or_mended(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(exchange, "_exchanged", lambda one, other: False)
    target, made = tmp_path / "library", tmp_path / "made"
    for folder in (target, made):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    exchange.put_in_place(made, target)
    assert [path.name for path in tmp_path.iterdir()] == ["library"]
    assert (target / "name").read_text() == "made"
    target.rename(tmp_path / ".library.before")  # as a kill between the two renames leaves it
    exchange.put_interrupted_back(target)
    assert (target / "name").read_text() == "made"


@pytest.fixture
def halves(jobs, hostile, tmp_path):
    """Two published libraries that share three contents; both their failures."""
    names = sorted(path for path in hostile.rglob("*") if path.is_file())
    made = []
    for name, chosen in (("a", names[:9]), ("b", names[6:])):
        (tmp_path / f"{name}.txt").write_bytes(b"\n".join(map(os.fsencode, chosen)))
        spec = jobs.create(tmp_path / f"{name}.txt", name=name)
        jobs.run(spec)
        made.append(jobs.publish(spec).folder)
    return made


def test_libraries_of_one_model_merge(jobs, hostile, halves, tmp_path):
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


def test_libraries_of_other_models_do_not_merge(jobs, hostile, halves, library, tmp_path):
    library.add(library.names(2))
    with pytest.raises(ModelMismatch, match="cannot be compared"):
        merge_libraries([halves[0], library.store.path], tmp_path / "all", Silence())
    with pytest.raises(UsageError, match="twice"):
        merge_libraries([halves[0], halves[0]], tmp_path / "all", Silence())
    with pytest.raises(UsageError, match="is there already"):
        merge_libraries(halves, halves[0], Silence())
    assert not (tmp_path / "all").exists() and not list(tmp_path.glob(".all*"))


def test_vectors_survive_a_merge(tiny, library, tmp_path):
    import numpy as np

    library.add(library.names(5))
    merge_libraries([library.store.path], tmp_path / "all", Silence())
    with open_store(tmp_path / "all") as store:
        view, before = store.view(), library.store.view()
        assert np.array_equal(view.read(view.live_slots), before.read(before.live_slots))
