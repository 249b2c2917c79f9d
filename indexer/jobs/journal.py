"""What a driver writes down for other programs: JSON lines of events, and figures for Prometheus's text-file collector.
Nothing reads them back, so a disk that takes none of it stops no job."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any, BinaryIO

from imgsearch.files import write_whole
from indexer.jobs.claims import whoami
from indexer.jobs.ledger import JobSums
from indexer.jobs.spec import JobSpec, time_text

_METRICS = {
    "inputs": "inputs of this part of the job",
    "embedded": "inputs with a content of their own",
    "copies": "inputs with the content of another",
    "failed": "inputs that failed",
    "pending": "inputs of shards that are not done",
    "shards": "shards",
    "shards_done": "shards that are committed",
}


class JobJournal:
    """The journal of one driver: ``events/PART.jsonl`` and ``events/PART.prom``. Times in events are the machine's
    clock, for people; nothing depends on them."""

    def __init__(self, spec: JobSpec, part: tuple[int, int]) -> None:
        self._name = "all" if part[1] == 1 else f"{part[0]}-of-{part[1]}"
        self._spec = spec
        self._began = time.monotonic()
        self._file: BinaryIO | None = None

    def __enter__(self) -> JobJournal:
        with contextlib.suppress(OSError):
            self._spec.layout.events.mkdir(exist_ok=True)
            self._file = (self._spec.layout.events / f"{self._name}.jsonl").open("ab")
        return self

    def __exit__(self, *raised: object) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def event(self, kind: str, **data: Any) -> None:
        """Add one line."""
        if self._file is None:
            return
        elapsed = round(time.monotonic() - self._began, 3)
        line = {"at": time_text(time.time_ns()), "elapsed": elapsed, "driver": whoami(), "event": kind, **data}
        with contextlib.suppress(OSError):
            self._file.write(json.dumps(line).encode("ascii") + b"\n")
            self._file.flush()

    def metrics(self, sums: JobSums, seconds: float | None = None) -> None:
        """Replace the figures, as a whole."""
        label = f'{{job="{self._spec.job_id}",part="{self._name}"}}'
        lines = []
        for name, what in _METRICS.items():
            lines += [f"# HELP imgsearch_job_{name} {what}", f"# TYPE imgsearch_job_{name} gauge"]
            lines.append(f"imgsearch_job_{name}{label} {getattr(sums, name)}")
        elapsed = time.monotonic() - self._began if seconds is None else seconds
        lines += ["# HELP imgsearch_job_seconds seconds of this driver", "# TYPE imgsearch_job_seconds gauge"]
        lines.append(f"imgsearch_job_seconds{label} {elapsed:.1f}")
        with contextlib.suppress(OSError):
            path = self._spec.layout.events / f"{self._name}.prom"
            write_whole(path, ("\n".join(lines) + "\n").encode("ascii"), durable=False)
