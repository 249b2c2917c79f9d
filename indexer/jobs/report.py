"""What stands in a job's ledger: how far it is, and what became of every input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from imgsearch.errors import LibraryError
from imgsearch.progress import Progress
from imgsearch.wording import counted, one_line
from indexer.forecast import time_text
from indexer.jobs.claims import claimed, holder
from indexer.jobs.inputs.rows import InputRow
from indexer.jobs.ledger import JobSums, done_shards, read_list, sums_of
from indexer.jobs.library.record import PublishedRecord
from indexer.jobs.shards.reader import ShardReader
from indexer.jobs.shards.results import Again, Copied, Embedded, Failed, Result
from indexer.jobs.spec import JobSpec, Shard, open_job

Fate = Literal["embedded", "copy", "failed", "pending"]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job is. ``running``: shards in the making, and by whom. ``left_s``: seconds that one worker would take
    for the rest, None if no shard is done; ``library``: where it was published last, "" if it was not, without
    ``missing`` shards."""

    spec: JobSpec
    sums: JobSums
    running: dict[int, str]
    left_s: float | None
    library: str
    missing: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "job": self.spec.folder,
            "id": self.spec.job_id,
            "model": self.spec.model_name,
            "complete": self.sums.complete,
            **asdict(self.sums),
            "running": {str(shard): who for shard, who in self.running.items()},
            "one_worker_seconds_left": None if self.left_s is None else round(self.left_s, 1),
            "library": self.library,
            "library_missing_shards": self.missing,
        }

    def text(self) -> str:
        """For a person."""
        sums = self.sums
        lines = [
            f"{self.spec.folder}: {sums.shards_done:,} of {counted(sums.shards, 'shard')} done, model "
            f"{self.spec.model_name}.",
            equation(sums),
        ]
        if self.running:
            who = Counter(self.running.values())
            lines += [f"Running: {counted(count, 'shard')} by {name}." for name, count in who.items()]
        if self.left_s is not None and sums.pending:
            lines.append(f"Left for one worker at the pace so far: about {time_text(self.left_s)}.")
        if self.library:
            without = f" without {self.missing:,} of {counted(sums.shards, 'shard')}" if self.missing else ""
            lines.append(f"Published{without}: {self.library}.")
        if self.missing or not self.library:
            lines.append(_next_step(self.spec, sums, again=bool(self.library)))
        return "\n".join(map(one_line, lines))


def job_status(folder: Path) -> JobStatus:
    """Reads a marker a shard; takes nothing and waits for nothing. Raises LibraryMissing, SegmentDamaged."""
    spec = open_job(folder)
    done = done_shards(spec)
    sums = sums_of(spec.shards, done.values())
    running = {shard.index: who for shard in spec.shards if shard.index not in done and (who := _maker(spec, shard))}
    finished = sums.inputs - sums.pending
    left = sums.seconds / finished * sums.pending if finished else None
    published = PublishedRecord.read(spec)
    return JobStatus(spec, sums, running, left, published.folder, len(published.missing))


def _maker(spec: JobSpec, shard: Shard) -> str:
    """Who is making a shard, '' if nobody is."""
    path = spec.layout.claims / f"{shard.index:06d}.lock"
    if not path.exists():
        return ""
    with claimed(path, shared=True) as free:
        return "" if free else holder(path)


def equation(sums: JobSums) -> str:
    """The account in one sentence; its numbers add up or the job is not what its ledger says."""
    pending = f" + {sums.pending:,} pending" if sums.pending else ""
    return (
        f"{counted(sums.inputs, 'input')} = {sums.embedded:,} embedded + {sums.copies:,} known copies + "
        f"{sums.failed:,} failed{pending}."
    )


def _next_step(spec: JobSpec, sums: JobSums, *, again: bool = False) -> str:
    if sums.complete:
        return f"Complete; {'publish it again' if again else 'not published yet'}: imgsearch job publish {spec.folder}"
    return f"Not complete: imgsearch job resume {spec.folder}"


