"""Programs run for a benchmark: how long they take, and how much memory they hold with their children."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import time
from pathlib import Path
from typing import NamedTuple


class Timed(NamedTuple):
    """Seconds of the clock, seconds of CPU with all children (the measure that other work on a machine disturbs
    least), and the peak MB of all together as seen twice a second."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def timed(command: list[str]) -> Timed:
    """Run a program to its end."""
    started, peak_kb = time.perf_counter(), 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak_kb = max(peak_kb, family_kb(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{command} exited with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(time.perf_counter() - started, cpu_seconds, peak_kb / 1000)


def family_kb(pid: int) -> int:
    """Proportional set size of a process and all below it; 0 where it has ended or the system does not tell."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        children = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").open()]
    except OSError:
        return 0
    own = next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return own + sum(family_kb(int(child)) for line in children for child in line.split())
