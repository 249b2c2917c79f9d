"""Runs that the page starts: a child process each, stopped as by Ctrl-C. The catalog's events show the progress of an
index run, printed lines that of a run that moves duplicates."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.records import Event
from imgsearch.storage import Store
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.reads.gallery import newest_event_id, read_events
from web.problems import Conflict, NotFound, printable
from web.services.run_process import RunOptions

_NICENESS = 10
"""A run takes all cores, so searches go first."""

_KEPT = 20
"""Finished runs that are still listed."""

_WINDOW_S = 60.0
"""Images/s and the time left are those of the last minute: the first batch waits for the model to load."""

_COUNTS = (
    "seen",
    "new",
    "changed",
    "moved",
    "copied",
    "removed",
    "failed",
    "remaining",
    "images",
    "images_per_s",
    "seconds",
)


@dataclass
class RunProgress:
    """The progress of a run, from its events. ``marks``: (seconds, files done) of the last minute."""

    total: int | None = None
    done: int = 0
    failed: int = 0
    stage: str = ""
    marks: deque[tuple[float, int]] = field(default_factory=deque)

    def take(self, event: Event) -> None:
        """Take another event of the run."""
        at = datetime.fromisoformat(event.at).timestamp()
        if event.kind == "index-planned":
            self.total = int(event.data["files"])
            self.marks.append((at, 0))
        elif event.kind == "index-progress":
            self.done, self.failed = int(event.data["done"]), int(event.data["failed"])
            self.marks.append((at, self.done))
            while self.marks[-1][0] - self.marks[0][0] > _WINDOW_S and len(self.marks) > 2:
                self.marks.popleft()

    def take_line(self, line: bytes) -> bool:
        """Take another line that the run printed; False if it does not report progress."""
        try:
            told = json.loads(line)["progress"]
            self.done, self.total = int(told["done"]), int(told["total"])
            self.stage = str(told.get("stage", ""))
        except (ValueError, KeyError, TypeError):
            return False
        return True

    def as_dict(self) -> dict[str, Any]:
        """The progress with images/s and the seconds left, None before the first batch."""
        rate = None
        if len(self.marks) > 1:
            (first, before), (last, done) = self.marks[0], self.marks[-1]
            rate = (done - before) / (last - first) if last > first else None
        left = None if not rate or self.total is None else (self.total - self.done) / rate
        return {
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            **({"stage": self.stage} if self.stage else {}),
            "images_per_s": None if rate is None else round(rate, 2),
            "seconds_left": None if left is None else round(max(0.0, left), 1),
        }


class Run:
    """One child process. ``state``: "running", "stopping", then "finished", "stopped" or "failed"."""

    def __init__(self, run_id: int, store: Store, command: Sequence[str], kind: str = "index") -> None:
        self.run_id = run_id
        self.kind = kind
        self.state = "running"
        self.started_at = utc_now()
        self.finished_at: str | None = None
        self.exit_code: int | None = None
        self.message = ""
        self.summary: dict[str, Any] | None = None
        self._store, self._progress, self._last_event = store, RunProgress(), newest_event_id(store)
        self._lock = threading.Lock()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed by _wait; a pipe would need a reader of its own
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._said, start_new_session=True
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)
        self._ended = threading.Thread(target=self._wait, name=f"run-{run_id}", daemon=True)
        self._ended.start()

    @property
    def over(self) -> bool:
        """Whether the process has ended."""
        return self.finished_at is not None

    def stop(self) -> None:
        """Like Ctrl-C: the batch in flight is finished; a second call ends the run at once."""
        with self._lock:
            if not self.over:
                self.state = "stopping"
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(signal.SIGINT)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False if it does not come in time."""
        self._ended.join(timeout_s)
        return self.over

    def as_dict(self) -> dict[str, Any]:
        """The run in the API's form."""
        with self._lock:
            if not self.over:
                self._catch_up()
            return {
                "id": self.run_id,
                "kind": self.kind,
                "state": self.state,
                "started_at": self.started_at,
                "finished_at": self.finished_at,
                "exit_code": self.exit_code,
                "message": self.message,
                "summary": self.summary,
                "progress": self._progress.as_dict(),
            }

    def _catch_up(self) -> None:
        while events := read_events(self._store, self._last_event):
            for event in events:
                self._progress.take(event)
            self._last_event = events[-1].event_id

    def _wait(self) -> None:
        out = self._read_lines()
        exit_code = self._process.wait()
        with self._lock, self._said as said:
            self._catch_up()
            self.exit_code = exit_code
            self.summary = _summary(out) if self.kind == "index" else _object(out)
            said.seek(0)
            self.message = printable(" ".join(said.read().decode("utf-8", "replace").split())[-1000:])
            stopped = self.state == "stopping"
            self.state = "stopped" if stopped else "finished" if self.exit_code in (0, 3) else "failed"
            self.finished_at = utc_now()

    def _read_lines(self) -> bytes:
        """The printed output without the progress lines."""
        assert self._process.stdout is not None
        kept = []
        with self._process.stdout as lines:
            for line in lines:
                with self._lock:
                    if self.kind == "index" or not self._progress.take_line(line):
                        kept.append(line)
        return b"".join(kept)


