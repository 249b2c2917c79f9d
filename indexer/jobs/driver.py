"""Drives a job: runs every shard that is not committed, and writes down how far it is."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imgsearch.errors import ImgsearchError, SegmentDamaged, StorageFull, UsageError
from imgsearch.progress import Progress
from indexer.forecast import bytes_for, free_bytes, size_text
from indexer.jobs.claims import driving, holder
from indexer.jobs.distributor import EngineOptions, open_distributor
from indexer.jobs.journal import JobJournal
from indexer.jobs.ledger import JobSums, done_shards, sums_of
from indexer.jobs.shards.reader import ShardReader, committed
from indexer.jobs.shards.results import ShardSums
from indexer.jobs.spec import JobSpec, Shard, open_job
from indexer.jobs.worker import ShardOutcome

_RESERVE_BYTES = 64 * 2**20
_CLAIMED_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The options of `imgsearch job run` and `resume`. ``part``: (i, n), the shards whose number leaves i - 1 when
    divided by n; (1, 1) is the whole job. ``check``: read all that is committed, and do again what is damaged.
    ``retry``: do again the shards with failures that another attempt may mend."""

    folder: Path
    engine: str = "local"
    workers: int = 0
    decode_workers: int = 0
    address: str = ""
    part: tuple[int, int] = (1, 1)
    check: bool = False
    retry: bool = False


