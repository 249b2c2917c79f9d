"""Any sequence of plans, applies, undos, purges, kills and a person's own edits: no picture is ever lost by the
program.

A picture is a letter; its contents are "A1", "A2" ... Beside it may lie sidecars, of contents that are all different.
The promises, checked after every act of the program, ended or not: every content that was anywhere still is somewhere;
every picture that stood in the folder still stands there; a purge may delete contents, but only of pictures that stand,
and sidecars only once their picture is deleted. An act that comes to its end leaves no picture in the quarantine
without its sidecars, nor them without it. And if nobody else touched anything, undo is exact."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from desks import Desk
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from kills import killed_after
from moved import clone_or_copy

from imgsearch.dedup.quarantine import quarantine_file as moving
from imgsearch.dedup.quarantine.apply import apply_plan
from imgsearch.dedup.quarantine.bundles import bundles
from imgsearch.dedup.quarantine.folder import run_folders
from imgsearch.dedup.quarantine.names_beside import Followed
from imgsearch.dedup.quarantine.purge import purge
from imgsearch.dedup.quarantine.undo import undo

PICTURES = ["a.jpg", "b\n.jpg", "c\udcff.jpg", "sub/d.jpg", "sub/e.jpg", "sub/e.dng", "f.jpg"]
NAMES = st.sampled_from(PICTURES)
SIDECARS = st.sampled_from([*(f"{name}.xmp" for name in PICTURES), *(f"{name[:-4]}.xmp" for name in PICTURES)])
CONTENTS = st.sampled_from([b"A1", b"A2", b"B1"])
CALLS = st.integers(1, 60)
ACTIONS = st.sampled_from(["move", "move", "hardlink", "reflink"])
SHARED = Path("/dev/shm")


class Person(RuleBasedStateMachine):
    @initialize(
        other_disk=st.booleans(),
        files=st.dictionaries(NAMES, CONTENTS, min_size=5),
        sidecars=st.sets(SIDECARS, max_size=6),
    )
    def begin(self, other_disk, files, sidecars):
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(mock.patch.object(os, "fsync", lambda descriptor: None))
        self.stack.enter_context(mock.patch.object(moving, "clone", clone_or_copy))
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
        for name in sorted(sidecars):
            self.put(name, self.words())

    def teardown(self):
        self.stack.close()
        for folder in self.folders:
            shutil.rmtree(folder)

    # What is there

    def standing(self):
        """Contents of the person's pictures; not of what a killed run left under names of its own."""
        own = ((Path(path), content) for path, (content, _, kind) in self.desk.content().items() if kind)
        return [content for path, content in own if path.suffix != ".xmp" and path.name[:11] != ".imgsearch-"]

    def everything(self):
        """Contents of all files but empty ones, which are copies that had not begun."""
        standing = [content for content, _, kind in self.desk.content().values() if kind and content]
        return [*standing, *self.desk.waiting_of_all_runs().values()]

    def check(self, standing, everything, *, purged=False):
        assert {one[:1] for one in standing} <= {one[:1] for one in self.standing()}, "a picture left the folder"
        if not purged:
            gone = set(everything) - set(self.everything())
            assert not gone, (
                f"gone: {gone}; left: {[*self.desk.content().items(), *self.desk.waiting_of_all_runs().items()]}"
            )

    def act(self, work, kill, *, purged=False):
        standing, everything = self.standing(), self.everything()
        killed, result = False, None
        try:
            if kill is None:
                result = work()
            else:
                killed = killed_after(kill, work)
        finally:
            self.check(standing, everything, purged=purged)
        if not killed and not getattr(result, "left", None):
            self.check_nothing_is_parted(result)
        self.check_nothing_is_orphaned()

    def histories(self):
        return [(run, bundle) for run in run_folders(self.desk.quarantine) for bundle in bundles(run.history())]

    def check_nothing_is_parted(self, result):
        """Of what an act that came to its end and left nothing, or killed, has to do with: an undo sees to one run."""
        for run, bundle in self.histories():
            if getattr(result, "run_id", run.run_id) != run.run_id:
                continue
            if bundle.picture.state in ("missing", "purging", "purged"):  # what is left of these waits for a purge
                continue
            for own in bundle.companions:
                assert own.waits == bundle.picture.waits, (bundle.picture, own)
                if bundle.picture.state == own.state == "returned":
                    names = Followed(bundle.picture.step.name, bundle.picture.given)
                    assert own.given == names.name_of(own.step.name) or bundle.picture.given == bundle.picture.step.name

    def check_nothing_is_orphaned(self):
        """A sidecar that a purge deleted: then its picture is deleted too, however the purge ended."""
        for run, bundle in self.histories():
            deleted = (own for own in bundle.companions if own.state in ("purging", "purged"))
            for own in deleted:
                assert (run.path / own.step.stored).exists() or not (run.path / bundle.picture.step.stored).exists()

    # What a person does

    def words(self):
        """A text that no other sidecar has."""
        self.clock += 1
        return b"x%d" % self.clock

    def put(self, name, content):
        self.clock += 1
        self.desk.write(name, content, mtime_ns=self.clock, mode=0o600 + self.clock % 8)

    @rule(
        one=NAMES,
        other=NAMES,
        content=CONTENTS,
        how=st.sampled_from(["new", "edit", "delete", "rename", "link", "symlink"]),
    )
    def edit(self, one, other, content, how):
        """What people do to any file."""
        self.untouched = None
        path, target = self.desk.path(one), self.desk.path(other)
        target.parent.mkdir(exist_ok=True)
        if how == "new":
            path.unlink(missing_ok=True)
            self.put(one, content)
        elif how == "delete":
            path.unlink(missing_ok=True)
        elif not path.is_file():
            return
        elif how == "edit":
            path.write_bytes(content)
        elif how == "rename":
            path.replace(target)
        elif not target.exists() and not target.is_symlink():
            target.symlink_to(path) if how == "symlink" else os.link(path, target, follow_symlinks=False)

    @rule(name=SIDECARS, how=st.sampled_from(["new", "edit", "delete", "symlink"]))
    def edit_sidecar(self, name, how):
        """What other programs do to sidecars, and people who tidy up."""
        self.untouched = None
        path = self.desk.path(name)
        path.parent.mkdir(exist_ok=True)
        if how != "edit":
            path.unlink(missing_ok=True)
        if how == "symlink":
            path.symlink_to(self.desk.root / "a.jpg.xmp")
        elif how == "new" or (how == "edit" and path.is_file() and not path.is_symlink()):
            self.put(name, self.words())

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
        found = (path for path in self.desk.root.rglob("*") if path.suffix in (".jpg", ".dng") and path.is_file())
        names = sorted(str(path.relative_to(self.desk.root)) for path in found)
        groups = []
        for letter in (b"A", b"B"):
            own = [name for name in names if self.desk.path(name).read_bytes()[:1] == letter]
            own = data.draw(st.permutations(own))
            if len(own) > 1:
                groups.append(own)
        companions = self.companions(names, [name for own in groups for name in own[1:]])
        if groups:
            self.plans.append(self.desk.plan(*(self.desk.group(*own, companions=companions) for own in groups)))

    def companions(self, names, moved):
        """Sidecars of the pictures that are moved; one of several pictures only if all of them are."""
        found = {}
        for name in moved:
            beside = [other for other in names if other[:-4] == name[:-4]]
            sidecars = [f"{name}.xmp"]
            if set(beside) <= set(moved) and name == beside[-1]:
                sidecars.append(f"{name[:-4]}.xmp")
            found[name] = [one for one in sidecars if self.desk.path(one).is_file()]
        return found

    @rule(data=st.data(), action=ACTIONS)
    def find_and_apply(self, data, action):
        self.find(data)
        self.apply(-1, None, action)

    @rule(data=st.data(), action=ACTIONS, calls=CALLS)
    def find_and_apply_until_killed(self, data, action, calls):
        self.find(data)
        self.apply(-1, calls, action)

    @rule(age=st.integers(1, 3), action=ACTIONS)
    def apply_an_old_plan(self, age, action):
        self.apply(-age, None, action)

    def apply(self, which, kill, action):
        if len(self.plans) < -which:
            return
        if not self.desk.waiting_of_all_runs() and not list(self.desk.root.rglob(".imgsearch-*")):
            self.untouched = self.desk.content()
        self.act(lambda: apply_plan(self.plans[which], self.desk.quarantine, action=action), kill)

    @rule(calls=st.none() | CALLS)
    def undo_one(self, calls):
        self.act(lambda: undo(self.desk.quarantine), calls)

    @rule()
    def undo_all(self):
        while True:
            standing, everything = self.standing(), self.everything()
            done = undo(self.desk.quarantine)
            self.check(standing, everything)
            if done.run_id and not done.left:
                self.check_nothing_is_parted(done)
            if not done.run_id or done.left:
                break
        if self.untouched is not None:
            found = self.desk.content()
            assert found == self.untouched, {*found.items()} ^ {*self.untouched.items()}
            assert self.desk.waiting_of_all_runs() == {}

    @rule(kill=st.none() | CALLS)
    def purge_all(self, kill):
        standing, waiting, everything = self.standing(), self.desk.waiting_of_all_runs(), set(self.everything())
        self.act(lambda: purge(self.desk.quarantine), kill, purged=True)
        gone = {one for one in everything - set(self.everything()) if one[:1] != b"x"}
        assert not gone & set(standing), "a purge touches nothing outside the quarantine"
        assert {one[:1] for one in gone} <= {one[:1] for one in self.standing()}, "a purged picture stands nowhere"
        if len(self.desk.waiting_of_all_runs()) != len(waiting):
            self.untouched = None


Person.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
test_no_sequence_of_acts_loses_a_picture = Person.TestCase
