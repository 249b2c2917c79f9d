"""Brings one file out of the quarantine back to its place, from wherever a move, an undo or a kill left it.

The journal only suggests where things may lie; the disk decides. A file is only removed after its bytes were just seen
elsewhere, and no existing name is replaced."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsearch.dedup.disk import (
    Identity,
    Refused,
    copy_file,
    digest_of,
    look,
    open_file,
    open_folder,
    remove_file,
    rename_exclusive,
)
from imgsearch.dedup.quarantine.folder import RunFolder
from imgsearch.dedup.quarantine.journal import REWRITE, Journal, StepState
from imgsearch.dedup.quarantine.names_beside import Followed, names_beside
from imgsearch.files import reached


@dataclass(frozen=True, slots=True)
class Returned:
    """The result for a file. ``state``: "returned"; "left" if it had never been moved; "purged"; "missing" if nothing
    is in the quarantine and it is not at its place. ``name`` differs from the old name if that is taken."""

    state: str
    name: str
    note: str = ""


def put_back(
    run: RunFolder,
    journal: Journal,
    own: StepState,
    company: Sequence[StepState] = (),
    followed: Followed | None = None,
) -> Returned:
    """Bring one file back to its folder, which is made again if needed, and record it.

    If its name is taken, it is put beside as "NAME (restored).EXT". ``company``: its companions, which follow later;
    the new name leaves theirs free too. ``followed``: its image, whose name it takes. Raises Refused or OSError if the
    file cannot be brought back now; it is then where it was, and the next undo tries again."""
    step = own.step
    stored_folder = str((run.path / step.stored).parent)
    with (
        open_folder(step.root, step.folder, create=True) as parent,
        open_folder(str(run.path), stored_folder, create=True) as stored,
    ):
        back = _Return(run, journal, own, (parent, stored), company, followed)
        result = back.settle()
        os.fsync(parent)
    with contextlib.suppress(OSError):  # a full disk: the next undo finds by itself that nothing is left to do
        journal.write(result.state, step.number, durable=False, note=result.note, name=result.name)
    reached("dedup-returned-written")
    return result


class _Return:
    def __init__(
        self,
        run: RunFolder,
        journal: Journal,
        own: StepState,
        folders: tuple[int, int],
        company: Sequence[StepState],
        followed: Followed | None,
    ) -> None:
        self._journal, self._own, self._step = journal, own, own.step
        self._parent, self._stored = folders
        self._company, self._followed = company, followed
        self._name, self._stored_name = own.step.name, Path(own.step.stored).name
        self._new, self._out, self._back = (run.private_name(own.step.number, part) for part in ("new", "out", "back"))
        self._part = f"{own.step.number:06d}.part"

    def settle(self) -> Returned:
        """Check every place where the file may be, in the order of a move backwards."""
        self._drop_leftovers()
        result = self._land_aside() if look(self._parent, self._out) else None
        if look(self._stored, self._stored_name) is not None:
            result = self._land_stored() or result or Returned("returned", self._name)
        if result is None:
            result = self._nothing_stored()
        remove_file(self._stored, self._part)  # half a copy: the original was not touched before the copy was whole
        return result

    def _drop_leftovers(self) -> None:
        """Remove temporary files: a copy on its way back (the stored file is removed only after the copy landed), and a
        link or clone of the keeper that was not placed yet, or was taken away again."""
        if look(self._stored, self._stored_name) is not None:
            remove_file(self._parent, self._back)
        if look(self._parent, self._new) is None:
            return
        status = os.stat(self._new, dir_fd=self._parent, follow_symlinks=False)
        if (
            status.st_nlink > 1
            or status.st_size == 0
            or (self._step.action == REWRITE and self._own.placed_inode is None)  # half written
            or (self._is_substitute(self._new) and self._original_is_somewhere())
        ):
            remove_file(self._parent, self._new)
        else:  # somebody wrote into it, or deleted both the original and the file that was kept
            self._give_free_name(self._parent, self._new)

    def _original_is_somewhere(self) -> bool:
        places = ((self._stored, self._stored_name), (self._parent, self._out))
        return any(look(*place) is not None for place in places) or self._holds_bytes(self._name)

    def _land_aside(self) -> Returned | None:
        """Restore the original, which was renamed while it was copied to another file system."""
        found = look(self._parent, self._out)
        assert found is not None
        name = self._rename_to_free(self._parent, self._out, found.inode)
        os.fsync(self._parent)
        if self._is_original(found):
            remove_file(self._stored, self._stored_name)
        return Returned("returned", name, self._beside_note(name))

    def _land_stored(self) -> Returned | None:
        stored, present = look(self._stored, self._stored_name), look(self._parent, self._name)
        assert stored is not None
        if present is not None and (stored.same_file(present) or self._never_left(present)):
            remove_file(self._stored, self._stored_name)
            return Returned("returned" if self._own.state == "done" else "left", self._name)
        landed = self._landed_copy()
        if landed is not None:
            remove_file(self._stored, self._stored_name)
            return Returned("returned", landed, self._beside_note(landed))
        changed = not self._has_original_times(stored)
        try:
            name = self._rename_to_free(self._stored, self._stored_name, stored.inode)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise
            name = self._copy_back()
        os.fsync(self._stored)
        reached("dedup-returned")
        notes = [self._beside_note(name), "it changed while it was in the quarantine" if changed else ""]
        return Returned("returned", name, "; ".join(note for note in notes if note))

    def _copy_back(self) -> str:
        with open_file(self._stored, self._stored_name) as descriptor:
            _, inode = copy_file(descriptor, self._parent, self._back)
        name = self._rename_to_free(self._parent, self._back, inode, copied=True)
        os.fsync(self._parent)
        reached("dedup-copied-back")
        remove_file(self._stored, self._stored_name)
        return name

    def _nothing_stored(self) -> Returned:
        state, present = self._own.state, look(self._parent, self._name)
        if state in ("open", "left"):
            return Returned("left", self._name)
        if state == "purging":
            return Returned("purged", self._name)
        landed = self._landed_copy_name()
        if landed is not None or (present is not None and self._holds_bytes(self._name)):
            return Returned("returned", landed or self._name)
        return Returned("missing", self._name, "it is neither in the quarantine nor at its place")

    def _is_original(self, found: Identity) -> bool:
        return _is_of(found, self._own)

    def _has_original_times(self, found: Identity) -> bool:
        return (found.size_bytes, found.mtime_ns) == (self._step.size_bytes, self._step.mtime_ns)

    def _never_left(self, present: Identity) -> bool:
        return self._is_original(present) and self._holds_bytes(self._name)

    def _holds_bytes(self, name: str) -> bool:
        return self._digest(name) == self._step.sha256

    def _is_substitute(self, name: str) -> bool:
        """Whether it has the bytes of the original, or those that a rewrite gave it."""
        rewritten = [self._step.keeper_sha256] if self._step.action == REWRITE else []
        return self._digest(name) in (self._step.sha256, *rewritten)

    def _digest(self, name: str) -> str:
        try:
            with open_file(self._parent, name) as descriptor:
                return digest_of(descriptor)[0]
        except (OSError, Refused):
            return ""

    def _landed_copy_name(self) -> str | None:
        """The name in the folder of a file whose return was announced."""
        if self._own.returning is None:
            return None
        name, inode = self._own.returning
        found = look(self._parent, name)
        return name if found is not None and found.inode == inode else None

    def _landed_copy(self) -> str | None:
        """The same, if its bytes, read now, are those of the stored file."""
        name = self._landed_copy_name()
        if name is None:
            return None
        with open_file(self._parent, name) as one, open_file(self._stored, self._stored_name) as other:
            return name if digest_of(one)[0] == digest_of(other)[0] else None

    def _rename_to_free(self, folder: int, name: str, inode: int, *, copied: bool = False) -> str:
        """Give the file its own name back, after the substitute of an apply is out of the way, or else the first free
        name beside it. ``inode``: its own. The inode is recorded before the file appears under another name, as a copy,
        or before its companions, so that the next undo recognises it."""
        aside = self._take_substitute_away()
        try:
            given = self._give_free_name(folder, name, inode, copied=copied)
        except (OSError, Refused):
            if aside:
                rename_exclusive(self._parent, self._new, self._parent, self._name)
            raise
        if aside:
            os.fsync(self._parent)
            remove_file(self._parent, self._new)
        return given

    def _give_free_name(self, folder: int, name: str, inode: int | None = None, *, copied: bool = False) -> str:
        for candidate in self._candidates():
            if inode is not None and (copied or self._company or candidate != self._name):
                self._journal.write("returning", self._step.number, name=candidate, inode=inode)
            try:
                rename_exclusive(folder, name, self._parent, candidate)
            except FileExistsError:
                if not self._is_half_renamed(folder, name, candidate):
                    continue
                remove_file(folder, name)
            return candidate
        raise Refused("every name beside it is taken")

    def _candidates(self) -> Iterator[str]:
        if self._followed is not None:
            yield from names_beside(self._followed.name_of(self._name))
            return
        for name in names_beside(self._name):
            followed = Followed(self._name, name)
            if all(self._is_free_for(own, followed.name_of(own.step.name)) for own in self._company):
                yield name

    def _is_free_for(self, own: StepState, name: str) -> bool:
        """Whether a companion can have the name: it is free, or taken by the companion itself, which never left."""
        found = look(self._parent, name)
        return found is None or _is_of(found, own)

    def _is_half_renamed(self, folder: int, name: str, candidate: str) -> bool:
        """Whether both names belong to one file: a kill came between the link and the unlink of a rename by links."""
        one, other = look(folder, name), look(self._parent, candidate)
        return one is not None and other is not None and one.same_file(other)

    def _take_substitute_away(self) -> bool:
        """Rename the file's substitute to a name of ours, if an apply put one there and it has the same bytes as the
        original, or those that a rewrite gave it; if it was edited, it is somebody's file and stays. Its inode does not
        matter: a later run may have carried it to another disk and back."""
        present = look(self._parent, self._name)
        if present is None or self._own.placed_inode is None or not self._is_substitute(self._name):
            return False
        rename_exclusive(self._parent, self._name, self._parent, self._new)
        reached("dedup-substitute-aside")
        moved = look(self._parent, self._new)
        if moved is None or not moved.same_content(present):
            rename_exclusive(self._parent, self._new, self._parent, self._name)
            return False
        return True

    def _beside_note(self, name: str) -> str:
        if name == self._name:
            return ""
        if self._followed is not None and name == self._followed.name_of(self._name):
            return f"it is with its picture as {name}"
        return f"its name is taken: it is beside as {name}"


def _is_of(found: Identity, own: StepState) -> bool:
    """Whether it is the file of a step, by inode, size and time; device numbers may change after a restart."""
    step = own.step
    return (found.inode, found.size_bytes, found.mtime_ns) == (step.inode, step.size_bytes, step.mtime_ns)
