"""Any sequence of plans, applies, undos, purges, kills and a person's own edits: no picture is ever lost by the
program.

A picture is a letter; its contents are "A1", "A2" ... The promises, checked after every act of the program, ended or
not: every content that was anywhere still is somewhere; every picture that stood in the folder still stands there; a
purge may delete contents, but only of pictures that stand. And if nobody else touched anything, undo is exact."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from conftest import Desk
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from kills import killed_after

from imgsearch.dedup import moving
from imgsearch.dedup.apply import apply_plan
from imgsearch.dedup.purge import purge
from imgsearch.dedup.undo import undo

NAMES = st.sampled_from(["a.jpg", "b\n.jpg", "c\udcff.jpg", "sub/d.jpg", "sub/e.jpg", "f.jpg"])
CONTENTS = st.sampled_from([b"A1", b"A2", b"B1", b"B2"])
KILL = st.none() | st.none() | st.integers(1, 60)
ACTIONS = st.sampled_from(["move", "move", "hardlink", "reflink"])
SHARED = Path("/dev/shm")


def fake_clone(source, target):
    os.pwrite(target, os.pread(source, 100, 0), 0)


class Person(RuleBasedStateMachine):
    @initialize(other_disk=st.booleans(), files=st.dictionaries(NAMES, CONTENTS, min_size=2))
    def begin(self, other_disk, files):
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(mock.patch.object(os, "fsync", lambda descriptor: None))
        self.stack.enter_context(mock.patch.object(moving, "clone", fake_clone))
        self.folders = [Path(tempfile.mkdtemp()) for _ in range(1)]
        if other_disk and os.access(SHARED, os.W_OK):
            self.folders.append(Path(tempfile.mkdtemp(dir=SHARED)))
        self.desk = Desk(self.folders[0] / "photos", self.folders[-1] / "quarantine")
        self.desk.root.mkdir()
        self.clock = 10**18
        self.plans = []
        self.untouched = None  # the folder before the first run that is not undone, while nobody else touched it
        for name, content in files.items():
            self.put(name, content)

    def teardown(self):
        self.stack.close()
        for folder in self.folders:
            shutil.rmtree(folder)

    # What is there

    def standing(self):
        return [content for content, _, kind in self.desk.content().values() if kind]

    def waiting(self):
        return list(self.desk.waiting().values())

    def check(self, standing, everything, *, purged=False):
        assert {one[:1] for one in standing} <= {one[:1] for one in self.standing()}, "a picture left the folder"
        if not purged:
            assert set(everything) <= {*self.standing(), *self.waiting()}, "a content is gone"
        for name in ("a.jpg", "b.jpg"):
            assert not self.desk.path(name + ".part").exists()

    def act(self, work, kill, *, purged=False):
        standing, waiting = self.standing(), self.waiting()
        try:
            ended = kill is None or not killed_after(kill, work)
            if kill is None:
                work()
        finally:
            self.check(standing, [*standing, *waiting], purged=purged)
        return ended

    # What a person does

    def put(self, name, content):
        self.clock += 1
        self.desk.write(name, content, mtime_ns=self.clock, mode=0o600 + self.clock % 8)

    @rule(name=NAMES, content=CONTENTS)
    def write(self, name, content):
        self.untouched = None
        with contextlib.suppress(OSError):
            self.desk.path(name).unlink()
        self.put(name, content)

    @rule(name=NAMES, content=CONTENTS)
    def edit_in_place(self, name, content):
        self.untouched = None
        if self.desk.path(name).is_file():
            self.desk.path(name).write_bytes(content)

    @rule(name=NAMES)
    def delete(self, name):
        self.untouched = None
        self.desk.path(name).unlink(missing_ok=True)

    @rule(one=NAMES, other=NAMES, symbolic=st.booleans())
    def link(self, one, other, symbolic):
        self.untouched = None
        source, target = self.desk.path(one), self.desk.path(other)
        if source.is_file() and not target.exists() and not target.is_symlink():
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(source) if symbolic else os.link(source, target, follow_symlinks=False)

    @rule(one=NAMES, other=NAMES)
    def rename(self, one, other):
        self.untouched = None
        if self.desk.path(one).exists():
            self.desk.path(other).parent.mkdir(exist_ok=True)
            self.desk.path(one).replace(self.desk.path(other))

    @rule(data=st.data(), keeper=st.booleans(), content=st.none() | CONTENTS)
    def meddle(self, data, keeper, content):
        """Delete or edit just a file that a plan speaks of: where most harm could be done."""
        groups = [group for plan in self.plans[-2:] for group in plan.groups]
        if not groups:
            return
        self.untouched = None
        group = data.draw(st.sampled_from(groups))
        copies = [group.keeper] if keeper else [member.copy for member in group.members]
        for copy in copies:
            if content is None or not Path(copy.path).exists():
                Path(copy.path).unlink(missing_ok=True)
            else:
                Path(copy.path).write_bytes(content)

    # What the program does

    def find(self, data):
        """A plan of what stands there now; applied now or when it has become old."""
        names = sorted(
            str(path.relative_to(self.desk.root)) for path in self.desk.root.rglob("*.jpg") if path.is_file()
        )
        groups = []
        for letter in (b"A", b"B"):
            own = [name for name in names if self.desk.path(name).read_bytes()[:1] == letter]
            own = data.draw(st.permutations(own))
            if len(own) > 1:
                groups.append(self.desk.group(*own))
        if groups:
            self.plans.append(self.desk.plan(*groups))

    @rule(data=st.data(), kill=KILL, action=ACTIONS, old=st.booleans())
    def apply(self, data, kill, action, old):
        if not old:
            self.find(data)
        if not self.plans:
            return
        plan = data.draw(st.sampled_from(self.plans[-3:]))
        before = self.desk.content()
        if not self.waiting():
            self.untouched = before
        self.act(lambda: apply_plan(plan, self.desk.quarantine, action=action), kill)

    @rule(kill=KILL)
    def undo_one(self, kill):
        self.act(lambda: undo(self.desk.quarantine), kill)

    @rule()
    def undo_all(self):
        while True:
            standing, waiting = self.standing(), self.waiting()
            done = undo(self.desk.quarantine)
            self.check(standing, [*standing, *waiting])
            if not done.run_id or done.left:
                break
        if self.untouched is not None:
            assert self.desk.content() == self.untouched
            assert self.waiting() == []

    @rule(kill=KILL)
    def purge_all(self, kill):
        standing, waiting = self.standing(), self.waiting()
        self.act(lambda: purge(self.desk.quarantine), kill, purged=True)
        gone = {*standing, *waiting} - {*self.standing(), *self.waiting()}
        assert not gone & set(standing), "a purge touches nothing outside the quarantine"
        assert {one[:1] for one in gone} <= {one[:1] for one in self.standing()}, "a purged picture stands nowhere"
        if len(self.waiting()) != len(waiting):
            self.untouched = None


Person.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
test_no_sequence_of_acts_loses_a_picture = Person.TestCase
