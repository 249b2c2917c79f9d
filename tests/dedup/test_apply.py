"""Apply and undo: what moves, what is left alone and why, and that everything comes back."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from imgsearch.dedup import disk, moving, returning
from imgsearch.dedup.apply import apply_plan
from imgsearch.dedup.evidence import Evidence, Group, Member
from imgsearch.dedup.quarantine import runs, working
from imgsearch.dedup.undo import undo
from imgsearch.errors import LibraryBusy, UsageError

NAMES = [b"plain.jpg", b"new\nline.jpg", b"bad\xff\xfebyte.jpg", "Ünï ☃.jpg".encode(), b"-rf", b"x" * 251 + b".jpg"]


def reasons(result):
    return {Path(left.path).name: left.reason for left in result.left}


def test_members_move_and_come_back_as_they_were(any_desk):
    desk = any_desk
    desk.write("keep.jpg", b"one")
    for number, name in enumerate(NAMES):
        desk.write(b"sub/" + name, b"one", mtime_ns=10**18 + number, mode=0o600 + number)
    desk.write("sub/alike.jpg", b"another", mode=0o444)
    before = desk.content()
    plan = desk.plan(desk.group("keep.jpg", *(b"sub/" + name for name in NAMES), "sub/alike.jpg"))
    seen = []
    applied = apply_plan(plan, desk.quarantine, progress=lambda done, total: seen.append((done, total)))
    assert (applied.moved, applied.left, applied.already) == (7, [], 0)
    assert seen == [(number, 7) for number in range(1, 8)]
    assert list(desk.content()) == [str(desk.path("keep.jpg"))]
    assert sorted(desk.waiting().values()) == sorted([b"one"] * 6 + [b"another"])
    (run,) = runs(desk.quarantine)
    assert (run.moved, run.moved_bytes, run.finished, run.run_id) == (7, 25, True, applied.run_id)
    undone = undo(desk.quarantine)
    assert (undone.run_id, undone.returned, undone.left, undone.beside, undone.notes) == (run.run_id, 7, [], [], [])
    assert desk.content() == before
    assert desk.waiting() == {}
    again = undo(desk.quarantine)
    assert (again.run_id, again.returned) == ("", 0)
    assert desk.content() == before


def test_apply_twice_moves_once(any_desk):
    desk = any_desk
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    before, plan = desk.content(), desk.plan(desk.group("a.jpg", "b.jpg"))
    apply_plan(plan, desk.quarantine)
    again = apply_plan(plan, desk.quarantine)
    assert (again.moved, again.already, again.left) == (0, 1, [])
    assert undo(desk.quarantine).returned == 1
    assert desk.content() == before


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


def test_members_only_shown_stay(desk):
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    group = desk.group("a.jpg", "b.jpg")
    before = desk.content()
    plan = desk.plan(replace(group, members=(replace(group.members[0], move=False),)))
    applied = apply_plan(plan, desk.quarantine)
    assert (applied.moved, applied.run_id, desk.content()) == (0, "", before)


def test_plan_that_makes_no_sense_touches_nothing(desk):
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    plan = desk.plan(desk.group("a.jpg", "b.jpg"))
    moved_keeper = replace(plan, groups=(*plan.groups, desk.group("b.jpg", "a.jpg")))
    with pytest.raises(UsageError):
        apply_plan(moved_keeper, desk.quarantine)
    with pytest.raises(UsageError, match="unknown action"):
        apply_plan(plan, desk.quarantine, action="delete")
    assert not desk.quarantine.exists()


# What changed since the plan was made


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda desk: desk.write("b.jpg", b"two"), "changed since the plan"),
        (lambda desk: desk.path("b.jpg").unlink(), "not there any more"),
        (lambda desk: desk.write("a.jpg", b"two"), "the file to keep"),
        (lambda desk: desk.path("a.jpg").unlink(), "the file to keep"),
        (lambda desk: (desk.path("a.jpg").unlink(), desk.path("a.jpg").symlink_to("b.jpg")), "symbolic link"),
        (lambda desk: (desk.path("a.jpg").unlink(), os.link(desk.path("b.jpg"), desk.path("a.jpg"))), "another name"),
        (lambda desk: (desk.path("b.jpg").unlink(), desk.path("b.jpg").symlink_to("a.jpg")), "symbolic link"),
        (lambda desk: (desk.path("b.jpg").unlink(), os.mkfifo(desk.path("b.jpg"))), "not a regular file"),
        (lambda desk: (desk.path("a.jpg").unlink(), os.mkfifo(desk.path("a.jpg"))), "not a regular file"),
        (lambda desk: (desk.path("b.jpg").unlink(), desk.path("b.jpg").mkdir()), "not a regular file"),
    ],
)
def test_file_that_changed_since_the_plan_is_left_and_the_rest_goes_on(any_desk, change, reason):
    desk = any_desk
    for name in ("a.jpg", "b.jpg", "x.jpg", "y.jpg"):
        desk.write(name, b"one" if name < "c" else b"other")
    plan = desk.plan(desk.group("a.jpg", "b.jpg"), desk.group("x.jpg", "y.jpg"))
    change(desk)
    before = desk.content()
    applied = apply_plan(plan, desk.quarantine)
    assert reason in reasons(applied)["b.jpg"]
    assert applied.moved == 1
    undo(desk.quarantine)
    assert desk.content() == before


@pytest.mark.parametrize("moved", ["photos/link", "photos/sub"])
def test_symbolic_link_on_the_way_that_leads_out_is_not_followed(desk, tmp_path, moved):
    """A folder of the plan is replaced by a link to a folder elsewhere that holds the same file."""
    desk.write("keep.jpg", b"one")
    desk.write("sub/b.jpg", b"one")
    plan = desk.plan(desk.group("keep.jpg", "sub/b.jpg"))
    (tmp_path / "photos" / "sub").rename(tmp_path / "elsewhere")
    desk.path("sub").symlink_to(tmp_path / "elsewhere")
    applied = apply_plan(plan, desk.quarantine)
    assert "leads out of" in reasons(applied)["b.jpg"]
    assert (tmp_path / "elsewhere" / "b.jpg").read_bytes() == b"one"


def test_symbolic_link_inside_the_root_is_followed_to_the_real_folder(desk):
    desk.write("keep.jpg", b"one")
    desk.write("real/b.jpg", b"one")
    desk.path("link").symlink_to("real")
    before = desk.content()
    plan = desk.plan(desk.group("keep.jpg", "link/b.jpg"))
    assert apply_plan(plan, desk.quarantine).moved == 1
    undo(desk.quarantine)
    assert desk.content() == before


def test_one_file_under_two_paths_is_not_its_own_copy(desk):
    """The keeper and the member are one file, seen through a link between folders."""
    desk.write("real/a.jpg", b"one")
    desk.path("link").symlink_to("real")
    before = desk.content()
    applied = apply_plan(desk.plan(desk.group("real/a.jpg", "link/a.jpg")), desk.quarantine)
    assert "another name" in reasons(applied)["a.jpg"]
    assert desk.content() == before


def test_root_may_be_one_file_or_a_link(desk, tmp_path):
    desk.write("a.jpg", b"one")
    desk.write("b.jpg", b"one")
    (tmp_path / "linked").symlink_to(desk.root)
    before = desk.content()
    group = desk.group("a.jpg", "b.jpg")
    single = replace(
        group.members[0], copy=replace(group.members[0].copy, root_id=2, path=str(tmp_path / "linked/b.jpg"))
    )
    plan = replace(
        desk.plan(), groups=(replace(group, members=(single,)),), roots={1: str(desk.root), 2: single.copy.path}
    )
    assert apply_plan(plan, desk.quarantine).moved == 1
    assert undo(desk.quarantine).returned == 1
    assert desk.content() == before


def test_what_lies_in_the_quarantine_is_left_there(desk):
    desk.quarantine = desk.root / "q"
    desk.write("a.jpg", b"one")
    desk.write("q/b.jpg", b"one")
    applied = apply_plan(desk.plan(desk.group("a.jpg", "q/b.jpg")), desk.quarantine)
    assert "quarantine" in reasons(applied)["b.jpg"]


# While it is moved


def at_the_call(monkeypatch, module, name, act, when=1):
    """``act`` right before the ``when``-th call of a function."""
    real, count = getattr(module, name), 0

    def wrapped(*arguments, **named):
        nonlocal count
        count += 1
        if count == when:
            act()
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, wrapped)


def replaced(desk, name, content):
    desk.write("incoming", content, mtime_ns=5)
    desk.path("incoming").replace(desk.path(name))


@pytest.mark.parametrize("target", ["a.jpg", "b.jpg"])
@pytest.mark.parametrize("when", [1, 2, 3])
@pytest.mark.parametrize("how", [replaced, lambda desk, name, content: desk.write(name, content)])
def test_file_replaced_at_the_last_moment_is_not_lost(any_desk, monkeypatch, target, when, how):
    """An editor saves the kept or the moved file right before a rename: its new bytes end where it put them."""
    desk = any_desk
    desk.write("a.jpg", b"one")
    desk.write("b.jpg", b"one")
    plan = desk.plan(desk.group("a.jpg", "b.jpg"))
    saved = []

    def save():
        if desk.path(target).exists():
            how(desk, target, b"precious")
            saved.append(target)

    at_the_call(monkeypatch, moving, "rename_exclusive", save, when)
    applied = apply_plan(plan, desk.quarantine)
    monkeypatch.undo()
    if saved:
        assert desk.path(target).read_bytes() == b"precious", applied
        if target == "a.jpg":
            assert desk.path("b.jpg").read_bytes() == b"one", "the last copy of these bytes stays where it was"
    undo(desk.quarantine)
    assert desk.path(target).read_bytes() == (b"precious" if saved else b"one")
    assert not list(desk.root.glob(".imgsearch*"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("call", ["link", "fsync", "write", "mkdir", "open", "unlink", "pwrite", "utime"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_refusing_disk_leaves_that_file_and_the_rest_goes_on(any_desk, monkeypatch, code, call, after):
    desk = any_desk
    for name in ("a.jpg", "b.jpg", "x.jpg", "y.jpg"):
        desk.write(name, b"one" if name < "c" else b"other")
    before = desk.content()
    plan = desk.plan(desk.group("a.jpg", "b.jpg"), desk.group("x.jpg", "y.jpg"))
    real, count = getattr(os, call), 0

    def refusing(*arguments, **named):
        nonlocal count
        count += 1
        if after < count <= after + 1:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **named)

    at_the_call(monkeypatch, moving.Mover, "move", lambda: monkeypatch.setattr(os, call, refusing))
    applied = apply_plan(plan, desk.quarantine)
    monkeypatch.undo()
    everything = [content for content, _, _ in desk.content().values()] + list(desk.waiting().values())
    assert {b"one", b"other"} <= set(everything)
    assert desk.path("a.jpg").read_bytes() == b"one"
    assert desk.path("x.jpg").read_bytes() == b"other"
    assert applied.moved + len(applied.left) == 2
    assert applied.moved >= 1
    while undo(desk.quarantine).run_id:
        pass
    assert desk.content() == before


def test_full_disk_for_every_line_of_the_journal_moves_nothing(desk, monkeypatch):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        desk.write(name, b"one")
    before = desk.content()
    plan = desk.plan(desk.group("a.jpg", "b.jpg", "c.jpg"))
    real = os.pwrite

    def half(descriptor, line, offset):
        if line.isdigit() or line[:-1].isdigit():
            return real(descriptor, line, offset)  # the lock's
        real(descriptor, line[: len(line) // 2], offset)
        raise OSError(errno.ENOSPC, "no space is left")

    monkeypatch.setattr(os, "pwrite", half)
    applied = apply_plan(plan, desk.quarantine)
    monkeypatch.undo()
    assert applied.moved == 0
    assert set(reasons(applied)) == {"b.jpg", "c.jpg"}
    assert desk.content() == before
    assert runs(desk.quarantine)[0].bad_lines == 0, "the half line was cut off"


def test_second_process_is_told_to_wait(desk):
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    plan = desk.plan(desk.group("a.jpg", "b.jpg"))
    with working(desk.quarantine):
        for work in (lambda: apply_plan(plan, desk.quarantine), lambda: undo(desk.quarantine)):
            with pytest.raises(LibraryBusy, match="quarantine"):
                work()


def test_opposite_plans_with_two_quarantines_do_not_take_both(desk, monkeypatch, tmp_path):
    """Each keeps what the other moves; the second starts in the middle of the first."""
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    there, back = desk.plan(desk.group("a.jpg", "b.jpg")), desk.plan(desk.group("b.jpg", "a.jpg"))
    others = []

    def other():
        others.append(apply_plan(back, tmp_path / "second"))

    at_the_call(monkeypatch, moving, "rename_exclusive", other)
    applied = apply_plan(there, desk.quarantine)
    assert applied.moved + others[0].moved == 1
    assert "another run" in others[0].left[0].reason
    assert apply_plan(back, tmp_path / "second").moved == 0, "what it would keep is gone"


def test_file_that_somebody_else_locked_is_left(desk):
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    with desk.path("b.jpg").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        applied = apply_plan(desk.plan(desk.group("a.jpg", "b.jpg")), desk.quarantine)
    assert "another run" in reasons(applied)["b.jpg"]


def test_copy_that_reads_otherwise_does_not_replace_the_original(desk, other_disk, monkeypatch):
    desk.quarantine = other_disk / "q"
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    before = desk.content()
    monkeypatch.setattr(disk, "_write_all", lambda descriptor, chunk: os.write(descriptor, b"0ne"))
    applied = apply_plan(desk.plan(desk.group("a.jpg", "b.jpg")), desk.quarantine)
    assert "does not read" in reasons(applied)["b.jpg"]
    assert (desk.content(), desk.waiting()) == (before, {})


@pytest.mark.parametrize("offered", [False, True])
def test_disk_without_exclusive_rename_or_links_is_served(desk, monkeypatch, offered):
    """As on older kernels (links only) and on FAT (neither)."""
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    before = desk.content()
    monkeypatch.setattr(disk, "_renameat2", lambda *_: errno.EINVAL)
    if not offered:
        real = os.rename

        def refuse(*_, **__):
            raise PermissionError(errno.EPERM, "no links here")

        def renamed(from_folder, name, to_folder, new_name):
            if from_folder != to_folder:
                raise OSError(errno.EXDEV, "copy")
            if disk.look(to_folder, new_name):
                raise FileExistsError(new_name)
            real(name, new_name, src_dir_fd=from_folder, dst_dir_fd=to_folder)

        monkeypatch.setattr(os, "link", refuse)
        for module in (moving, returning):
            monkeypatch.setattr(module, "rename_exclusive", renamed)
    applied = apply_plan(desk.plan(desk.group("a.jpg", "b.jpg")), desk.quarantine)
    assert (applied.moved, applied.left) == (1, [])
    assert undo(desk.quarantine).returned == 1
    assert desk.content() == before


# Undo


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


# Links and clones


def fake_clone(source, target):
    """What FICLONE does to the bytes, for file systems without it."""
    content = os.pread(source, 1 << 24, 0)
    os.ftruncate(target, 0)
    os.pwrite(target, content, 0)


@pytest.mark.parametrize("action", ["hardlink", "reflink"])
def test_substitute_stands_in_and_undo_brings_the_original(any_desk, monkeypatch, action):
    desk = any_desk
    monkeypatch.setattr(moving, "clone", fake_clone)
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
    monkeypatch.setattr(moving, "clone", fake_clone)
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


# What only the copy knew


def test_what_only_the_copy_knew_is_written_down(desk):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        desk.write(name, b"one" if name == "a.jpg" else name.encode())
    desk.write("b.xmp", b"<x:xmpmeta>stars</x:xmpmeta>")
    group = desk.group("a.jpg", "b.jpg", "c.jpg")
    told = replace(group.members[0].copy.facts, taken_at="2020-01-01T00:00:00", latitude=1.0, longitude=2.0)
    member = replace(group.members[0], copy=replace(group.members[0].copy, facts=told))
    plan = desk.plan(replace(group, members=(member, group.members[1])))
    apply_plan(plan, desk.quarantine)
    (sidecar,) = desk.quarantine.glob("runs/*/metadata.jsonl")
    (line,) = sidecar.read_text().splitlines()
    assert json.loads(line) == {
        "keeper": str(desk.path("a.jpg")),
        "member": str(desk.path("b.jpg")),
        "facts": {"taken_at": "2020-01-01T00:00:00", "latitude": 1.0, "longitude": 2.0},
        "xmp": {"path": str(desk.path("b.xmp")), "text": "<x:xmpmeta>stars</x:xmpmeta>"},
    }
    assert desk.path("b.xmp").exists()


def test_hash_of_an_open_file_is_that_of_its_bytes(desk):
    path = desk.write("big.bin", os.urandom(3 * disk.CHUNK_BYTES + 17))
    with path.open("rb") as file:
        digest, identity = disk.digest_of(file.fileno())
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert identity.size_bytes == path.stat().st_size
