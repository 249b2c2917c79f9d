"""One file into the quarantine. Whatever happens on the way, `returning.put_back` brings it back."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
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
from imgsearch.dedup.evidence import Copy, Member
from imgsearch.dedup.journal import Journal, Step, StepState
from imgsearch.dedup.quarantine import RunFolder
from imgsearch.storage.faults import reached

ACTIONS = ("move", "hardlink", "reflink")
_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)


@dataclass(slots=True)
class Keeper:
    """The file that stays: open, locked against other runs, and found to hold the bytes of the plan."""

    copy: Copy
    root: str
    folder: str
    name: str
    descriptor: int
    identity: Identity

    def check(self) -> None:
        """Raises Refused unless the file of the plan still stands at its path with its bytes, which are read again if
        anything touched it since (a link made to it does)."""
        try:
            with open_folder(self.root, self.folder) as folder:
                now = look(folder, self.name)
        except OSError as exc:
            raise Refused(f"the file to keep cannot be seen: {exc.strerror}") from exc
        if now is not None and now.same_content(self.identity) and now != self.identity:
            digest, self.identity = digest_of(self.descriptor)
            now = now if digest == self.copy.facts.content_hash else None
        if now != self.identity:
            raise Refused("the file to keep is gone or has changed")


@contextlib.contextmanager
def hold_keeper(copy: Copy, root: str) -> Iterator[Keeper]:
    """Open the file to keep and read all of it. Raises Refused unless it has the bytes of the plan."""
    with contextlib.ExitStack() as opened:
        try:
            keeper = _open_keeper(copy, root, opened)
        except Refused as exc:
            raise Refused(f"the file to keep, {copy.path}: {exc}") from exc
        except OSError as exc:
            raise Refused(f"the file to keep, {copy.path}, cannot be read: {exc.strerror}") from exc
        yield keeper


def _open_keeper(copy: Copy, root: str, opened: contextlib.ExitStack) -> Keeper:
    real_root, folder = resolve_folder(root, copy.path)
    name = Path(copy.path).name
    with open_folder(real_root, folder) as parent:
        descriptor = opened.enter_context(open_file(parent, name))
    lock_file(descriptor, alone=False)
    digest, identity = digest_of(descriptor)
    if digest != copy.facts.content_hash:
        raise Refused("it has changed since the plan was made")
    return Keeper(copy, real_root, folder, name, descriptor, identity)


@dataclass(frozen=True, slots=True)
class Mover:
    """Moves members of groups into one run's folder. ``quarantine``: without symbolic links."""

    run: RunFolder
    journal: Journal
    action: str
    quarantine: Path

    def move(self, number: int, member: Member, root: str, keeper: Keeper) -> Step:
        """Move one member; the journal says "done" when this returns. Raises Refused or OSError with nothing written
        down where nothing was touched; later, `Unfinished` with the step that has to be put back."""
        path = member.copy.path
        real_root, folder = resolve_folder(root, path)
        if folder == str(self.quarantine) or folder.startswith(f"{self.quarantine}/"):
            raise Refused("it lies in the quarantine")
        if self.action != "move" and member.copy.facts.content_hash != keeper.copy.facts.content_hash:
            raise Refused(f"a {self.action} takes the same bytes; this is another file of the picture")
        with open_folder(real_root, folder) as parent, open_file(parent, Path(path).name) as descriptor:
            if not os.access(".", os.W_OK, dir_fd=parent):
                raise Refused("its folder is read-only")
            identity = self._check_member(member, descriptor, keeper)
            status = os.fstat(descriptor)
            step = Step(
                number,
                path,
                real_root,
                folder,
                Path(path).name,
                member.copy.facts.content_hash,
                identity.size_bytes,
                identity.mtime_ns,
                stat.S_IMODE(status.st_mode),
                identity.inode,
                member.evidence.tier,
                keeper.copy.path,
                keeper.copy.facts.content_hash,
                self.action,
                "rename" if identity.device == self.run.path.stat().st_dev else "copy",
                self.run.stored_name(number, Path(path).name),
            )
            with self._stored_folder(step) as stored:
                self._carry(StepState(step), _Hands(parent, stored, descriptor, identity, keeper))
        return step

    def _check_member(self, member: Member, descriptor: int, keeper: Keeper) -> Identity:
        if Identity.of(os.fstat(descriptor)).same_file(keeper.identity):
            raise Refused("it is the file to keep under another name: moving it would free nothing")
        lock_file(descriptor, alone=True)
        digest, identity = digest_of(descriptor)
        if digest != member.copy.facts.content_hash:
            raise Refused("it has changed since the plan was made")
        keeper.check()
        return identity

    @contextlib.contextmanager
    def _stored_folder(self, step: Step) -> Iterator[int]:
        own = str((self.run.path / step.stored).parent)
        with open_folder(str(self.run.path), own, create=True) as descriptor:
            yield descriptor

    def _carry(self, own: StepState, hands: _Hands) -> None:
        self.journal.intend(own.step)
        reached("dedup-intent-written")
        try:
            try:
                self._go(own, hands)
            except OSError as exc:
                if exc.errno != errno.EXDEV or own.step.way == "copy":
                    raise
                own.step = replace(own.step, way="copy")  # a mount of the same disk, or a disk without links
                self.journal.intend(own.step)
                self._go(own, hands)
        except (OSError, Refused) as exc:
            raise Unfinished(own, exc) from exc

    def _go(self, own: StepState, hands: _Hands) -> None:
        step = own.step
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
        self.journal.write(
            "done", step.number, durable=False
        )  # an undo looks at the disk; the next line brings it there
        reached("dedup-done-written")

    def _copy_out(self, step: Step, hands: _Hands, name: str) -> None:
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

    def _check_moved(self, hands: _Hands, moved: Identity | None) -> None:
        """That the file which was renamed is the one that was read, and that the keeper stands: else all goes back."""
        if moved is None or not moved.same_content(hands.identity):
            raise Refused("another file took its place while it was read")
        hands.keeper.check()

    def _make_substitute(self, step: Step, hands: _Hands, new: str) -> int:
        """A link to the keeper, or a clone of it, beside the member under a name of ours; its inode."""
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
class _Hands:
    """What is open while one file is moved: its folder, its place in the quarantine, itself."""

    parent: int
    stored: int
    descriptor: int
    identity: Identity
    keeper: Keeper


class Unfinished(Exception):  # never leaves the room
    """A step that was written down and cannot be done; it has to be put back."""

    def __init__(self, own: StepState, cause: OSError | Refused) -> None:
        super().__init__(str(cause))
        self.own = own
        self.cause = cause


def _link(from_folder: int, name: str, to_folder: int, new_name: str) -> None:
    try:
        os.link(name, new_name, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
    except OSError as exc:
        if exc.errno == errno.EXDEV:
            raise Refused("the file to keep is on another file system, which no hard link reaches") from exc
        raise


def clone(source: int, target: int) -> None:
    """Make ``target`` share the blocks of ``source`` (ioctl FICLONE). OSError where the file system has no reflinks."""
    fcntl.ioctl(target, _FICLONE, source)
