"""Gives files other bytes. The originals go to the quarantine with a journal, as copies do: `undo` brings them back.

A file keeps its name, its time, owner, mode and extended attributes. Half-done steps of a killed run are put back
first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from imgsearch.dedup.disk import Identity, Refused, copy_attributes, digest_of, look, remove_file
from imgsearch.dedup.evidence.records import Copy
from imgsearch.dedup.quarantine.apply import Applied, Left, mend_runs, put_back_begun, reason_of
from imgsearch.dedup.quarantine.folder import begin_run, working
from imgsearch.dedup.quarantine.holding import Keeper
from imgsearch.dedup.quarantine.journal import REWRITE, Journal, Step
from imgsearch.dedup.quarantine.new_files import NewFile, make_files
from imgsearch.dedup.quarantine.quarantine_file import AskedFile, CarriedFile, Mover, Unfinished
from imgsearch.files import reached
from imgsearch.records import MediaFacts
from imgsearch.storage.disk_errors import disk_errors


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A file below ``root`` that holds bytes of this ``sha256`` (hex) and shall hold ``content``."""

    path: str
    root: str
    sha256: str
    content: bytes


def rewrite_files(
    quarantine: str | os.PathLike[str], rewrites: Iterable[Rewrite], new: Sequence[NewFile] = ()
) -> Applied:
    """Make the ``new`` files (``made`` of them), then write the others one after the other (``moved``). Files that have
    changed, are symbolic links, have several names (hard links) or are write-protected, those in read-only and in
    programs' folders, and new ones whose name is taken are left, with the reason. Asks for the next of ``rewrites``
    when one is done.

    Raises LibraryBusy if another process works on the quarantine, StorageFull if it cannot be written. Reads and writes
    each file once, and once more where the quarantine is on another disk; three fsyncs a file."""
    applied = Applied()
    with working(quarantine) as folder:
        applied.mended = mend_runs(folder, applied)
        run = begin_run(folder, REWRITE)
        applied.run_id = run.run_id
        with disk_errors(folder), Journal(run.journal, run.history().good_bytes) as journal:
            for one, reason in make_files(run, new):
                if reason:
                    applied.left.append(Left(one.path, reason))
                else:
                    applied.made += 1
            rewriter = _Rewriter(run, journal, REWRITE, folder)
            for number, each in enumerate(rewrites, 1):
                try:
                    rewriter.rewrite(number, each)
                    applied.moved += 1
                    applied.moved_bytes += len(each.content)
                except Unfinished as exc:
                    reason = reason_of(exc.cause) + put_back_begun(run, journal, exc)
                    applied.left.append(Left(each.path, reason))
                except (OSError, Refused) as exc:
                    applied.left.append(Left(each.path, reason_of(exc)))
            with contextlib.suppress(OSError):  # only says that the run ended
                journal.write("finished")
    return applied


def why_not_rewritten(status: os.stat_result) -> str:
    """Why a file with this `lstat` is left alone; "" where nothing speaks against it."""
    if status.st_nlink > 1:
        return f"it has {status.st_nlink} names (hard links), of which the others would keep the old content"
    return "" if status.st_mode & 0o222 else "it is write-protected"


@dataclass(slots=True)
class _Content(Keeper):
    """New bytes in the place of the file that stays when a copy is moved."""

    content: bytes

    def check(self) -> None:
        """Nothing on the disk that could have changed."""


class _Rewriter(Mover):
    def rewrite(self, number: int, asked: Rewrite) -> None:
        """Raises what `move` raises."""
        digest = hashlib.sha256(asked.content).hexdigest()
        facts = MediaFacts(digest, 0, 0, 0, "", len(asked.content))
        copy = Copy(asked.path, 0, 0, len(asked.content), 0, facts)
        with ExitStack() as opened:
            place = self._open_place(asked.path, asked.root, opened)
            keeper = _Content(copy, place.root, place.folder, "", -1, Identity(0, 0, 0, 0, 0), asked.content)
            one = self._prepare(number, AskedFile(asked.path, asked.sha256, REWRITE), place, keeper, opened)
            if reason := why_not_rewritten(os.fstat(one.descriptor)):
                raise Refused(reason)
            self._carry([one])

    def _make_substitute(self, step: Step, hands: CarriedFile, new: str) -> int:
        """Writes the new bytes beside the file under a name of ours; returns the inode."""
        assert isinstance(hands.keeper, _Content)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(new, flags, 0o600, dir_fd=hands.parent)
        try:
            try:
                with os.fdopen(os.dup(target), "wb") as file:
                    file.write(hands.keeper.content)
                copy_attributes(hands.descriptor, target)
                os.fsync(target)
                if digest_of(target)[0] != step.keeper_sha256:
                    raise Refused("what was written does not read as it should")
            except (OSError, Refused):
                remove_file(hands.parent, new)
                raise
        finally:
            os.close(target)
        found = look(hands.parent, new)
        assert found is not None
        self.journal.write("placing", step.number, inode=found.inode)
        reached("dedup-substitute-made")
        return found.inode
