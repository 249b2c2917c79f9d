"""Facts that need no pixels: sidecars, read when they are new or changed, and the facts of images that an older program
read. The decode workers read headers and sidecars; nothing is embedded again."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool.jobs import Job
from imgsearch.media.decode_pool.pool import HardenedPool
from imgsearch.media.facts.answers import TASK, Check, unpacked_answer
from imgsearch.media.facts.names import date_of_file
from imgsearch.media.facts.sidecar_names import FoundSidecars, Sidecar, SidecarListing, digest_of
from imgsearch.records import FileFacts
from imgsearch.storage.catalog.facts import FactWrites, FileDate, SidecarFacts
from imgsearch.storage.reads.fact_reads import (
    PlacedFile,
    read_files_in,
    read_files_of,
    read_folders_with_sidecars,
    read_stale_images,
)
from imgsearch.wording import counted_are
from indexer.run_context import RunContext
from indexer.scanning.scan import Scan

_BATCH = 500  # images a commit: 10 ms and 0.1 ms each
_AHEAD = 256


class _Beside(NamedTuple):
    """A file whose sidecars are to be read, and their digest."""

    file: PlacedFile
    digest: int


class _Stale(NamedTuple):
    """An image whose facts, pixels or both an older program read."""

    image_id: int
    facts: bool
    pixels: bool


@dataclass(slots=True)
class FactsRun:
    """Updates facts after the images are up to date."""

    context: RunContext
    workers: int
    recheck: bool = False  # read pixels of an older program again whatever their headers say
    again: dict[int, str] = field(default_factory=dict)  # image id -> why its pixels are to be read again
    _writes: FactWrites = field(default_factory=FactWrites)
    _waiting: int = 0

    def run(self, scans: Iterable[Scan]) -> None:
        """Read new facts. When ``stop`` says so, the rest is left for the next run. Raises StorageFull, ImgsearchError
        if no worker starts."""
        stale = read_stale_images(self.context.store)
        self.context.summary.unfinished |= bool(stale) and self.context.stop()
        if stale:
            self.context.progress.say(
                f"{counted_are(len(stale), 'picture')} of an older program: looking at their headers"
            )
        jobs = itertools.chain(self._sidecar_jobs(scans), self._stale_jobs(stale))
        with HardenedPool(
            TASK, {}, workers=self.workers, ahead=_AHEAD, stop=self.context.stop
        ) as pool:  # starts with a job
            for job, outcome in pool.run(jobs, lambda head, _: unpacked_answer(head)):
                if isinstance(job.tag, _Beside):
                    self._keep_sidecars(job.tag, outcome if isinstance(outcome, MediaError) else outcome[0])
                else:
                    self._keep_image(job.tag, outcome)
                self._commit(least=_BATCH)
                if self.context.stop():
                    self.context.summary.unfinished = True
                    break
        self._commit(least=1)

    def _sidecar_jobs(self, scans: Iterable[Scan]) -> Iterator[Job]:
        """Files whose sidecars differ from those that they were read with."""
        for scan in scans:
            if scan.beside is not None and not self.context.stop():
                for folder, sidecars in self._folders(scan, scan.beside):
                    yield from self._changed(scan, folder, SidecarListing(sidecars))

    def _folders(self, scan: Scan, beside: FoundSidecars) -> Iterator[tuple[str, Iterable[Sidecar]]]:
        """Folders, under the root, that have or had sidecars, with the present ones."""
        target = scan.target
        had = read_folders_with_sidecars(self.context.store, target.root.root_id)
        if beside.of_single_file:
            yield os.path.dirname(target.scope), beside.folders.get("", ())  # noqa: PTH120
            return
        there = {target.relative(folder): sidecars for folder, sidecars in beside.folders.items()}
        for folder in sorted(there.keys() | {folder for folder in had if target.holds(folder)}):
            if not beside.unread(folder[len(target.scope) :].lstrip("/")):
                yield folder, there.get(folder, ())

    def _changed(self, scan: Scan, folder: str, listing: SidecarListing) -> Iterator[Job]:
        for file in read_files_in(self.context.store, scan.target.root.root_id, folder):
            sidecars = listing.of(file.path.name) if scan.target.holds(file.relative_path) else []
            digest = digest_of(sidecars)
            if digest != file.sidecars and scan.target.holds(file.relative_path):
                paths = [os.fspath(file.path.with_name(sidecar.name)) for sidecar in sidecars]
                yield Job(["", paths, None], sum(each.size_bytes for each in sidecars), _Beside(file, digest))

    def _stale_jobs(self, stale: list[tuple[int, bool, bool]]) -> Iterator[Job]:
        for start in range(0, len(stale), _BATCH):
            part = {image_id: _Stale(image_id, *what) for image_id, *what in stale[start : start + _BATCH]}
            files = read_files_of(self.context.store, [image_id for image_id, each in part.items() if each.facts])
            # Dates from names and times, if no sidecar gives one.
            self._writes.dates += [_date_of(file) for file in files if not file.sidecars]
            records = self.context.store.images(part)
            for image_id, path in self.context.store.paths(part).items():
                facts = records[image_id].facts
                former = [facts.width, facts.height, facts.orientation] if part[image_id].pixels else None
                yield Job([os.fspath(path), [], former], 0, part[image_id])

    def _keep_sidecars(self, beside: _Beside, found: FileFacts | MediaError) -> None:
        if isinstance(found, MediaError):
            if found.transient:
                return  # tried again at the next run
            found = FileFacts()
        date = _date_of(beside.file)
        if found.taken_at is not None:
            date = replace(date, dated_at=found.taken_at, dated_source=found.taken_source)
        self._writes.sidecars.append(SidecarFacts(date, beside.digest, found))
        self._waiting += 1
        self.context.summary.sidecars += 1

    def _keep_image(self, stale: _Stale, found: tuple[FileFacts, Check | None] | MediaError) -> None:
        image_id = stale.image_id
        if isinstance(found, MediaError):
            if found.transient:
                return
            self._writes.unreadable.append(image_id)
            self._writes.read_before[image_id] = None
        else:
            if stale.facts:
                self._writes.images[image_id] = found[0]
            self._keep_check(image_id, found[1])
        self._waiting += 1
        self.context.summary.facts_renewed += stale.facts

    def _keep_check(self, image_id: int, check: Check | None) -> None:
        if check is None:
            return
        if check.reason or self.recheck:
            self.again[image_id] = check.reason or "read by an older program"
        else:
            self._writes.read_before[image_id] = "file" if check.own else None

    def _commit(self, least: int) -> None:
        if self._waiting < least and not (least == 1 and self._writes):
            return
        with self.context.writer.transaction() as transaction:
            transaction.facts, self._writes = self._writes, FactWrites()
            transaction.commit()
        self._waiting = 0


def _date_of(file: PlacedFile) -> FileDate:
    return FileDate(file.root_id, file.relative_path, *date_of_file(file.path.name, file.mtime_ns))
