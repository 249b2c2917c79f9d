"""Fresh processes: `imgsearch --help` and a cold `imgsearch search`, as ratios to `python -c "import torch"`.

python benchmarks/cold.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import markdown_table, write_section

ROUNDS = 3
PICTURES = 600
COMMAND = [sys.executable, "-m", "imgsearch"]


def seconds(command: list[str]) -> float:
    """Wall time of one process that must succeed."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        pictures, library = Path(scratch) / "pictures", str(Path(scratch) / "library")
        subprocess.run([*COMMAND, "scenes", "--count", str(PICTURES), "--seed", "1", str(pictures)], check=True)
        index = [*COMMAND, "index", str(pictures / "images"), "--library", library, "--model", "mini"]
        subprocess.run(index, check=True)
        search = [*COMMAND, "search", "two red boats on the sea", "--library", library, "--json"]
        subjects = {
            'python -c "import torch"': [sys.executable, "-c", "import torch"],
            "imgsearch --help": [*COMMAND, "--help"],
            "imgsearch search, no re-rank": [*search, "--rerank", "0"],
            "imgsearch search, re-ranked": search,
        }
        for command in subjects.values():  # files into the page cache
            seconds(command)
        # Interleaved, so that a slow minute of the machine meets all of them.
        taken: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(ROUNDS):
            for name, command in subjects.items():
                taken[name].append(seconds(command))
    median = {name: statistics.median(values) for name, values in taken.items()}
    base = median['python -c "import torch"']
    rows = [[name, f"{value:.2f} s", f"{value / base:.2f}"] for name, value in median.items()]
    lines = markdown_table(["fresh process", f"median of {ROUNDS}", "ratio to import torch"], rows)
    print("\n".join(lines))
    write_section(f"Cold start, library of {PICTURES} scenes, small model (benchmarks/cold.py)", lines)


if __name__ == "__main__":
    main()
