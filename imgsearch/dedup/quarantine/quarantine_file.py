"""Moves one image and the files that belong to it into the quarantine. If anything fails on the way,
`bundles.return_bundle` brings them back."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgsearch.dedup.disk import (
    Identity,
    Refused,
    copy_attributes,
    copy_file,
    digest_of,
    lock_file,
    look,
    open_file,
    open_folder,
    remove_file,
    rename_exclusive,
    resolve_folder,
)
from imgsearch.dedup.evidence.records import Member
from imgsearch.dedup.quarantine.folder import RunFolder
from imgsearch.dedup.quarantine.holding import Keeper
from imgsearch.dedup.quarantine.journal import Journal, Step, StepState
from imgsearch.files import reached
from imgsearch.media.walking.program_folders import program_folder_above

ACTIONS = ("move", "hardlink", "reflink")
COMPANION = "companion"
"""The journal's word in place of a tier for files that move along with an image."""

_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)


@dataclass(frozen=True, slots=True)
class Mover:
    """Moves members of groups into one run's folder. ``quarantine``: without symbolic links."""

    run: RunFolder
    journal: Journal
    action: str
    quarantine: Path

    def move(self, number: int, member: Member, root: str, keeper: Keeper) -> Moved:
        """Move one member and its companions, as steps from ``number`` on; the journal says "done" when this returns.
        All of them are opened, read whole and compared with the plan before the first is touched. A link or clone
        leaves the companions where they are, because the image's name stays.

        Raises Refused or OSError, with nothing in the journal, if nothing was touched; later, `Unfinished` with the
        steps that have to be put back."""
        with contextlib.ExitStack() as opened:
            place = self._open_place(member.copy.path, root, opened)
            if self.action != "move" and member.copy.facts.content_hash != keeper.copy.facts.content_hash:
                raise Refused(f"a {self.action} takes the same bytes; this is another file of the picture")
            asked = AskedFile(member.copy.path, member.copy.facts.content_hash, member.evidence.tier)
            picture = self._prepare(number, asked, place, keeper, opened)
            along, gone = self._prepare_companions(picture, member, place, keeper, opened)
            self._carry([picture, *along])
            return Moved(tuple(one.own.step for one in (picture, *along)), gone)

    def _open_place(self, path: str, root: str, opened: contextlib.ExitStack) -> _Place:
        real_root, folder = resolve_folder(root, path)
        if folder == str(self.quarantine) or folder.startswith(f"{self.quarantine}/"):
            raise Refused("it lies in the quarantine")
        program = program_folder_above(folder)
        if program is not None:
            raise Refused(f"it lies in {program.words}, {program.path}")
        return _Place(real_root, folder, opened.enter_context(open_folder(real_root, folder)))

    def _prepare(
        self, number: int, asked: AskedFile, place: _Place, keeper: Keeper, opened: contextlib.ExitStack
    ) -> CarriedFile:
        """An open and locked file that matches the plan, and the step that it is about to take."""
        name = Path(asked.path).name
        descriptor = opened.enter_context(open_file(place.parent, name))
        if not os.access(".", os.W_OK, dir_fd=place.parent):
            raise Refused("its folder is read-only")
        identity = _check_file(asked, descriptor, keeper)
        stored = self.run.stored_name(number, name)
        step = Step(
            number,
            asked.path,
            place.root,
            place.folder,
            name,
            asked.sha256,
            identity.size_bytes,
            identity.mtime_ns,
            stat.S_IMODE(os.fstat(descriptor).st_mode),
            identity.inode,
            asked.tier,
            keeper.copy.path,
            keeper.copy.facts.content_hash,
            self.action,
            "rename" if identity.device == self.run.path.stat().st_dev else "copy",
            stored,
            asked.of,
        )
        own = str((self.run.path / stored).parent)
        inside = opened.enter_context(open_folder(str(self.run.path), own, create=True))
        return CarriedFile(StepState(step), place.parent, inside, descriptor, identity, keeper)

    def _prepare_companions(
        self, picture: CarriedFile, member: Member, place: _Place, keeper: Keeper, opened: contextlib.ExitStack
    ) -> tuple[list[CarriedFile], tuple[str, ...]]:
        """The companions that exist, and the paths of missing ones. Raises Refused for one that cannot be moved."""
        along: list[CarriedFile] = []
        gone: list[str] = []
        for companion in member.companions if self.action == "move" else ():
            number = picture.own.step.number
            asked = AskedFile(companion.path, companion.sha256, COMPANION, number)
            try:
                along.append(self._prepare(number + len(along) + 1, asked, place, keeper, opened))
            except (OSError, Refused) as exc:
                name, told = Path(companion.path).name, getattr(exc, "strerror", None) or exc
                if not isinstance(exc, FileNotFoundError) or look(place.parent, name) is not None:
                    raise Refused(f"{name}, which belongs to it: {told}") from exc
                gone.append(companion.path)
        return along, tuple(gone)

    def _carry(self, bundle: Sequence[CarriedFile]) -> None:
        begun: list[StepState] = []
        try:
            for one in bundle:
                self.journal.intend(one.own.step)
                begun.append(one.own)
                reached("dedup-intent-written")
                self._go_either_way(one)
            # An undo checks the disk; the next line brings this one there. An image is done when its companions are.
            self.journal.write("done", bundle[0].own.step.number, durable=False)
            reached("dedup-done-written")
        except (OSError, Refused) as exc:
            if not begun:
                raise
            raise Unfinished(begun, exc) from exc

    def _go_either_way(self, one: CarriedFile) -> None:
        try:
            self._go(one)
        except OSError as exc:
            if exc.errno != errno.EXDEV or one.own.step.way == "copy":
                raise
            one.own.step = replace(one.own.step, way="copy")  # a mount of the same disk, or a disk without links
            self.journal.intend(one.own.step)
            self._go(one)

    def _go(self, hands: CarriedFile) -> None:
        own, step = hands.own, hands.own.step
        new, name = self.run.private_name(step.number, "new"), Path(step.stored).name
        if step.action != "move":
            remove_file(hands.parent, new)
            own.placed_inode = self._make_substitute(step, hands, new)
        if step.way == "rename":
            rename_exclusive(hands.parent, step.name, hands.stored, name)
            reached("dedup-moved")
            self._check_moved(hands, look(hands.stored, name))
            os.fsync(hands.stored)
        else:
            self._copy_out(step, hands, name)
        if step.action != "move":
            rename_exclusive(hands.parent, new, hands.parent, step.name)
            reached("dedup-placed")
        if step.way == "copy":
            remove_file(hands.parent, self.run.private_name(step.number, "out"))
            reached("dedup-removed")
        os.fsync(hands.parent)
        if step.of:
            self.journal.write("done", step.number, durable=False)

    def _copy_out(self, step: Step, hands: CarriedFile, name: str) -> None:
        """Onto another file system: a whole and compared copy first, then the original under a name of ours."""
        part = f"{step.number:06d}.part"
        remove_file(hands.stored, part)
        digest, _ = copy_file(hands.descriptor, hands.stored, part)
        if digest != step.sha256:
            raise Refused("it changed while it was copied")
        rename_exclusive(hands.stored, part, hands.stored, name)
        os.fsync(hands.stored)
        reached("dedup-copied")
        if Identity.of(os.fstat(hands.descriptor)) != hands.identity:
            raise Refused("it changed while it was copied")
        aside = self.run.private_name(step.number, "out")
        rename_exclusive(hands.parent, step.name, hands.parent, aside)
        reached("dedup-aside")
        self._check_moved(hands, look(hands.parent, aside))

    def _check_moved(self, hands: CarriedFile, moved: Identity | None) -> None:
        """Checks that the renamed file is the one that was read and that the keeper is unchanged; if either was
        replaced in the meantime, the move is rolled back."""
        if moved is None or not moved.same_content(hands.identity):
            raise Refused("another file took its place while it was read")
        hands.keeper.check()

    def _make_substitute(self, step: Step, hands: CarriedFile, new: str) -> int:
        """Makes a link to the keeper, or a clone of it, beside the member under a name of ours; returns its inode."""
        if step.action == "hardlink":
            with open_folder(hands.keeper.root, hands.keeper.folder) as folder:
                _link(folder, hands.keeper.name, hands.parent, new)
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(new, flags, 0o600, dir_fd=hands.parent)
            try:
                clone(hands.keeper.descriptor, target)
                copy_attributes(hands.descriptor, target)
                os.fsync(target)
                if digest_of(target)[0] != step.sha256:
                    raise Refused("its clone does not read as it does")
            finally:
                os.close(target)
        found = look(hands.parent, new)
        if found is None or (step.action == "hardlink" and not found.same_content(hands.keeper.identity)):
            raise Refused("another file took the place of the file to keep")
        self.journal.write("placing", step.number, inode=found.inode)
        reached("dedup-substitute-made")
        return found.inode


