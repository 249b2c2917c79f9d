"""Files that belong to a picture go where it goes: into the quarantine, back, and out of the world."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import Desk
from kills import every_kill, killed_after
from moved import reasons

from imgsearch.dedup import moving, returning
from imgsearch.dedup.apply import apply_plan
from imgsearch.dedup.names_beside import Followed
from imgsearch.dedup.purge import purge
from imgsearch.dedup.quarantine import run_folders, runs
from imgsearch.dedup.undo import undo

GOLDEN = Path(__file__).parents[1] / "golden" / "dedup" / "quarantine-v1"
ALONG = {"b.jpg": ["b.xmp", "b.jpg.xmp", "B.AAE"], "sub/d.jpg": ["sub/d.mov"]}
CONTENTS = {"a.jpg": b"one", "b.jpg": b"one", "c.jpg": b"two" * 4_000, "sub/d.jpg": b"two" * 4_000}
CONTENTS |= {name: name.encode() for names in ALONG.values() for name in names}


def fill(desk: Desk) -> None:
    for number, (name, content) in enumerate(CONTENTS.items()):
        desk.write(name, content, mtime_ns=10**18 + number, mode=0o600 + number)


def plan_of(desk: Desk):
    return desk.plan(*(desk.group(*names, companions=ALONG) for names in (("a.jpg", "b.jpg"), ("c.jpg", "sub/d.jpg"))))


@pytest.fixture
def filled(any_desk):
    """Two pictures to be moved, one with three companions, one with one."""
    fill(any_desk)
    return any_desk


def standing(desk: Desk) -> set[str]:
    return {os.path.relpath(path, desk.root) for path in desk.content()}


def test_companions_move_with_their_picture_and_come_back(filled):
    before, seen = filled.content(), []
    done = apply_plan(plan_of(filled), filled.quarantine, progress=lambda *told: seen.append(told))
    assert (done.moved, done.companions, done.left, done.notes) == (6, 4, [], [])
    assert done.moved_bytes == sum(len(CONTENTS[name]) for name in CONTENTS if name not in ("a.jpg", "c.jpg"))
    assert seen == [(1, 2), (2, 2)]
    assert standing(filled) == {"a.jpg", "c.jpg"}
    undone = undo(filled.quarantine)
    assert (undone.returned, undone.beside, undone.notes, undone.left) == (6, [], [], [])
    assert filled.content() == before and filled.waiting_of_all_runs() == {}


def test_journal_says_of_a_companion_whose_it_is(filled):
    apply_plan(plan_of(filled), filled.quarantine)
    (run,) = run_folders(filled.quarantine)
    steps = [own.step for own in run.history().steps.values()]
    assert [(step.number, step.of) for step in steps] == [(1, 0), (2, 1), (3, 1), (4, 1), (5, 0), (6, 5)]
    assert {step.tier for step in steps if step.of} == {"companion"}
    assert {step.keeper for step in steps[:4]} == {str(filled.path("a.jpg"))}
    kinds = [json.loads(line[9:]) for line in run.journal.read_bytes().splitlines()]
    last = [(one["kind"], one.get("n")) for one in kinds[-5:]]
    assert last == [("intent", 5), ("intent", 6), ("done", 6), ("done", 5), ("finished", None)]
    assert "of" not in kinds[1]["step"], "as journals have always been"


def test_apply_again_finds_them_moved(filled):
    before, plan = filled.content(), plan_of(filled)
    apply_plan(plan, filled.quarantine)
    again = apply_plan(plan, filled.quarantine)
    assert (again.moved, again.already, again.left) == (0, 2, [])
    undo(filled.quarantine)
    assert filled.content() == before


# What is not as the plan says


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b"edited since"), "b.jpg.xmp, which belongs to it: it has changed"),
        (lambda path: (path.unlink(), path.symlink_to("b.xmp")), "b.jpg.xmp, which belongs to it: it is a symbolic"),
        (lambda path: (path.unlink(), path.mkdir()), "b.jpg.xmp, which belongs to it: it is not a regular"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "b.jpg.xmp, which belongs to it: it is not a regular"),
        (lambda path: (path.unlink(), os.link(path.with_name("a.jpg"), path)), "b.jpg.xmp, which belongs to it: it is"),
    ],
)
def test_picture_stays_with_a_companion_that_cannot_be_moved(filled, spoil, reason):
    plan = plan_of(filled)
    spoil(filled.path("b.jpg.xmp"))
    before = filled.content()
    done = apply_plan(plan, filled.quarantine)
    assert reason in reasons(done)["b.jpg"] and len(done.left) == 1
    assert (done.moved, done.companions) == (2, 1)
    undo(filled.quarantine)
    assert filled.content() == before


def test_companion_that_is_gone_is_noted_and_the_picture_moved(filled):
    plan = plan_of(filled)
    filled.path("b.jpg.xmp").unlink()
    before = filled.content()
    done = apply_plan(plan, filled.quarantine)
    assert (done.moved, done.left) == (5, [])
    assert [(Path(note.path).name, "is gone" in note.reason) for note in done.notes] == [("b.jpg.xmp", True)]
    undo(filled.quarantine)
    assert filled.content() == before


@pytest.mark.parametrize("action", ["hardlink", "reflink"])
def test_link_or_clone_leaves_the_companions_with_the_name(filled, monkeypatch, action):
    from moved import clone_or_copy

    monkeypatch.setattr(moving, "clone", clone_or_copy)
    before = filled.content()
    done = apply_plan(plan_of(filled), filled.quarantine, action=action)
    assert (done.moved, done.companions, done.left) == (2, 0, [])
    assert standing(filled) == set(CONTENTS)
    undo(filled.quarantine)
    assert filled.content() == before


@pytest.mark.parametrize("call", ["rename_exclusive", "copy_file", "look"])
@pytest.mark.parametrize("when", range(1, 9))
def test_disk_that_refuses_a_companion_leaves_all_of_them(filled, monkeypatch, call, when):
    plan, before = plan_of(filled), filled.content()
    real, count = getattr(moving, call), 0

    def refusing(*arguments):
        nonlocal count
        count += 1
        if count == when:
            raise OSError(errno.EIO, "the disk is broken")
        return real(*arguments)

    monkeypatch.setattr(moving, call, refusing)
    done = apply_plan(plan, filled.quarantine)
    monkeypatch.undo()
    check_nothing_is_parted(filled)
    assert len(done.left) == (1 if count >= when else 0)
    undo(filled.quarantine)
    assert filled.content() == before


@pytest.mark.parametrize("when", range(1, 9))
@pytest.mark.parametrize("target", ["b.jpg", "b.xmp", "B.AAE", "a.jpg"])
def test_companion_replaced_at_the_last_moment_is_not_lost(filled, monkeypatch, when, target):
    plan, before = plan_of(filled), filled.content()
    real, count, saved = moving.rename_exclusive, 0, []

    def saving(*arguments):
        nonlocal count
        count += 1
        if count == when and filled.path(target).exists():
            filled.write("incoming", b"precious")
            filled.path("incoming").replace(filled.path(target))
            saved.append(target)
        real(*arguments)

    monkeypatch.setattr(moving, "rename_exclusive", saving)
    apply_plan(plan, filled.quarantine)
    monkeypatch.undo()
    check_nothing_is_parted(filled)
    undo(filled.quarantine)
    found = filled.content()
    if saved:
        path = str(filled.path(target))
        assert found.pop(path)[0] == b"precious"
        del before[path]
    assert {path: told for path, told in before.items() if path not in found} == {}


def check_nothing_is_parted(desk: Desk) -> None:
    names = standing(desk)
    for picture, others in ALONG.items():
        if picture in names:
            assert set(others) <= names, f"{picture} stands alone"
        else:
            assert not set(others) & names, f"{picture} left {set(others) & names}"


# Undo where names are taken


@pytest.mark.parametrize("taken", ["b.jpg", "b.xmp", "b.jpg.xmp", "B.AAE"])
def test_companions_follow_the_name_that_their_picture_gets(filled, taken):
    """Also where only one of theirs is taken: they belong together."""
    apply_plan(plan_of(filled), filled.quarantine)
    filled.write(taken, b"somebody's")
    filled.write("b (restored).jpg.xmp", b"somebody's too")
    undone = undo(filled.quarantine)
    assert (undone.returned, len(undone.beside), undone.left) == (6, 4, [])
    found = {path.name: path.read_bytes() for path in filled.root.iterdir() if path.is_file()}
    assert found.pop(taken) == b"somebody's" and found.pop("b (restored).jpg.xmp") == b"somebody's too"
    assert found == {
        "a.jpg": b"one",
        "c.jpg": CONTENTS["c.jpg"],
        "b (restored 2).jpg": b"one",
        "b (restored 2).xmp": b"b.xmp",
        "b (restored 2).jpg.xmp": b"b.jpg.xmp",
        "B (restored 2).AAE": b"B.AAE",
    }


@pytest.mark.parametrize(
    ("picture", "given", "companion", "expected"),
    [
        ("a.jpg", "a.jpg", "a.xmp", "a.xmp"),
        ("a.jpg", "a (restored).jpg", "a.xmp", "a (restored).xmp"),
        ("a.jpg", "a (restored 3).jpg", "a.jpg.xmp", "a (restored 3).jpg.xmp"),
        ("IMG_1.JPG", "IMG_1 (restored).JPG", "img_1.xmp", "img_1 (restored).xmp"),
        ("IMG_E1.JPG", "IMG_E1 (restored).JPG", "IMG_O1.AAE", "IMG_O1 (restored).AAE"),
        ("a(1).jpg", "a(1) (restored).jpg", "a.jpg(1).json", "a.jpg(1) (restored).json"),
        (
            "a.jpg",
            "a (restored).jpg",
            "a.jpg.supplemental-metadata.json",
            "a (restored).jpg.supplemental-metadata.json",
        ),
        ("a (restored).jpg", "a (restored) (restored).jpg", "a (restored).xmp", "a (restored) (restored).xmp"),
        ("x" * 251 + ".jpg", "x" * 240 + " (restored).jpg", "x" * 251 + ".xmp", "x" * 240 + " (restored).xmp"),
        (".hidden", ".hidden (restored)", ".hidden.xmp", ".hidden (restored).xmp"),
    ],
)
def test_companions_name_gets_the_mark_of_its_pictures(picture, given, companion, expected):
    assert Followed(picture, given).name_of(companion) == expected


def test_picture_that_cannot_come_back_keeps_its_companions(filled, monkeypatch):
    before = filled.content()
    apply_plan(plan_of(filled), filled.quarantine)
    real = returning.rename_exclusive

    def refusing(folder, name, *rest):
        if name.endswith("b.jpg") or "-1.back" in name:
            raise OSError(errno.EIO, "the disk is broken")
        real(folder, name, *rest)

    monkeypatch.setattr(returning, "rename_exclusive", refusing)
    undone = undo(filled.quarantine)
    monkeypatch.undo()
    assert (undone.returned, len(undone.left)) == (2, 4)
    check_nothing_is_parted(filled)
    undo(filled.quarantine)
    assert filled.content() == before


# Kills


class Scene:
    """One picture with two companions, in a run with nothing else: each kill costs a run."""

    contents: ClassVar = {name: CONTENTS[name] for name in ("a.jpg", "b.jpg", "b.xmp", "b.jpg.xmp")}

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.fresh()
        self.plan = desk.plan(desk.group("a.jpg", "b.jpg", companions={"b.jpg": ["b.xmp", "b.jpg.xmp"]}))
        self.before = desk.content()

    def fresh(self):
        for folder in (self.desk.root, self.desk.quarantine):
            shutil.rmtree(folder, ignore_errors=True)
        for number, (name, content) in enumerate(self.contents.items()):
            self.desk.write(name, content, mtime_ns=10**18 + number, mode=0o600 + number)

    def applied(self):
        self.fresh()
        apply_plan(self.plan, self.desk.quarantine)

    def check_nothing_is_lost(self):
        found = [content for content, _, _ in self.desk.content().values()]
        found += self.desk.waiting_of_all_runs().values()
        assert set(self.contents.values()) <= set(found) and found.count(b"one") >= 2

    def check_nothing_is_parted(self):
        names = standing(self.desk)
        assert len({"b.jpg", "b.xmp", "b.jpg.xmp"} & names) in (0, 3), names

    def check_all_is_back(self):
        while undo(self.desk.quarantine).run_id:
            pass
        assert self.desk.content() == self.before
        assert self.desk.waiting_of_all_runs() == {}


@pytest.fixture
def scene(any_desk):
    return Scene(any_desk)


def test_apply_with_companions_killed_anywhere_is_undone_or_ended(scene):
    count = 0
    for count in every_kill(lambda: apply_plan(scene.plan, scene.desk.quarantine), scene.fresh):
        scene.check_nothing_is_lost()
        if count % 2 == 0:
            again = apply_plan(scene.plan, scene.desk.quarantine)
            assert (again.left, again.moved - again.companions + again.already) == ([], 1)
            assert standing(scene.desk) == {"a.jpg"}
        scene.check_all_is_back()
    assert count > 20


def test_next_run_brings_a_half_bundle_back_before_anything_else(scene):
    """A picture without its companions, or they without it, stand nowhere once another run has begun."""
    for work, fresh in (
        (lambda: apply_plan(scene.plan, scene.desk.quarantine), scene.fresh),
        (lambda: undo(scene.desk.quarantine), scene.applied),
    ):
        for _ in every_kill(work, fresh):
            apply_plan(scene.desk.plan(), scene.desk.quarantine)
            scene.check_nothing_is_parted()


@pytest.mark.parametrize("taken", ["", "b.jpg", "b.xmp"])
def test_undo_with_companions_killed_anywhere_keeps_them_together(scene, taken):
    def applied():
        scene.applied()
        if taken:
            scene.desk.path(taken).write_bytes(b"somebody's")

    for _ in every_kill(lambda: undo(scene.desk.quarantine), applied):
        scene.check_nothing_is_lost()
        if not taken:
            scene.check_all_is_back()
            continue
        while undo(scene.desk.quarantine).run_id:
            pass
        found = {path.name: path.read_bytes() for path in scene.desk.root.iterdir()}
        assert found.pop(taken) == b"somebody's"
        assert sorted(found) == ["a.jpg", "b (restored).jpg", "b (restored).jpg.xmp", "b (restored).xmp"]
        assert scene.desk.waiting_of_all_runs() == {}


def test_undo_of_a_killed_apply_killed_too_keeps_bundles(scene):
    for first in range(1, 80, 11):
        for second in range(1, 40, 9):
            scene.fresh()
            if not killed_after(first, lambda: apply_plan(scene.plan, scene.desk.quarantine)):
                return
            if killed_after(second, lambda: undo(scene.desk.quarantine)):
                scene.check_nothing_is_lost()
            scene.check_all_is_back()


# Purge


def test_purge_deletes_them_together(filled):
    apply_plan(plan_of(filled), filled.quarantine)
    done = purge(filled.quarantine)
    assert (done.purged, done.left, filled.waiting_of_all_runs()) == (6, [], {})
    assert undo(filled.quarantine).run_id == ""
    (run,) = runs(filled.quarantine)
    assert (run.purged, run.moved) == (6, 0)


def test_purge_leaves_companions_whose_picture_it_leaves(filled):
    before = filled.content()
    apply_plan(plan_of(filled), filled.quarantine)
    filled.path("a.jpg").write_bytes(b"edited")
    done = purge(filled.quarantine)
    assert (done.purged, len(done.left)) == (2, 4)
    assert all("has changed" in one.reason for one in done.left)
    assert undo(filled.quarantine).returned == 4
    assert {path for path in before if path not in filled.content()} == {
        str(filled.path(name)) for name in ("sub/d.jpg", "sub/d.mov")
    }


def test_purge_leaves_companions_whose_picture_somebody_took(filled):
    apply_plan(plan_of(filled), filled.quarantine)
    (taken,) = filled.quarantine.glob("runs/*/files/*/*-b.jpg")
    taken.unlink()
    done = purge(filled.quarantine)
    assert (done.purged, len(done.left)) == (2, 4)
    undone = undo(filled.quarantine)
    assert (undone.returned, len(undone.missing)) == (3, 1)
    assert {"b.xmp", "b.jpg.xmp", "B.AAE"} <= standing(filled)


def test_purge_killed_anywhere_deletes_no_companion_before_its_picture(scene):
    for count in every_kill(lambda: purge(scene.desk.quarantine), scene.applied):
        waiting = set(scene.desk.waiting())
        assert {"b.xmp", "b.jpg.xmp"} <= waiting or "b.jpg" not in waiting
        if count % 2:
            undo(scene.desk.quarantine)
            scene.check_nothing_is_parted()
            assert undo(scene.desk.quarantine).run_id == "", "what only waits for a purge holds up no undo"
        assert purge(scene.desk.quarantine).left == []
        scene.check_nothing_is_parted()
        assert scene.desk.waiting_of_all_runs() == {}
        assert scene.desk.path("a.jpg").read_bytes() == b"one"


# What was there before companions were


def test_run_of_the_program_before_is_undone(desk):
    """A move, a hard link and a move that was killed, of folders that were elsewhere then."""
    shutil.copytree(GOLDEN, desk.quarantine)
    for journal in desk.quarantine.glob("runs/*/journal.jsonl"):
        lines = journal.read_bytes().splitlines()
        texts = [line[9:].replace(b"/golden/photos", os.fsencode(desk.root)) for line in lines]
        journal.write_bytes(b"".join(b"%08x %s\n" % (zlib.crc32(text), text) for text in texts))
    for name, content in (("a.jpg", b"one"), ("c.jpg", b"two")):
        desk.write(name, content)
    os.link(desk.path("a.jpg"), desk.path("e.jpg"))
    assert [(run.action, run.moved, run.finished, run.bad_lines) for run in runs(desk.quarantine)] == [
        ("move", 2, True, 0),
        ("hardlink", 1, True, 0),
        ("move", 1, False, 0),
    ]
    assert apply_plan(desk.plan(), desk.quarantine).mended == 1
    assert desk.path("d.jpg").read_bytes() == b"two"
    assert [undo(desk.quarantine).returned for _ in range(3)] == [1, 2, 0]
    assert standing(desk) == {"a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "sub/b c.jpg"}
    assert desk.path("e.jpg").stat().st_nlink == 1 and desk.path("sub/b c.jpg").read_bytes() == b"another"
    assert desk.waiting_of_all_runs() == {}


def test_sidecar_that_goes_along_is_still_written_down(desk):
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    desk.write("b.xmp", b"<stars/>")
    apply_plan(desk.plan(desk.group("a.jpg", "b.jpg", companions={"b.jpg": ["b.xmp"]})), desk.quarantine)
    (sidecar,) = desk.quarantine.glob("runs/*/metadata.jsonl")
    assert json.loads(sidecar.read_text())["xmp"]["text"] == "<stars/>"


def test_picture_behind_a_link_into_a_programs_folder_is_left(desk):
    """The plan's path is an ordinary one; where it leads is not."""
    desk.write("a.jpg", b"one")
    desk.write("My.photoslibrary/originals/b.jpg", b"one")
    desk.path("mine").symlink_to("My.photoslibrary/originals")
    done = apply_plan(desk.plan(desk.group("a.jpg", "mine/b.jpg")), desk.quarantine)
    assert "an Apple Photos library" in reasons(done)["b.jpg"]
    assert desk.path("mine/b.jpg").exists()


def test_root_of_one_file_moves_its_companions_too(desk):
    for name in ("a.jpg", "b.jpg"):
        desk.write(name, b"one")
    desk.write("b.xmp", b"x")
    before, group = desk.content(), desk.group("a.jpg", "b.jpg", companions={"b.jpg": ["b.xmp"]})
    single = replace(group.members[0], copy=replace(group.members[0].copy, root_id=2))
    plan = replace(
        desk.plan(),
        groups=(replace(group, members=(single,)),),
        roots={1: str(desk.root), 2: single.copy.path},
    )
    assert apply_plan(plan, desk.quarantine).moved == 2
    undo(desk.quarantine)
    assert desk.content() == before