@dataclass(slots=True)
class JobReport:
    """Every input counted one by one: ``sums`` are from the rows, not from the markers. ``copies`` by where the first
    one is: "in its shard", "in another shard", "listed again"."""

    spec: JobSpec
    fates: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    copies: Counter[str] = field(default_factory=Counter)
    transient: int = 0

    @property
    def exit_code(self) -> int:
        return 3 if self.fates["failed"] else 0

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        reasons = [
            {"stage": stage, "reason": reason, "inputs": count} for (stage, reason), count in self.reasons.most_common()
        ]
        return {
            "job": self.spec.folder,
            "id": self.spec.job_id,
            "inputs": self.spec.count,
            **{name: self.fates[name] for name in ("embedded", "copy", "failed", "pending")},
            "copies": dict(self.copies),
            "transient": self.transient,
            "reasons": reasons,
        }

    def text(self) -> str:
        """For a person."""
        pending = f" + {self.fates['pending']:,} pending" if self.fates["pending"] else ""
        lines = [
            f"{counted(self.spec.count, 'input')} = {self.fates['embedded']:,} contents + "
            f"{self.fates['copy']:,} known copies + {self.fates['failed']:,} failed{pending}.",
        ]
        lines += [f"  {count:>9,} copies: the first one is {where}" for where, count in self.copies.most_common()]
        lines += [
            f"  {count:>9,} failed: {reason} ({stage})" for (stage, reason), count in self.reasons.most_common(20)
        ]
        if len(self.reasons) > 20:
            lines.append(f"  ... and {len(self.reasons) - 20} more reasons; --list failed names every input")
        if self.transient:
            lines.append(f"{self.transient:,} of the failures may be mended by `imgsearch job resume --retry`.")
        return "\n".join(map(one_line, lines))


def job_report(folder: Path, progress: Progress) -> JobReport:
    """Count what became of every input. Reads every committed byte and compares all checksums. A content that several
    shards hold counts once, as it will be published. Raises SegmentDamaged; LibraryError if the counts disagree with
    the ledger."""
    spec = open_job(folder)
    report = JobReport(spec)
    seen: set[bytes] = set()
    done = 0
    for _, result in results_of(spec):
        done += 1
        fate = _fate(result, seen)
        report.fates[fate] += 1
        if isinstance(result, Failed):
            report.reasons[result.stage, result.reason] += 1
            report.transient += result.transient
        elif fate == "copy":
            report.copies[_where(result)] += 1
        if done % 4096 == 0:
            progress("counting", done, spec.count)
    progress.close()
    if done != spec.count:
        raise LibraryError(f"the ledger of {folder} has {spec.count} inputs, {done} were found", "check the disk")
    return report


def results_of(spec: JobSpec) -> Iterator[tuple[InputRow, Result | None]]:
    """Every input of a job in order, with its result; None for one of a shard that is not done."""
    done = done_shards(spec)
    for shard in spec.shards:
        rows = read_list(spec, shard)
        if shard.index not in done:
            yield from ((row, None) for row in rows)
        else:
            yield from ((row, one.result) for row, one in zip(rows, ShardReader(spec, shard), strict=True))


def _fate(result: Result | None, seen: set[bytes]) -> Fate:
    if result is None:
        return "pending"
    if isinstance(result, Failed):
        return "failed"
    if isinstance(result, Embedded):
        digest = bytes.fromhex(result.facts.content_hash)
        if digest in seen:
            return "copy"
        seen.add(digest)
        return "embedded"
    return "copy"


def _where(result: Result | None) -> str:
    if isinstance(result, Again):
        return "the same path, listed before"
    return "in its shard" if isinstance(result, Copied) else "in an earlier shard"


def named(spec: JobSpec, fate: Fate) -> Iterator[str]:
    """The inputs with that fate, by name, with what is to be said of them: lines of tab-separated values."""
    seen: set[bytes] = set()
    for row, result in results_of(spec):
        if _fate(result, seen) != fate:
            continue
        name = one_line(row.name(spec.roots))
        if isinstance(result, Failed):
            again = "again" if result.transient else ""
            name += f"\t{result.stage}\t{one_line(result.reason)}\t{again}".rstrip("\t")
        elif isinstance(result, Copied):
            name += f"\t{result.content_hash}"
        elif isinstance(result, Embedded):
            name += f"\t{result.facts.content_hash}"
        yield name
