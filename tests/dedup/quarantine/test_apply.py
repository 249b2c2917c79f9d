"""Apply and undo: what moves, what is left alone and why."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace

import pytest
from moved import reasons

from imgsearch.dedup.quarantine.apply import apply_plan, reason_of
from imgsearch.dedup.quarantine.folder import runs
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.errors import UsageError

NAMES = [b"plain.jpg", b"new\nline.jpg", b"bad\xff\xfebyte.jpg", "Ünï ☃.jpg".encode(), b"-rf", b"x" * 251 + b".jpg"]


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


def test_missing_permission_is_told_in_words() -> None:
    told = [reason_of(OSError(code, os.strerror(code))) for code in (errno.EACCES, errno.EROFS, errno.ENOSPC)]
    assert "no permission" in told[0] and "read-only" in told[1] and told[2] == os.strerror(errno.ENOSPC)