@dataclass(frozen=True, slots=True)
class Moved:
    """The result of a move: a step a file, the image's first, and the paths of missing companions."""

    steps: tuple[Step, ...]
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskedFile:
    """One file that the plan moves; ``of``: the number of the image that it moves along with."""

    path: str
    sha256: str
    tier: str
    of: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """The open folder of an image and its companions."""

    root: str
    folder: str
    parent: int


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """The open handles while one file is moved: its folder, its place in the quarantine, the file itself."""

    own: StepState
    parent: int
    stored: int
    descriptor: int
    identity: Identity
    keeper: Keeper


class Unfinished(Exception):  # never leaves the room
    """Steps that were recorded and cannot be done, so they have to be put back. The image's step is the first."""

    def __init__(self, begun: Sequence[StepState], cause: OSError | Refused) -> None:
        super().__init__(str(cause))
        self.begun = tuple(begun)
        self.cause = cause


def _check_file(asked: AskedFile, descriptor: int, keeper: Keeper) -> Identity:
    if Identity.of(os.fstat(descriptor)).same_file(keeper.identity):
        raise Refused("it is the file to keep under another name: moving it would free nothing")
    lock_file(descriptor, alone=True)
    digest, identity = digest_of(descriptor)
    if digest != asked.sha256:
        raise Refused("it has changed since the plan was made")
    keeper.check()
    return identity


def _link(from_folder: int, name: str, to_folder: int, new_name: str) -> None:
    try:
        os.link(name, new_name, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
    except OSError as exc:
        if exc.errno == errno.EXDEV:
            raise Refused("the file to keep is on another file system, which no hard link reaches") from exc
        raise


def clone(source: int, target: int) -> None:
    """Make ``target`` share the blocks of ``source`` (ioctl FICLONE). OSError if the file system has no reflinks."""
    fcntl.ioctl(target, _FICLONE, source)
