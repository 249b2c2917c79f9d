"""`imgsearch job create --dry-run`: what a job would take, measured on a sample of its inputs. Writes nothing outside a
temporary folder."""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from imgsearch.progress import Progress
from imgsearch.settings import available_cores
from imgsearch.wording import counted, describe_size, one_line
from indexer.forecast import bytes_for, free_bytes, time_text
from indexer.jobs.create import CreateRequest, gather, identify_model, model_name, model_runtime, no_input, write_list
from indexer.jobs.inputs.rows import InputRow
from indexer.jobs.ledger import sums_of
from indexer.jobs.shards.writer import features_bytes_of
from indexer.jobs.spec import JobSpec
from indexer.jobs.worker import ShardOutcome, ShardWorker

_FIRST, _MOST = 8, 256  # images: to load the model and learn its pace; and then to measure
_SECONDS = 10.0  # that the measured part may take


@dataclass(frozen=True, slots=True)
class Estimate:
    """``seconds`` for one worker on this machine; None, with ``note``, if the sample gave nothing. ``job_bytes``: the
    shards; the library takes as much again. ``memory_bytes``: peak of this process, which held the model, and of one
    decoder for each core."""

    inputs: int
    again: int
    lost: int
    input_bytes: int
    shards: int
    sample: int
    sample_failed: int
    sample_copies: int
    seconds_each: float | None
    seconds: float | None
    job_bytes: int
    free_bytes: int
    memory_bytes: int
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"dry_run": True} | asdict(self)

    def text(self) -> str:
        """For a person."""
        apart = [
            f"{count:,} {what}" for count, what in ((self.again, "listed twice"), (self.lost, "unreadable")) if count
        ]
        lines = [
            f"{counted(self.inputs, 'input')}{' (' + ', '.join(apart) + ')' if apart else ''}, "
            f"{describe_size(self.input_bytes)}, in {counted(self.shards, 'shard')}.",
        ]
        if self.seconds is None or self.seconds_each is None:
            lines.append(f"How long is not known: {self.note}.")
        else:
            lines.append(
                f"About {time_text(self.seconds)} for one worker on this machine: {self.seconds_each * 1000:,.1f} ms "
                f"each, by a sample of {self.sample} ({self.sample_failed} failed, {self.sample_copies} copies)."
            )
        lines.append(
            f"Disk: {describe_size(self.job_bytes)} for the job and as much for the library; "
            f"{describe_size(self.free_bytes)} free. Memory: {describe_size(self.memory_bytes)} a worker."
        )
        return "\n".join([*map(one_line, lines), "Nothing was written."])


def estimate_job(request: CreateRequest, progress: Progress) -> Estimate:
    """Count all inputs, and embed a sample of them as a worker would. Raises UsageError, ModelError."""
    model, batch_size = identify_model(request, progress)
    gathering = gather(request, progress)
    counts, size_bytes, sample = _draw_sample(gathering)
    inputs = sum(counts.values())
    if not inputs:
        raise no_input(request.inputs)
    with tempfile.TemporaryDirectory(prefix="imgsearch-job-") as folder:
        name, device = model_name(request.settings), request.settings.device
        runtime = model_runtime(request.settings, model)
        spec = JobSpec(folder, (), model, name, device, runtime, batch_size, 1, tuple(gathering.found.roots), (), "")
        spec = replace(spec, features=request.features)
        outcomes, seconds_each = _measure(spec, sample)
        features_bytes = features_bytes_of(spec)
    sums = sums_of([], [outcome.sums for outcome in outcomes if outcome.sums])
    tried = sums.embedded + sums.copies + sums.failed
    share = sums.embedded / tried if tried else 1.0
    readable = counts["file"] + counts["member"]
    job_bytes = bytes_for(round(readable * share), model, "float16")
    job_bytes += round(features_bytes / max(1, sums.embedded) * readable * share)
    return Estimate(
        inputs=inputs,
        again=counts["again"],
        lost=counts["lost"],
        input_bytes=size_bytes,
        shards=-(-inputs // request.shard_size),
        sample=tried,
        sample_failed=sums.failed,
        sample_copies=sums.copies,
        seconds_each=seconds_each,
        seconds=None if seconds_each is None else round(seconds_each * readable, 1),
        job_bytes=job_bytes,
        free_bytes=free_bytes(request.output),
        memory_bytes=_peak_bytes(request.settings.workers),
        note=next((outcome.message for outcome in outcomes if outcome.message), "no input could be read"),
    )


def _draw_sample(rows: Iterable[InputRow]) -> tuple[Counter[str], int, list[InputRow]]:
    """Inputs by kind, bytes of all, and a few hundred readable ones, drawn from all over and shuffled."""
    counts: Counter[str] = Counter()
    sample: list[InputRow] = []
    size_bytes, draw = 0, random.Random(0)
    for row in rows:
        counts[row.kind] += 1
        size_bytes += max(row.size_bytes, 0)
        if row.kind in ("file", "member"):
            place = draw.randrange(counts["file"] + counts["member"])
            if len(sample) < _FIRST + _MOST:
                sample.append(row)
            elif place < len(sample):
                sample[place] = row
    draw.shuffle(sample)
    return counts, size_bytes, sample


def _measure(spec: JobSpec, sample: list[InputRow]) -> tuple[list[ShardOutcome], float | None]:
    """Outcomes of two shards: a few images, which load the model, and as many as ten seconds allow."""
    for folder in (spec.layout.lists, spec.layout.shards, spec.layout.work):
        folder.mkdir()
    first = write_list(spec.layout, 0, 0, sample[:_FIRST])
    outcomes, each = [], None
    if not sample:
        return [], None
    spec = replace(spec, shards=(first,))
    with ShardWorker(spec) as worker:
        outcomes.append(worker.embed(first))
        sums = outcomes[0].sums
        if sums is None:
            return outcomes, None
        pace = (sums.encoding or sums.seconds) / max(1, sums.embedded)
        if sums.encoding:
            each = pace
        count = min(_MOST, max(0, round(_SECONDS / max(pace, 1e-3))))
        rest = sample[_FIRST : _FIRST + count]
        if len(rest) >= _FIRST:
            second = write_list(spec.layout, 1, len(sample[:_FIRST]), rest)
            started = time.monotonic()
            outcomes.append(worker.embed(second))
            each = (time.monotonic() - started) / len(rest)
        elif each is None:
            each = sums.seconds / max(1, sums.inputs)
    return outcomes, each


def _peak_bytes(decode_workers: int) -> int:
    """Peak memory of this process and of its decoders, which have ended."""
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    return own + child * (decode_workers or min(available_cores(), 16))
