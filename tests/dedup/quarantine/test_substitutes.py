"""Hard links and clones in the place of a copy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from moved import clone_or_copy, reasons

from imgsearch.dedup.evidence.records import Evidence, Group, Member
from imgsearch.dedup.quarantine import quarantine_file as moving
from imgsearch.dedup.quarantine.apply import apply_plan
from imgsearch.dedup.quarantine.undo import undo


@pytest.mark.parametrize("action", ["hardlink", "reflink"])
def test_substitute_stands_in_and_undo_brings_the_original(any_desk, monkeypatch, action):
    desk = any_desk
    monkeypatch.setattr(moving, "clone", clone_or_copy)
    desk.write("a.jpg", b"one", mtime_ns=1)
    for name in ("b.jpg", "c.jpg"):
        desk.write(name, b"one", mtime_ns=2)
    desk.write("d.jpg", b"alike")
    before = desk.content()
    plan = desk.plan(desk.group("a.jpg", "b.jpg", "c.jpg", "d.jpg"))
    applied = apply_plan(plan, desk.quarantine, action=action)
    assert (applied.moved, list(reasons(applied))) == (2, ["d.jpg"])
    assert desk.path("b.jpg").read_bytes() == b"one"
    assert desk.path("b.jpg").samefile(desk.path("a.jpg")) == (action == "hardlink")
    undone = undo(desk.quarantine)
    assert (undone.returned, undone.beside) == (2, [])
    assert desk.content() == before
    assert desk.path("a.jpg").stat().st_nlink == 1
    assert not desk.path("b.jpg").samefile(desk.path("a.jpg"))


@pytest.mark.parametrize("action", ["hardlink", "reflink"])
def test_edited_substitute_is_somebodys_file(desk, monkeypatch, action):
    monkeypatch.setattr(moving, "clone", clone_or_copy)
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    apply_plan(desk.plan(desk.group("a.jpg", "b.jpg")), desk.quarantine, action=action)
    desk.path("b.jpg").write_bytes(b"edited")
    undone = undo(desk.quarantine)
    assert len(undone.beside) == 1
    assert desk.path("b.jpg").read_bytes() == b"edited"
    assert desk.path("b (restored).jpg").read_bytes() == b"one"


def test_disk_without_clones_leaves_everything(desk, other_disk):
    for name in ("a.jpg", "b.jpg"):
        (other_disk / name).write_bytes(b"one")
    desk.root = other_disk
    before = desk.content()
    applied = apply_plan(desk.plan(desk.group("a.jpg", "b.jpg")), desk.quarantine, action="reflink")
    assert applied.moved == 0
    assert len(applied.left) == 1
    assert desk.content() == before
    assert undo(desk.quarantine).run_id == ""


def test_hard_link_does_not_reach_another_disk(desk, other_disk):
    desk.write("b.jpg", b"one")
    keeper = desk.copy("b.jpg")
    (other_disk / "a.jpg").write_bytes(b"one")
    kept = replace(keeper, path=str(other_disk / "a.jpg"), root_id=2)
    group = Group(kept, "", (Member(keeper, Evidence("bytes", 1.0)),))
    plan = replace(desk.plan(), groups=(group,), roots={1: str(desk.root), 2: str(other_disk)})
    before = desk.content()
    applied = apply_plan(plan, desk.quarantine, action="hardlink")
    assert "another file system" in applied.left[0].reason
    assert desk.content() == before
