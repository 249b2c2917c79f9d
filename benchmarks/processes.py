"""Programs run for a benchmark: how long they take, and how much memory they hold with their children."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds of the clock, and the peak MB of a program and its children as seen twice a second."""
    started, peak_kb = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak_kb = max(peak_kb, family_kb(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{command} exited with {process.returncode}")
    return time.perf_counter() - started, peak_kb / 1000


def family_kb(pid: int) -> int:
    """Proportional set size of a process and all below it; 0 where it has ended or the system does not tell."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        children = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").open()]
    except OSError:
        return 0
    own = next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return own + sum(family_kb(int(child)) for line in children for child in line.split())
