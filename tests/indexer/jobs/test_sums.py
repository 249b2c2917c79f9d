"""N inputs = N embedded + M known copies + K failures, whatever the files are; each by name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from imgsearch.storage import open_store, verify
from indexer.jobs.ledger import read_list
from indexer.jobs.report import job_status, named

BAD = {"02-cut.jpg", "04-empty.jpg", "05-text.png", "cut.png", "zeros.webp"}


@pytest.fixture
def done(jobs, hostile):
    spec = jobs.create(hostile)
    return spec, jobs.run(spec)


def test_a_job_accounts_for_hostile_files(jobs, done):
    spec, ran = done
    assert (spec.count, len(spec.shards)) == (17, 5)
    report = jobs.report(spec)
    assert report.fates == Counter(embedded=9, copy=3, failed=5)
    assert ran.exit_code == report.exit_code == 3
    failed = [line.split("\t") for line in named(spec, "failed")]
    assert {Path(line[0]).name for line in failed} == BAD
    assert all(len(line) >= 3 and line[2] for line in failed)


def test_a_published_library_holds_the_same_sums(jobs, done):
    spec, _ = done
    made = jobs.publish(spec)
    with open_store(made.folder) as store:
        assert verify(store) == []
        stats = store.stats()
        assert (stats.images, stats.files, stats.failures) == (9, 12, 5)
        assert {Path(failure.path).name for failure in store.failures()} == BAD
        (root,) = store.roots()
        places = {state.relative_path for state in store.files(root.root_id)}
    good = {row.path for shard in spec.shards for row in read_list(spec, shard) if Path(row.path).name not in BAD}
    assert places == good


def test_a_published_library_is_one_that_index_would_make(jobs, done, hostile, tmp_path, monkeypatch):
    """An oracle: the indexer's own pipeline over the same folder."""
    from imgsearch.settings import Settings
    from indexer.index_run import IndexRequest, run_index

    spec, _ = done
    made = jobs.publish(spec)
    run_index(IndexRequest((str(hostile),), Settings(tmp_path / "indexed", model="none", workers=1)))

    def rows(folder):
        with open_store(folder) as store:
            images = {r.facts.content_hash: (r.facts, r.dated_at, r.dated_source) for r in store.iter_images()}
            held = {
                state.relative_path: (state.size_bytes, state.mtime_ns)
                for root in store.roots()
                for state in store.files(root.root_id)
            }
            failures = {(Path(f.path).name, f.stage, f.reason, f.size_bytes) for f in store.failures()}
            return images, held, failures

    assert rows(made.folder) == rows(tmp_path / "indexed")


def test_index_has_nothing_to_do_after_a_job(jobs, done, hostile):
    from imgsearch.settings import Settings
    from indexer.index_run import IndexRequest, run_index

    made = jobs.publish(done[0])
    summary = run_index(IndexRequest((), Settings(made.folder, workers=1)))
    assert (summary.embedded, summary.removed, summary.unchanged, summary.failed_before) == (0, 0, 12, 5)


def test_a_finished_shard_is_not_done_twice(jobs, done, content):
    spec, _ = done
    before = content(spec.layout.shards)
    assert jobs.run(spec).done == 0
    assert content(spec.layout.shards) == before


def test_status_says_how_far_a_job_is(jobs, hostile):
    spec = jobs.create(hostile)
    jobs.run(spec, part=(2, 3))
    found = job_status(Path(spec.folder)).as_dict()
    assert (found["shards_done"], found["shards"], found["complete"]) == (2, 5, False)
    assert found["inputs"] == found["embedded"] + found["copies"] + found["failed"] + found["pending"]
    assert list(spec.layout.events.glob("*.prom")) and list(spec.layout.events.glob("*.jsonl"))


def test_retry_does_shards_with_transient_failures_again(jobs, hostile, tmp_path):
    late = tmp_path / "late.png"
    (tmp_path / "list.txt").write_text(f"{hostile}/00.jpg\n{late}\n")
    spec = jobs.create(tmp_path / "list.txt")
    assert jobs.run(spec).sums.transient == 1
    late.write_bytes((hostile / "01.png").read_bytes())
    assert jobs.run(spec).sums.failed == 1
    assert jobs.run(spec, retry=True).sums.embedded == 2


def test_check_does_damaged_shards_again(jobs, done, content):
    from imgsearch.errors import SegmentDamaged

    spec, _ = done
    before = content(spec.layout.shard(1))
    rows = spec.layout.shard(1) / "rows.jsonl"
    rows.write_bytes(rows.read_bytes().replace(b'"width":64', b'"width":46', 1))
    with pytest.raises(SegmentDamaged, match=r"shard 1.*rows\.jsonl"):
        jobs.publish(spec)
    with pytest.raises(SegmentDamaged):
        jobs.report(spec)
    assert jobs.run(spec, check=True).done == 1
    assert content(spec.layout.shard(1))["rows.jsonl"] == before["rows.jsonl"]


def test_a_damaged_list_is_refused(jobs, hostile):
    spec = jobs.create(hostile)
    path = spec.layout.list_of(0)
    path.write_bytes(b"".join(path.read_bytes().splitlines(True)[:-1]))
    report = jobs.run(spec)
    assert (report.sums.shards_done, report.exit_code) == (4, 4)
    assert "is not what was written" in report.errors[0].message
