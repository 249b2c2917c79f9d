"""The first sign of life on a terminal: seconds from starting a verb to its first byte on a pseudo-terminal.

    python benchmarks/first_sign.py [--imports]

A library of a few drawn pictures is made first, and a model is there, so that each verb goes on as it would. The
program is ended at its first byte. Printed are the least and the median of all rounds, beside the machine's load: the
least is what a quiet machine takes. `--imports` tells the ten dearest modules that come before instead.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from results import add_flags, markdown_table, write_section, writes

GOAL_S = 0.3
ROUNDS = 15
ALONE = "python alone"
_PATIENCE_S = 60.0


def verbs(library: Path, pictures: Path) -> dict[str, list[str]]:
    """The command lines that are measured."""
    one = next(pictures.iterdir())
    return {
        "search": ["search", "a red square", "--library", str(library)],
        "index": ["index", str(pictures), "--library", str(library)],
        "show": ["show", str(one), "--library", str(library)],
        "dedup find": ["dedup", "find", "--library", str(library)],
        "serve": ["serve", "--port", "0", "--library", str(library)],
    }


def first_byte_s(words: list[str]) -> float:
    """Seconds from the start to the first byte on a pseudo-terminal; the program is ended then."""
    main, side = pty.openpty()
    begun = time.perf_counter()
    program = subprocess.Popen(
        [sys.executable, "-m", "imgsearch", *words], stdin=side, stdout=side, stderr=side, start_new_session=True
    )
    os.close(side)
    try:
        ready, _, _ = select.select([main], [], [], _PATIENCE_S)
        took = time.perf_counter() - begun
        if not ready:
            raise RuntimeError(f"{' '.join(words)}: nothing within {_PATIENCE_S:.0f} s")
        return took
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        os.close(main)


def bare_start_s() -> float:
    """The same of Python alone, which imports nothing and prints a line."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "print(1)"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def dearest_imports() -> list[tuple[float, str]]:
    """(milliseconds of its own, module) of what comes before the first sign, the dearest first."""
    command = [sys.executable, "-X", "importtime", "-c", "import imgsearch.cli"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    rows = re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", told)
    return sorted(((int(own) / 1000, name) for own, name in rows), reverse=True)[:10]


def prepare(folder: Path) -> tuple[Path, Path]:
    """A library and the folder of its pictures."""
    library, pictures = folder / "library", folder / "pictures"
    pictures.mkdir()
    for number in range(6):
        Image.new("RGB", (120, 90), (40 * number, 90, 200)).save(pictures / f"{number}.jpg")
    command = [
        sys.executable,
        "-m",
        "imgsearch",
        "index",
        str(pictures),
        "--library",
        str(library),
        "--model",
        "mini",
        "--quiet",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return library, pictures


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imports", action="store_true")
    add_flags(parser)
    options = parser.parse_args()
    if options.imports:
        print(*(f"{own:7.1f} ms {module}" for own, module in dearest_imports()), sep="\n")
        return
    rounds = 2 if options.quick else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        library, pictures = prepare(Path(name))
        lines = verbs(library, pictures)
        before = os.getloadavg()[0]
        took: dict[str, list[float]] = {verb: [] for verb in (ALONE, *lines)}
        for _ in range(rounds):
            took[ALONE].append(bare_start_s())
            for verb, words in lines.items():
                took[verb].append(first_byte_s(words))
    rows = [[verb, f"{min(each):.3f} s", f"{statistics.median(each):.3f} s"] for verb, each in took.items()]
    table = markdown_table(["from the start to the first byte", f"least of {rounds}", "median"], rows)
    table += ["", f"Goal {GOAL_S} s. Load average {before:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."]
    print("\n".join(table))
    if writes(options):
        write_section("First sign of life on a terminal (benchmarks/first_sign.py)", table)


if __name__ == "__main__":
    main()
