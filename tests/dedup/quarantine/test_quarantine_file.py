"""While apply moves a file: somebody saves, the disk refuses, another run is at work."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os

import pytest
from moved import reasons

from imgsearch.dedup import disk
from imgsearch.dedup.quarantine import quarantine_file as moving
from imgsearch.dedup.quarantine import restore_file as returning
from imgsearch.dedup.quarantine.apply import apply_plan
from imgsearch.dedup.quarantine.folder import runs, working
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.errors import LibraryBusy


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


def test_file_in_a_read_only_folder_is_left_and_nothing_of_it_copied(any_desk, monkeypatch):
    desk = any_desk
    for name in ("a.jpg", "sub/b.jpg", "c.jpg"):
        desk.write(name, b"one")
    before, plan = desk.content(), desk.plan(desk.group("a.jpg", "sub/b.jpg", "c.jpg"))
    desk.path("sub").chmod(0o500)
    if os.geteuid() == 0:  # whom modes do not hold back: as a disk mounted read-only answers
        real, folder = os.access, desk.path("sub").stat().st_ino
        monkeypatch.setattr(
            os,
            "access",
            lambda path, mode, dir_fd: os.fstat(dir_fd).st_ino != folder and real(path, mode, dir_fd=dir_fd),
        )
    applied = apply_plan(plan, desk.quarantine)
    monkeypatch.undo()
    desk.path("sub").chmod(0o700)
    assert reasons(applied) == {"b.jpg": "its folder is read-only"}
    assert desk.waiting() == {"c.jpg": b"one"}
    assert undo(desk.quarantine).returned == 1
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


def test_hash_of_an_open_file_is_that_of_its_bytes(desk):
    path = desk.write("big.bin", os.urandom(3 * disk.CHUNK_BYTES + 17))
    with path.open("rb") as file:
        digest, identity = disk.digest_of(file.fileno())
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert identity.size_bytes == path.stat().st_size