@dataclass(slots=True)
class RunReport:
    """What a run did: ``sums`` of its part of the job; ``errors`` of shards that were not committed."""

    spec: JobSpec
    sums: JobSums
    done: int = 0  # shards by this run
    seconds: float = 0.0
    interrupted: bool = False
    errors: list[ShardOutcome] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 for a part that is complete, 3 if some of its inputs failed, else that of the first error."""
        if self.errors:
            return self.errors[0].exit_code
        return 3 if self.sums.failed else 0


def run_job(request: RunRequest, progress: Progress, stop: Callable[[], bool]) -> RunReport:
    """Run the request's part of a job to its end, or until ``stop``. Whatever is committed stays, so the same request
    goes on. Raises LibraryMissing, LibraryBusy, StorageFull, UsageError; errors of shards are in the report."""
    spec = open_job(request.folder)
    shards = part_of(spec, request.part)
    with driving(request.folder, request.part), JobJournal(spec, request.part) as journal:
        run = _Run(spec, request, shards, journal, progress, stop)
        run.prepare()
        return run.report()


def part_of(spec: JobSpec, part: tuple[int, int]) -> list[Shard]:
    """The shards of part i of n. Raises UsageError for a part that cannot be."""
    number, count = part
    if not 1 <= number <= count:
        raise UsageError(f"received --shards {number}/{count}, expected i/n with i from 1 to n", "--shards 3/16")
    return [shard for shard in spec.shards if shard.index % count == number - 1]


class _Run:
    def __init__(
        self,
        spec: JobSpec,
        request: RunRequest,
        shards: Sequence[Shard],
        journal: JobJournal,
        progress: Progress,
        stop: Callable[[], bool],
    ) -> None:
        self._spec, self._request, self._shards = spec, request, shards
        self._journal, self._progress, self._stop = journal, progress, stop
        self._done: dict[int, ShardSums] = {}
        self._embedding = 0  # images embedded of shards in the making
        self._errors: list[ShardOutcome] = []
        self._waiting = False  # whether it was said

    def prepare(self) -> None:
        """Learn what is committed, and take back what is to be done again."""
        for shard in self._shards:
            sums = self._sound(shard)
            if sums is not None and not (self._request.retry and sums.transient):
                self._done[shard.index] = sums
            elif sums is not None:
                drop_shard(self._spec, shard)
                self._progress.say(f"shard {shard.index} is done again: {sums.transient} failures may be mended")
        waiting = sum(shard.count for shard in self._pending())
        needed = bytes_for(waiting, self._spec.model, "float16") + _RESERVE_BYTES
        free = free_bytes(self._request.folder)
        if waiting and needed > free:
            raise StorageFull(
                f"{waiting:,} inputs need about {size_text(needed)} in {self._request.folder}, and {size_text(free)} "
                "is free there",
                f"free {size_text(needed - free)}, then run the same command again",
            )

    def _sound(self, shard: Shard) -> ShardSums | None:
        try:
            sums = committed(self._spec, shard)
            if sums is not None and self._request.check:
                for _ in ShardReader(self._spec, shard):
                    pass
        except SegmentDamaged as error:
            if not self._request.check:
                raise
            self._progress.say(f"{error.message}: it is done again")
            drop_shard(self._spec, shard)
            return None
        return sums

    def _pending(self) -> list[Shard]:
        return [shard for shard in self._shards if shard.index not in self._done]

    def report(self) -> RunReport:
        """Run what is pending."""
        started, before = time.monotonic(), len(self._done)
        self._journal.event("started", engine=self._request.engine, shards=len(self._pending()))
        self._show()
        while (pending := self._pending()) and not self._stop():
            claimed = self._round(pending)
            if not claimed or self._errors:
                break
            self._wait_for_others()
        self._progress.close()
        report = RunReport(self._spec, self._sums(), len(self._done) - before, round(time.monotonic() - started, 3))
        report.interrupted, report.errors = self._stop() and not report.sums.complete, self._errors
        self._journal.event("finished", **_counts(report.sums), interrupted=report.interrupted)
        self._journal.metrics(report.sums, report.seconds)
        return report

    def _wait_for_others(self) -> None:
        """What is left is being made by others: of a part that overlaps, or by workers that have not ended yet."""
        shard = self._pending()[0].index
        maker = holder(self._spec.layout.claims / f"{shard:06d}.lock")
        if not self._waiting:
            self._progress.say(f"shard {shard} is being made by {maker}: waiting for it")
        self._waiting = True
        time.sleep(_CLAIMED_WAIT_S)

    def _round(self, pending: list[Shard]) -> int:
        """Run ``pending`` once. Returns how many of them another process is making."""
        request, claimed = self._request, 0
        options = EngineOptions(request.workers, request.decode_workers, request.address, self._stop, self._told)
        outcomes = open_distributor(request.engine, self._spec, options).run(pending)
        with contextlib.closing(_closable(outcomes)) as found:
            for outcome in found:
                claimed += outcome.state == "claimed"
                self._take(outcome)
        self._embedding = 0
        if not claimed and not self._stop() and not self._errors and self._pending():
            missing = self._pending()[0].index
            raise ImgsearchError(
                f"the engine {request.engine} came to its end without shard {missing}",
                "nothing is lost; run the same command again",
            )
        return claimed

    def _take(self, outcome: ShardOutcome) -> None:
        if outcome.committed:
            # The disk, not the engine, says what is done.
            sums = committed(self._spec, self._spec.shards[outcome.shard])
            if sums is None:
                raise ImgsearchError(
                    f"the engine {self._request.engine} says that shard {outcome.shard} is done, but it is not in "
                    f"{self._spec.layout.shards}",
                    "every worker must see the job's folder under the same path; then run the same command again",
                )
            self._done[outcome.shard] = sums
            self._embedding = max(0, self._embedding - sums.embedded)
            self._journal.event("shard-done", shard=outcome.shard, seconds=sums.seconds, **_counts(sums))
            self._journal.metrics(self._sums())
        elif outcome.state == "error":
            self._errors.append(outcome)
            self._journal.event("shard-error", shard=outcome.shard, message=outcome.message)
            self._progress.say(outcome.message)
        self._show()

    def _told(self, images: int) -> None:
        self._embedding += images
        self._show()

    def _show(self) -> None:
        sums = self._sums()
        total = sums.inputs
        self._progress("embedding", min(total, total - sums.pending + self._embedding), total)

    def _sums(self) -> JobSums:
        return sums_of(self._shards, self._done.values())


def drop_shard(spec: JobSpec, shard: Shard) -> None:
    """Take a committed shard back: it is pending again. First its name goes, at once; then its files."""
    place = spec.layout.shard(shard.index)
    gone = spec.layout.work / f"{place.name}-dropped"
    shutil.rmtree(gone, ignore_errors=True)
    spec.layout.work.mkdir(exist_ok=True)
    place.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def job_sums(spec: JobSpec) -> JobSums:
    """The account of the whole job, as the disk has it."""
    return sums_of(spec.shards, done_shards(spec).values())


def _counts(sums: JobSums | ShardSums) -> dict[str, int]:
    return {name: getattr(sums, name) for name in ("inputs", "embedded", "copies", "failed")}


def _closable(outcomes: Iterator[ShardOutcome]) -> Generator[ShardOutcome, None, None]:
    """The same iterator, which the type checker also sees as closable."""
    yield from outcomes
