"""The folder in which moved files wait, with one folder a run: its layout, its lock, and the history of each run."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from imgsearch.dedup.quarantine.journal import History, create_journal, present, read_journal
from imgsearch.errors import LibraryBusy, UsageError
from imgsearch.files import fsync_folder, reached, writer_lock
from imgsearch.storage.disk_errors import disk_errors

PER_FOLDER = 1_000
_LONGEST_NAME = 255  # bytes, of every file system in use
_MARK_BYTES = 16  # "000000123-" and ".part", with room


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One line of `imgsearch dedup undo --list`."""

    run_id: str
    started_at: str  # ISO 8601, UTC
    action: str  # "move", "hardlink" or "reflink"
    finished: bool  # False: it was killed or is running
    moved: int  # files in the quarantine now
    moved_bytes: int  # of them
    returned: int
    purged: int
    bad_lines: int  # damaged lines of the journal
    steps: int  # files that the run began with


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder: ``journal.jsonl``, ``metadata.jsonl`` and ``files/``. Without symbolic links."""

    path: Path

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def new_files(self) -> Path:
        """The list of what was made beside a person's files: [path, sha256 (hex)] of each; made when first needed."""
        return self.path / "new.json"

    @property
    def metadata(self) -> Path:
        return self.path / "metadata.jsonl"

    def history(self) -> History:
        """The journal as it is now. Raises UsageError if there is none to read."""
        try:
            return read_journal(self.journal)
        except OSError as exc:
            hint = f"put {self.journal} back from a backup; the files are in {self.path / 'files'}"
            raise UsageError(f"the journal {self.journal} cannot be read: {exc.strerror or exc}", hint) from exc

    def stored_name(self, number: int, name: str) -> str:
        """The place of file ``number``, relative to this folder: its number and as much of its name as fits."""
        mark = f"{number:06d}-"
        kept = os.fsencode(name)[-(_LONGEST_NAME - _MARK_BYTES) :]
        return f"files/{number // PER_FOLDER:04d}/{mark}{os.fsdecode(kept)}"

    def private_name(self, number: int, part: str) -> str:
        """A name beside the original that nobody else uses, while a file is copied: ``.imgsearch-RUN-7.out``."""
        return f".imgsearch-{self.run_id}-{number}.{part}"


def run_folders(quarantine: Path) -> list[RunFolder]:
    """Every run that has a journal, oldest first."""
    folder = Path(os.path.realpath(quarantine)) / "runs"
    try:
        names = sorted(one.name for one in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [RunFolder(folder / name) for name in names if (folder / name / "journal.jsonl").is_file()]


def find_run(quarantine: Path, run_id: str) -> RunFolder:
    """The run with that id. Raises UsageError, naming the existing runs."""
    found = {run.run_id: run for run in run_folders(quarantine)}
    if run_id not in found:
        known = ", ".join(found) or "none"
        raise UsageError(f"no run {run_id!r} in {quarantine}", f"runs there: {known}")
    return found[run_id]


def runs(quarantine: str | os.PathLike[str]) -> list[RunInfo]:
    """The state of each run, oldest first. Reads the journals, 0.5 KB a file."""
    return [_info(run.run_id, run.history()) for run in run_folders(Path(quarantine))]


def _info(run_id: str, history: History) -> RunInfo:
    states = [own.state for own in history.steps.values()]
    kept = list(present(history))
    return RunInfo(
        run_id,
        str(history.head.get("started_at", "")),
        str(history.head.get("action", "")),
        history.finished,
        len(kept),
        sum(own.step.size_bytes for own in kept),
        states.count("returned"),
        states.count("purged"),
        history.bad_lines,
        len(history.steps),
    )


@contextlib.contextmanager
def working(quarantine: str | os.PathLike[str]) -> Iterator[Path]:
    """Hold the quarantine's lock; yields its path without symbolic links. Makes the folder. Raises LibraryBusy if
    another process applies, undoes or purges there, StorageFull if the folder cannot be made."""
    folder = Path(os.path.realpath(quarantine))
    with disk_errors(folder):
        (folder / "runs").mkdir(parents=True, exist_ok=True)
        fsync_folder(folder)
    try:
        with writer_lock(folder / "lock"):
            yield folder
    except LibraryBusy as exc:
        message = exc.message.replace(f"the library {folder}", f"the quarantine {folder}")
        raise LibraryBusy(message, "wait until that apply, undo or purge is done, then run the command again") from exc


def begin_run(quarantine: Path, action: str, at: datetime | None = None) -> RunFolder:
    """A new run's folder with its journal; ids sort by age. Raises StorageFull."""
    at = at or datetime.now(UTC)
    folder = quarantine / "runs"
    with disk_errors(folder):
        taken = [int(one.name[:6]) for one in folder.iterdir() if one.name[:6].isdigit()]
        name = f"{max(taken, default=0) + 1:06d}-{at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        run = RunFolder(folder / name)
        run.path.mkdir()
        create_journal(run.journal, {"run": name, "action": action, "started_at": at.isoformat(timespec="seconds")})
        fsync_folder(folder)
    reached("dedup-run-made")
    return run
