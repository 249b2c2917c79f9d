"""One worker as its parent sees it: the process, its pipes, and the jobs that it holds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.errors import ImgsearchError
from imgsearch.media.decode_pool.frames import read_frame, write_frame
from imgsearch.media.decode_pool.jobs import Parcel
from imgsearch.media.limits import HEAVY_PATIENCE


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What every worker of a pool is started with. ``task``: "package.module:function". ``settings``: those of the
    task, as JSON."""

    task: str
    settings: str
    memory_bytes: int
    heavy_memory_bytes: int
    time_limit_s: float


_PIPE_BYTES = 48 << 10 if sys.platform == "linux" else 12 << 10  # pipes hold at least 64 KiB on Linux, 16 elsewhere


class WorkerProcess:
    """Only `receive` and `kill` are thread-safe; the pool's lock guards everything else. ``outstanding``: the jobs that
    were sent and not answered, in order; the first is the one at work. ``progress_at``: monotonic time at which that
    one was begun."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self.failed_starts = 0
        self.restart()

    def try_restart(self) -> ImgsearchError | None:
        """`restart`, but errors are returned instead of raised."""
        try:
            self.restart()
        except ImgsearchError as error:
            return error
        return None

    def restart(self) -> None:
        """Start the process anew, without jobs. Raises ImgsearchError if the system refuses."""
        self.outstanding: deque[Parcel] = deque()
        self._held_bytes = 0
        self._heavy = False
        self.ready = False
        self.overdue = False
        self.computed_s = 0.0
        self.progress_at = time.monotonic()
        self._cpu_at_progress_s = 0.0
        settings = self._settings
        command = [
            *(sys.executable, "-m", "imgsearch.media.decode_pool.worker", settings.task, settings.settings),
            *(str(settings.memory_bytes), str(settings.heavy_memory_bytes), str(settings.time_limit_s)),
        ]
        try:
            # multiprocessing is not used, because its children import the parent's main module, and so torch.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # the terminal's Ctrl-C goes to the parent alone
            )
        except OSError as exc:
            raise ImgsearchError(
                f"a decode worker cannot start: {exc.strerror} ({exc.filename or sys.executable})",
                "end other programs, or take fewer workers (--workers 1); what was read before is kept",
            ) from exc

    @property
    def allowed_s(self) -> float:
        """Seconds that the job at work may take."""
        return self._settings.time_limit_s * (HEAVY_PATIENCE if self._heavy else 1)

    @property
    def pid(self) -> int:
        return self._process.pid

    def receive(self) -> tuple[dict[str, Any], bytes] | None:
        """Wait for the next message; None if the process is dead or its message is malformed."""
        assert self._process.stdout is not None
        try:
            return read_frame(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError):
            return None

    def send(self, parcels: Sequence[Parcel], *, heavy: bool) -> None:
        """Send it jobs. If it has died in the meantime, `receive` reports it."""
        if not self.outstanding:
            self.progress_at = time.monotonic()
        self._cpu_at_progress_s = _cpu_seconds(self.pid)
        self._heavy = heavy
        self.outstanding.extend(parcels)
        self._held_bytes += sum(parcel.size_bytes for parcel in parcels)
        rows = b",".join(b"[%d,%b]" % (parcel.number, parcel.arguments) for parcel in parcels)
        head = b'{"heavy":%b,"jobs":[%b]}' % (b"true" if heavy else b"false", rows)
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            write_frame(self._process.stdin, head)  # type: ignore[arg-type]

    def has_room(self, most_jobs: int, most_bytes: int) -> bool:
        """Whether it should get more jobs. It always has one at work and one waiting, and more if they are small."""
        held = len(self.outstanding)
        return held < 2 or (held < most_jobs and self._held_bytes < most_bytes)

    def room_bytes(self) -> int:
        """Bytes of arguments that can be sent without blocking. A worker that is busy reads nothing. If the parent
        wrote more than the pipe holds, it would wait for the worker, which may be waiting for the parent to take an
        answer."""
        if self.ready and not self.outstanding:
            return sys.maxsize
        return _PIPE_BYTES - sum(parcel.sent_bytes for parcel in self.outstanding)

    def became_ready(self) -> None:
        self.ready = True
        self.failed_starts = 0
        self.progress_at = time.monotonic()
        self._cpu_at_progress_s = _cpu_seconds(self.pid)

    def finished(self) -> None:
        """Mark the first outstanding job as answered."""
        self._held_bytes -= self.outstanding.popleft().size_bytes
        self.progress_at = time.monotonic()

    def kill_overdue(self) -> None:
        """Kill it for taking too long, and note how many seconds of that it computed."""
        if not self.overdue:
            self.computed_s = _cpu_seconds(self.pid) - self._cpu_at_progress_s
            self.overdue = True
            self.kill()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        """Make sure that it is dead and close its pipes. Returns the exit status, negative for a signal."""
        self._process.kill()
        status = self._process.wait()
        self.close_pipes()
        return status

    def reap(self, deadline: float) -> None:
        """Wait until it is dead, but not beyond ``deadline`` (monotonic): a process that waits for a lost disk cannot
        be ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=max(0.0, deadline - time.monotonic()))

    def close_pipes(self) -> None:
        """Call it only when the process is dead and no thread is in `receive`."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _environment() -> dict[str, str]:
    """The parent's environment and import path, with settings for one thread and few heaps, which save memory."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),  # noqa: PTH109
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": str(4 << 20),  # large buffers go back to the system as soon as they are free
        "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    }


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; 0 if the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0
