"""Publishing in part, again and elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgsearch.errors import LibraryError, UsageError
from imgsearch.storage import open_store, verify, writing
from indexer.jobs.library import exchange
from indexer.jobs.report import job_status


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
    said = job_status(Path(spec.folder)).text()
    assert "Published without 2 of 5 shards" in said and "Not complete" in said
    jobs.run(spec)
    said = job_status(Path(spec.folder))
    assert "publish it again" in said.text() and said.as_dict()["library_missing_shards"] == 2
    whole = jobs.publish(spec)
    assert "without" not in job_status(Path(spec.folder)).text()
    for damage in (b"{", b"[1]", b"\xff\xfe"):
        spec.layout.published.write_bytes(damage)
        assert "not published yet" in job_status(Path(spec.folder)).text()
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
