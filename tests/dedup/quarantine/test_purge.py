"""Purge deletes, and only what is still shown by a file that was kept."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from imgsearch.dedup.quarantine.apply import apply_plan
from imgsearch.dedup.quarantine.folder import runs
from imgsearch.dedup.quarantine.purge import purge
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.errors import UsageError


@pytest.fixture
def applied(desk):
    """b.jpg was moved, a.jpg was kept for it; c.jpg is alike and stands by."""
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    desk.write("c.jpg", b"alike")
    apply_plan(desk.plan(desk.group("a.jpg", "b.jpg")), desk.quarantine)
    return desk


def test_purge_deletes_what_is_kept_elsewhere(applied):
    done = purge(applied.quarantine)
    assert (done.purged, done.purged_bytes, done.left) == (1, 3, [])
    assert applied.waiting() == {}
    assert applied.path("a.jpg").read_bytes() == b"one"
    assert purge(applied.quarantine).purged == 0
    assert undo(applied.quarantine).run_id == ""
    (run,) = runs(applied.quarantine)
    assert (run.purged, run.moved) == (1, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda desk: desk.path("a.jpg").unlink(), "cannot be read"),
        (lambda desk: desk.write("a.jpg", b"two"), "has changed"),
        (lambda desk: (desk.path("a.jpg").unlink(), desk.path("a.jpg").mkdir()), "cannot be read"),
    ],
)
def test_purge_leaves_what_is_not_kept_any_more(applied, change, reason):
    change(applied)
    done = purge(applied.quarantine)
    assert done.purged == 0
    assert reason in done.left[0].reason
    assert applied.waiting() == {"b.jpg": b"one"}
    assert undo(applied.quarantine).returned == 1


def test_keeper_that_is_a_link_into_the_quarantine_is_none(applied):
    (waiting,) = applied.quarantine.glob("runs/*/files/*/*")
    applied.path("a.jpg").unlink()
    applied.path("a.jpg").symlink_to(waiting)
    done = purge(applied.quarantine)
    assert "lies in the quarantine" in done.left[0].reason
    assert applied.path("a.jpg").read_bytes() == b"one"


def test_changed_keeper_is_accepted_when_asked_for_and_a_missing_one_never(applied):
    applied.write("a.jpg", b"rotated")
    assert purge(applied.quarantine, changed_keepers=True).purged == 1


def test_missing_keeper_is_never_accepted(applied):
    applied.path("a.jpg").unlink()
    assert purge(applied.quarantine, changed_keepers=True).purged == 0


def test_keeper_that_was_moved_later_stands_if_its_own_keeper_does(applied):
    apply_plan(applied.plan(applied.group("c.jpg", "a.jpg")), applied.quarantine)
    done = purge(applied.quarantine)
    assert (done.purged, done.left) == (2, [])
    assert applied.path("c.jpg").read_bytes() == b"alike"


def test_chain_that_ends_nowhere_is_left(applied):
    apply_plan(applied.plan(applied.group("c.jpg", "a.jpg")), applied.quarantine)
    applied.path("c.jpg").unlink()
    done = purge(applied.quarantine)
    assert (done.purged, len(done.left)) == (0, 2)
    while undo(applied.quarantine).run_id:
        pass
    assert {applied.path(name).read_bytes() for name in ("a.jpg", "b.jpg")} == {b"one"}


def test_only_runs_that_are_old_enough_or_named_are_purged(applied):
    (run,) = runs(applied.quarantine)
    assert purge(applied.quarantine, older_than_days=1).runs == []
    later = datetime.now(UTC) + timedelta(days=2)
    with pytest.raises(UsageError):
        purge(applied.quarantine, "other")
    assert purge(applied.quarantine, older_than_days=1, now=later).purged == 1
    assert purge(applied.quarantine, run.run_id).runs == [run.run_id]


def test_damaged_journal_keeps_its_files(applied):
    (journal,) = applied.quarantine.glob("runs/*/journal.jsonl")
    raw = journal.read_bytes()
    journal.write_bytes(raw.replace(b'"action":"move","way"', b'"action":"move","wax"'))
    done = purge(applied.quarantine)
    assert done.purged == 0
    assert "damaged" in done.left[0].reason
    undone = undo(applied.quarantine, runs(applied.quarantine)[0].run_id)
    assert "no line of the journal" in undone.left[0].reason
    assert applied.waiting() == {"b.jpg": b"one"}


def test_run_without_journal_is_no_run(applied, tmp_path):
    shutil.rmtree(applied.quarantine)
    assert runs(applied.quarantine) == []
    assert purge(tmp_path / "none").purged == 0
    assert undo(tmp_path / "none").run_id == ""
