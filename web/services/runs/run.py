"""One run that the page starts: a child process, stopped as by Ctrl-C. The catalog's events show the progress of an
index run, printed lines that of the others."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from imgsearch.storage import Store
from imgsearch.storage.catalog.database import utc_now
from web.problems import Conflict, printable
from web.services.runs.options import PAUSABLE
from web.services.runs.progress import EventTail, RunProgress
from web.wording import on_a_page

_NICENESS = 10
"""A run takes all cores, so searches go first."""

_JUST_NOW_S = 60.0

_ADDED = ("new", "changed", "moved", "copied", "removed")
"""What a run counts anew after a pause; it counts earlier failures itself."""

_COUNTS = ("seen", *_ADDED, "failed", "remaining", "images", "images_per_s", "seconds")


class Run:
    """One child process, or, after a pause, one after another. ``state``: "running", "stopping" or "pausing",
    "paused", then "finished", "stopped" or "failed". ``store``: gives the library, None while there is none."""

    def __init__(
        self, run_id: int, store: Callable[[], Store | None], command: Sequence[str], kind: str = "index"
    ) -> None:
        self.run_id = run_id
        self.kind = kind
        self.state = "running"
        self.started_at = utc_now()
        self.finished_at: str | None = None
        self._over_since: float | None = None
        self.exit_code: int | None = None
        self.message = ""
        self.problem: dict[str, str] | None = None
        self.summary: dict[str, Any] | None = None
        self._command, self._earlier = command, dict.fromkeys(_ADDED, 0)
        self._progress, self._events = RunProgress(by_events=kind in ("index", "demo")), EventTail(store)
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed by _wait; a pipe would need a reader of its own
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._said, start_new_session=True
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)
        self._ended = threading.Thread(target=self._wait, name=f"run-{self.run_id}", daemon=True)
        self._ended.start()

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self.finished_at is not None

    @property
    def over_just_now(self) -> bool:
        """Whether it has ended so lately that a page which was waited for still tells how."""
        return self._over_since is not None and time.monotonic() - self._over_since < _JUST_NOW_S

    @property
    def active(self) -> bool:
        """Whether its process is there."""
        return not self.over and self.state != "paused"

    def stop(self) -> None:
        """Like Ctrl-C: the batch in flight is finished; a second call ends the run at once."""
        with self._lock:
            if self.state == "paused":
                self.state = "stopped"
                self._end()
            elif not self.over:
                self.state = "stopping"
                self._interrupt()

    def pause(self) -> None:
        """Stop it in such a way that `resume` goes on: what it has done is kept, and its memory is given back. Raises
        Conflict for a run that cannot go on, or has ended."""
        with self._lock:
            if self.kind not in PAUSABLE or self.over:
                raise Conflict(f"run {self.run_id} cannot be paused", "stop it, or wait for its end")
            if self.state == "running":
                self.state = "pausing"
                self._interrupt()

    def resume(self) -> None:
        """Go on after a pause. Raises Conflict if it is not paused."""
        with self._lock:
            if self.state != "paused":
                raise Conflict(f"run {self.run_id} is not paused", "GET /api/v1/jobs tells how it is")
            for name in _ADDED:
                self._earlier[name] += int((self.summary or {}).get(name, 0))
            self.summary, self.exit_code, self.message, self.state = None, None, "", "running"
            self._progress.go_on()
            self._begin()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False if it does not come in time."""
        self._ended.join(timeout_s)
        return not self.active

    def as_dict(self) -> dict[str, Any]:
        """The run in the API's form."""
        with self._lock:
            if self.active:
                self._catch_up()
            return {
                "id": self.run_id,
                "kind": self.kind,
                "state": self.state,
                "started_at": self.started_at,
                "finished_at": self.finished_at,
                "exit_code": self.exit_code,
                "message": self.message,
                "problem": self.problem,
                "summary": self.summary,
                "progress": self._progress.as_dict(),
            }

    def _interrupt(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def _catch_up(self) -> None:
        for event in self._events.new():
            self._progress.take(event)

    def _wait(self) -> None:
        out = self._read_lines()
        exit_code = self._process.wait()
        with self._lock, self._said as said:
            self._catch_up()
            self.exit_code = exit_code
            said.seek(0)
            self.message = printable(" ".join(said.read().decode("utf-8", "replace").split())[-1000:])
            told = _object(out)
            self.problem = _problem(told)
            self.summary = None if self.problem else self._summed(told)
            done = exit_code in (0, 3)
            if self.state == "pausing" and not done:
                self.state = "paused"
                return
            self.state = "stopped" if self.state == "stopping" else "finished" if done else "failed"
            self._end()

    def _end(self) -> None:
        self.finished_at, self._over_since = utc_now(), time.monotonic()

    def _summed(self, told: dict[str, Any] | None) -> dict[str, Any] | None:
        """What the run printed last; of an index run its counts, None if it did not get so far."""
        if self.kind not in ("index", "demo"):
            return told
        try:
            assert told is not None
            counts = {name: told[name] for name in _COUNTS} | {"notes": told["notes"], "offline": told["offline"]}
        except (AssertionError, KeyError, TypeError):
            return None
        return counts | {name: counts[name] + self._earlier[name] for name in _ADDED}

    def _read_lines(self) -> bytes:
        """The printed output without the progress lines."""
        assert self._process.stdout is not None
        kept = []
        with self._process.stdout as lines:
            for line in lines:
                with self._lock:
                    if not self._progress.take_line(line):
                        kept.append(line)
        return b"".join(kept)


def _object(out: bytes) -> dict[str, Any] | None:
    """The JSON object that a run printed last; None if it did not get so far."""
    try:
        told = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return told if isinstance(told, dict) else None


def _problem(told: dict[str, Any] | None) -> dict[str, str] | None:
    """What went wrong, as a page says it, if that is what the run printed last."""
    problem = (told or {}).get("problem")
    if not isinstance(problem, dict):
        return None
    return {name: on_a_page(printable(str(problem.get(name, "")))) for name in ("detail", "hint")}
