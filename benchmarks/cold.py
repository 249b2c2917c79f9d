"""Fresh processes: `imgsearch --help` and a cold `imgsearch search`, as ratios to `python -c "import torch"`.

CPU time is user and system time together; on a machine with other work it tells more than the wall clock does.

    python benchmarks/cold.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import add_flags, markdown_table, write_section, writes

ROUNDS = 5
PICTURES = 600
TORCH = 'python -c "import torch"'
COMMAND = [sys.executable, "-m", "imgsearch"]


def seconds(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall time and CPU time of one process that must succeed."""
    before, started = _cpu_of_children(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - started, _cpu_of_children() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_flags(parser)
    arguments = parser.parse_args()
    rounds, count = (1, 20) if arguments.quick else (ROUNDS, PICTURES)
    with tempfile.TemporaryDirectory() as scratch:
        pictures, library = Path(scratch) / "pictures", str(Path(scratch) / "library")
        subprocess.run([*COMMAND, "scenes", "--count", str(count), "--seed", "1", str(pictures)], check=True)
        index = [*COMMAND, "index", str(pictures / "images"), "--library", library, "--model", "mini"]
        subprocess.run(index, check=True)
        # Byte code is kept as in an ordinary installation, whatever this shell says, and away from the checkout.
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPYCACHEPREFIX": str(Path(scratch) / "pyc")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        taken = measure(subjects(library), environment, rounds)
    base = [statistics.median(values) for values in zip(*taken[TORCH], strict=True)]
    rows = []
    for name, times in taken.items():
        wall, cpu = (statistics.median(values) for values in zip(*times, strict=True))
        rows.append([name, f"{wall:.2f} s", f"{wall / base[0]:.2f}", f"{cpu:.2f} s", f"{cpu / base[1]:.2f}"])
    header = ["fresh process", f"median of {rounds}", "ratio to import torch", "CPU time", "ratio"]
    lines = markdown_table(header, rows)
    lines += ["", f"Load average at the end {os.getloadavg()[0]:.1f}; 1 is this program alone."]
    print("\n".join(lines))
    if writes(arguments):
        write_section(f"Cold start, library of {count} scenes, small model (benchmarks/cold.py)", lines)


def subjects(library: str) -> dict[str, list[str]]:
    """The processes by name."""
    search = [*COMMAND, "search", "two red boats on the sea", "--library", library, "--json"]
    no_features = [sys.executable, "-c", f"import os, sys; os.environ['IMGSEARCH_FEATURES'] = 'none'; {_MAIN}"]
    return {
        TORCH: [sys.executable, "-c", "import torch"],
        "imgsearch --help": [*COMMAND, "--help"],
        "imgsearch search, no re-rank": [*search, "--rerank", "0"],
        "imgsearch search, 16 re-ranked, their features kept": search,
        "imgsearch search, 16 re-ranked, decoded and encoded": [*no_features, *search[len(COMMAND) :]],
    }


_MAIN = "from imgsearch.cli import main; sys.exit(main())"


def measure(
    commands: dict[str, list[str]], environment: dict[str, str], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of every round, interleaved, so that a slow minute of the machine meets all of them."""
    for command in commands.values():  # files into the page cache, Python's byte code onto the disk
        seconds(command, environment)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(seconds(command, environment))
    return taken


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
