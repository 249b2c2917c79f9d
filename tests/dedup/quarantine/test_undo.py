"""Undo: every file comes back, beside whatever took its place, and what is missing is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgsearch.dedup.quarantine.apply import apply_plan
from imgsearch.dedup.quarantine.folder import runs
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.errors import UsageError


def test_undo_takes_the_newest_run_first_or_the_one_named(desk):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        desk.write(name, b"one")
    first = apply_plan(desk.plan(desk.group("a.jpg", "b.jpg")), desk.quarantine)
    second = apply_plan(desk.plan(desk.group("a.jpg", "c.jpg")), desk.quarantine)
    assert [run.run_id for run in runs(desk.quarantine)] == [first.run_id, second.run_id]
    assert undo(desk.quarantine).run_id == second.run_id
    assert not desk.path("b.jpg").exists()
    assert undo(desk.quarantine, first.run_id).returned == 1
    with pytest.raises(UsageError, match="no run 'x'"):
        undo(desk.quarantine, "x")


def test_undo_onto_a_taken_name_keeps_both(any_desk):
    desk = any_desk
    desk.write("a.jpg", b"one")
    for name in ("b.jpg", "b (restored).jpg", ".hidden", "y" * 251 + ".jpg"):
        desk.write(name, b"one")
    plan = desk.plan(desk.group("a.jpg", "b.jpg", ".hidden", "y" * 251 + ".jpg"))
    apply_plan(plan, desk.quarantine)
    for name in ("b.jpg", ".hidden", "y" * 251 + ".jpg"):
        desk.write(name, b"somebody's")
    undone = undo(desk.quarantine)
    assert (undone.returned, len(undone.beside)) == (3, 3)
    names = {path.name: path.read_bytes() for path in desk.root.iterdir()}
    assert names["b.jpg"] == names[".hidden"] == names["y" * 251 + ".jpg"] == b"somebody's"
    assert names["b (restored 2).jpg"] == names[".hidden (restored)"] == b"one"
    assert names["y" * 240 + " (restored).jpg"] == b"one"
    assert undo(desk.quarantine).run_id == ""


def test_undo_makes_folders_again_but_no_root(any_desk, tmp_path):
    desk = any_desk
    desk.write("a.jpg", b"one")
    desk.write("x/y/b.jpg", b"one")
    apply_plan(desk.plan(desk.group("a.jpg", "x/y/b.jpg")), desk.quarantine)
    desk.path("x/y").rmdir()
    desk.path("x").rmdir()
    desk.root.rename(tmp_path / "unplugged")
    undone = undo(desk.quarantine)
    assert (undone.returned, len(undone.left)) == (0, 1)
    assert not desk.root.exists()
    (tmp_path / "unplugged").rename(desk.root)
    assert undo(desk.quarantine).returned == 1
    assert desk.path("x/y/b.jpg").read_bytes() == b"one"


def test_undo_does_not_follow_a_link_that_took_the_folders_place(any_desk, tmp_path):
    desk = any_desk
    desk.write("a.jpg", b"one")
    desk.write("sub/b.jpg", b"one")
    apply_plan(desk.plan(desk.group("a.jpg", "sub/b.jpg")), desk.quarantine)
    desk.path("sub").rmdir()
    (tmp_path / "elsewhere").mkdir()
    desk.path("sub").symlink_to(tmp_path / "elsewhere")
    undone = undo(desk.quarantine)
    assert "not a plain folder" in undone.left[0].reason
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert desk.waiting() == {"b.jpg": b"one"}


def test_undo_says_what_somebody_took_out_or_put_in(desk):
    desk.write("a.jpg", b"one")
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        desk.write(name, b"one")
    apply_plan(desk.plan(desk.group("a.jpg", "b.jpg", "c.jpg", "d.jpg")), desk.quarantine)
    files = {path.name.partition("-")[2]: path for path in desk.quarantine.glob("runs/*/files/*/*")}
    files["b.jpg"].unlink()
    files["c.jpg"].write_bytes(b"changed there")
    (files["d.jpg"].parent / "stray").write_bytes(b"?")
    undone = undo(desk.quarantine)
    assert undone.returned == 2
    assert [Path(one.path).name for one in undone.missing] == ["b.jpg"]
    assert "changed while" in undone.notes[0].reason
    assert desk.path("c.jpg").read_bytes() == b"changed there"
    assert [Path(one.path).name for one in undone.left] == ["stray"]
    assert undo(desk.quarantine).run_id == ""
    files["b.jpg"].write_bytes(b"one")
    assert undo(desk.quarantine, undone.run_id).returned == 1
    assert desk.path("b.jpg").read_bytes() == b"one"


def test_attributes_survive_another_disk(desk, other_disk):
    desk.quarantine = other_disk / "q"
    desk.write("a.jpg", b"one")
    path = desk.write("b.jpg", b"one", mode=0o604)
    try:
        os.setxattr(path, "user.note", b"from aunt")
        probe = other_disk / "probe"
        probe.touch()
        os.setxattr(probe, "user.note", b"x")
    except OSError:
        pytest.skip("no extended attributes of users here")
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    apply_plan(desk.plan(desk.group("a.jpg", "b.jpg")), desk.quarantine)
    undo(desk.quarantine)
    after = path.stat()
    assert os.getxattr(path, "user.note") == b"from aunt"
    for name in ("st_uid", "st_gid", "st_mode", "st_mtime_ns"):
        assert getattr(after, name) == getattr(before, name), name