class Runs:
    """The runs of one server, one at a time. ``command``: replaces the command of an index run."""

    def __init__(self, store: Store, command: Sequence[str] | None = None) -> None:
        self._store, self._command = store, command
        self._runs: deque[Run] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()
        self._started = 0

    def start(self, folders: Sequence[str] = ()) -> Run:
        """Update the library from ``folders``, which lie in those that it knows, or from all of these. Raises Conflict
        while another run of this server is active, and if the library knows no folder, UsageError for another one."""
        roots = [root.path for root in self._store.roots()]
        if not roots:
            raise Conflict("the library knows no folder yet", "`imgsearch index FOLDER` names one")
        for folder in folders:
            if ".." in Path(folder).parts or not any(Path(folder).is_relative_to(root) for root in roots):
                raise UsageError(
                    f"the library has no folder {printable(folder[:200])!r}", "GET /api/v1/status lists its folders"
                )
        options = RunOptions("index", str(self._store.path), folders=tuple(folders))
        return self._begin(options, command=self._command)

    def start_find(self) -> Run:
        """Look for duplicates. Raises Conflict like ``start``."""
        return self._begin(RunOptions("dedup-find", str(self._store.path)))

    def start_apply(self, prepare: Callable[[], None]) -> Run:
        """Apply the accepted groups. ``prepare`` is called once no other run can start; its errors are raised. Raises
        Conflict like ``start``."""
        return self._begin(RunOptions("dedup-apply", str(self._store.path)), prepare)

    def start_undo(self, run_id: str) -> Run:
        """Undo an apply. Raises Conflict like ``start``."""
        return self._begin(RunOptions("dedup-undo", str(self._store.path), run_id))

    def _begin(
        self,
        options: RunOptions,
        prepare: Callable[[], None] = lambda: None,
        command: Sequence[str] | None = None,
    ) -> Run:
        with self._lock:
            if self._runs and not self._runs[-1].over:
                raise Conflict(f"run {self._runs[-1].run_id} is under way", "wait until it is done, or stop it")
            prepare()
            self._started += 1
            self._runs.append(Run(self._started, self._store, command or options.command(), options.kind))
            return self._runs[-1]

    def all(self) -> list[Run]:
        """All runs, the newest first."""
        with self._lock:
            return list(reversed(self._runs))

    def get(self, run_id: int) -> Run:
        """Raises NotFound."""
        for run in self.all():
            if run.run_id == run_id:
                return run
        raise NotFound(f"there is no job {run_id}", "GET /api/v1/jobs lists them")

    def close(self, timeout_s: float = 10.0) -> None:
        """Stop the active run and wait a little; a run that takes longer ends by itself and harms nothing."""
        for run in self.all():
            run.stop()
        deadline = time.monotonic() + timeout_s
        for run in self.all():
            run.join(max(0.0, deadline - time.monotonic()))


def changes(runs: Runs, ended: Callable[[], bool], poll_s: float = 0.5) -> Iterator[tuple[str, Any]]:
    """(name, data) of a stream: ``jobs`` at once, ``job`` whenever one has changed, ``end`` when none is active; "" now
    and then, so that a lost connection is noticed. ``ended``: whether the server is about to stop."""
    told = {run.run_id: run.as_dict() for run in runs.all()}
    yield "jobs", {"jobs": list(told.values())}
    quiet_since = time.monotonic()
    while not ended():
        going_on = [run for run in runs.all() if not run.over]
        for run in runs.all():
            now = run.as_dict()
            if now != told.get(run.run_id):
                told[run.run_id] = now
                quiet_since = time.monotonic()
                yield "job", now
        if not going_on:
            break
        if time.monotonic() - quiet_since > 10:
            quiet_since = time.monotonic()
            yield "", "still here"
        time.sleep(poll_s)
    yield "end", {}


def _object(out: bytes) -> dict[str, Any] | None:
    """The JSON object that a run printed last; None if it did not get so far."""
    try:
        told = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return told if isinstance(told, dict) else None


def _summary(out: bytes) -> dict[str, Any] | None:
    """The counts that `imgsearch index --json` printed; None if it did not get so far."""
    try:
        told = json.loads(out)
        return {name: told[name] for name in _COUNTS} | {"notes": told["notes"], "offline": told["offline"]}
    except (ValueError, KeyError, TypeError):
        return None
