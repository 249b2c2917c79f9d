"""An apply, an undo or a purge that is killed after any call that changes the disk: what follows brings all back."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from kills import every_kill, killed_after
from moved import clone_or_copy

from imgsearch import files
from imgsearch.dedup import disk
from imgsearch.dedup.quarantine import quarantine_file as moving
from imgsearch.dedup.quarantine.apply import apply_plan
from imgsearch.dedup.quarantine.folder import runs
from imgsearch.dedup.quarantine.journal import read_journal
from imgsearch.dedup.quarantine.purge import purge
from imgsearch.dedup.quarantine.undo import undo

ACTIONS = ["move", "hardlink", "reflink"]


class Scene:
    """Three files of two contents and a plan to move two of them; can be made anew."""

    def __init__(self, desk):
        self.desk = desk
        self.fresh()
        self.plan = desk.plan(desk.group("a.jpg", "sub/b\n\udcff.jpg"), desk.group("c.jpg", "d.jpg"))
        self.before = desk.content()

    def fresh(self):
        for folder in (self.desk.root, self.desk.quarantine):
            shutil.rmtree(folder, ignore_errors=True)
        for number, name in enumerate(("a.jpg", "sub/b\n\udcff.jpg", "c.jpg", "d.jpg")):
            self.desk.write(
                name, b"one" if number < 2 else b"two" * 4_000, mtime_ns=10**18 + number, mode=0o600 + number
            )

    def applied(self, action):
        self.fresh()
        apply_plan(self.plan, self.desk.quarantine, action=action)

    def check_nothing_is_lost(self):
        found = [content for content, _, _ in self.desk.content().values()] + list(
            self.desk.waiting_of_all_runs().values()
        )
        for content in (b"one", b"two" * 4_000):
            assert found.count(content) >= 2
        assert self.desk.content()[str(self.desk.path("a.jpg"))] == self.before[str(self.desk.path("a.jpg"))]

    def check_all_is_back(self):
        while undo(self.desk.quarantine).run_id:
            pass
        assert self.desk.content() == self.before
        assert self.desk.waiting() == {}
        assert all(path.stat().st_nlink == 1 for path in self.desk.root.glob("*.jpg"))


@pytest.fixture
def scene(any_desk, monkeypatch):
    monkeypatch.setattr(moving, "clone", clone_or_copy)
    return Scene(any_desk)


@pytest.mark.parametrize("action", ACTIONS)
def test_apply_killed_anywhere_is_undone_or_ended(scene, action):
    work = lambda: apply_plan(scene.plan, scene.desk.quarantine, action=action)  # noqa: E731
    count = 0
    for count in every_kill(work, scene.fresh):
        scene.check_nothing_is_lost()
        if count % 3 == 0:
            again = apply_plan(scene.plan, scene.desk.quarantine, action=action)
            assert (again.left, again.moved + again.already) == ([], 2)
            scene.check_nothing_is_lost()
        scene.check_all_is_back()
    assert count > 20


@pytest.mark.parametrize("action", ACTIONS)
def test_undo_killed_anywhere_is_ended_by_the_next(scene, action):
    calls = []
    for count in every_kill(lambda: undo(scene.desk.quarantine), lambda: scene.applied(action)):
        scene.check_nothing_is_lost()
        scene.check_all_is_back()
        calls.append(count)
    assert len(calls) > 4


def test_undo_of_a_killed_apply_killed_too_is_ended_by_the_next(scene):
    """Both at moments that a shift of nine and six runs through."""
    for first in range(1, 60, 9):
        for second in range(1, 30, 6):
            scene.fresh()
            if not killed_after(first, lambda: apply_plan(scene.plan, scene.desk.quarantine, action="hardlink")):
                return
            if killed_after(second, lambda: undo(scene.desk.quarantine)):
                scene.check_nothing_is_lost()
            scene.check_all_is_back()


@pytest.mark.parametrize("renameat2", [True, False])
def test_undo_beside_a_taken_name_killed_anywhere_leaves_one_of_each(scene, monkeypatch, renameat2):
    if not renameat2:
        monkeypatch.setattr(disk, "_renameat2", lambda *_: 22)
    taken = scene.desk.path("d.jpg")

    def applied():
        scene.applied("move")
        taken.write_bytes(b"somebody's")

    for _ in every_kill(lambda: undo(scene.desk.quarantine), applied):
        while undo(scene.desk.quarantine).run_id:
            pass
        found = {path.name: path.read_bytes() for path in scene.desk.root.iterdir() if path.is_file()}
        two = b"two" * 4_000
        assert found == {"a.jpg": b"one", "c.jpg": two, "d.jpg": b"somebody's", "d (restored).jpg": two}
        assert scene.desk.waiting() == {}


def test_purge_killed_anywhere_leaves_what_can_be_undone_or_purged(scene):
    kept = [scene.before[str(scene.desk.path(name))] for name in ("a.jpg", "c.jpg")]
    for count in every_kill(lambda: purge(scene.desk.quarantine), lambda: scene.applied("move")):
        waiting = scene.desk.waiting()
        if count % 2:
            assert purge(scene.desk.quarantine).left == []
            waiting = {}
        else:
            assert undo(scene.desk.quarantine).returned == len(waiting)
        content = scene.desk.content()
        assert [content.pop(str(scene.desk.path(name))) for name in ("a.jpg", "c.jpg")] == kept
        assert sorted(one for one, _, _ in content.values()) == sorted(waiting.values())
        assert scene.desk.waiting() == {}
        (run,) = runs(scene.desk.quarantine)
        assert run.returned + run.purged == 2


def test_journal_torn_at_any_byte_of_its_last_line_loses_nothing(scene):
    """What a power cut may leave of a line that was not durable yet: its step had not begun, or shows on the disk."""
    for number in (-2, -1):  # done and finished, which are not fsynced before the next act
        for share in (0, 0.02, 0.5, 0.99):
            scene.applied("move")
            (journal,) = scene.desk.quarantine.glob("runs/*/journal.jsonl")
            lines = journal.read_bytes().splitlines(keepends=True)
            assert (b'"done"', b'"finished"')[number] in lines[number]
            length = round(share * len(lines[number]))
            torn = lines[number][:length] + (b"\0" * 9 if length else b"")
            journal.write_bytes(b"".join(lines[:number]) + torn)
            assert read_journal(journal).bad_lines == 0
            scene.check_all_is_back()


@pytest.mark.parametrize("step", [step for step in files.STEPS if step.startswith("dedup")])
def test_named_step_is_reached_and_survived(desk, other_disk, monkeypatch, step):
    """SIGKILL at the steps that an engineer can name in IMGSEARCH_CRASH_AT, on one disk or between two."""
    here, there = desk.quarantine, other_disk / "quarantine"

    def work(quarantine):
        apply_plan(scene.plan, quarantine, action="hardlink")
        undo(quarantine)
        apply_plan(scene.plan, quarantine)
        purge(quarantine)

    died = []
    for quarantine in (here, there):
        desk.quarantine = quarantine
        scene = Scene(desk)
        child = os.fork()
        if child == 0:
            files._crash_at, files._remaining = step, 1
            work(quarantine)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL)
        if code:
            died.append(quarantine)
            if "purg" not in step:
                scene.check_nothing_is_lost()
                scene.check_all_is_back()
            else:
                assert purge(quarantine).left == []
    assert died, f"nothing reaches {step}"
