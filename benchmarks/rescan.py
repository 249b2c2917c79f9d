"""A re-scan of unchanged files, beside a bare os.scandir + stat walk.

    python benchmarks/rescan.py [--files 100000] [--quick]

The library is made with a catalog that knows every file, as after an index run: the rows are written through the
storage room, all files being copies of one picture (what a file holds makes no difference to a stat). Both walks run
in a process of their own, three times alternating; the best times are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import add_flags, markdown_table, write_section, writes

_PER_FOLDER = 500
_ROUNDS = 3
_BARE = """
import os, sys, time
start = time.perf_counter(); count = 0; folders = [sys.argv[1]]
while folders:
    with os.scandir(folders.pop()) as listing:
        for entry in listing:
            if entry.is_dir(follow_symlinks=False): folders.append(entry.path)
            else: entry.stat(); count += 1
print(count, time.perf_counter() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--note", default="", help="a sentence for RESULTS.md: what else the machine was doing")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.files = 1000
    with tempfile.TemporaryDirectory() as folder:
        photos, library = Path(folder) / "photos", Path(folder) / "library"
        make_files(photos, arguments.files)
        make_library(library, photos)
        bare, whole, scan, peak = measure(photos, library, arguments.files)
    rows = [
        ("bare os.scandir + stat (s)", bare),
        ("the scan inside `imgsearch index` (s)", scan),
        ("ratio of the scan to bare", scan / bare),
        ("`imgsearch index` as a process, start and summary included (s)", whole),
        ("ratio of the process to bare", whole / bare),
        ("its peak memory (MB)", peak),
    ]
    lines = markdown_table(("what", "value"), rows)
    lines += ["", f"Best of {_ROUNDS} rounds, alternating; files in the page cache. {arguments.note}".rstrip()]
    print("\n".join(lines))
    if writes(arguments):
        write_section(f"Re-scan of {arguments.files:,} unchanged files (benchmarks/rescan.py)", lines)


def make_files(photos: Path, count: int) -> None:
    for first in range(0, count, _PER_FOLDER):
        folder = photos / f"{2000 + first // _PER_FOLDER // 12}" / f"folder-{first // _PER_FOLDER:05d}"
        folder.mkdir(parents=True)
        for number in range(first, min(first + _PER_FOLDER, count)):
            os.close(os.open(folder / f"IMG_{number:07d}.jpg", os.O_CREAT | os.O_WRONLY))


def make_library(library: Path, photos: Path) -> None:
    import numpy as np

    from imgsearch.media.walking.walk import Walk
    from imgsearch.records import MediaFacts, ModelId
    from imgsearch.storage import EmbeddedBatch, FilePlace, create_store, writing

    model = ModelId("mini", "0" * 64, "v1-128", "float32", 32, 256)
    facts = MediaFacts("0" * 64, 0, 1, 1, "JPEG", 0)
    vectors = np.full((1, 32, 256), 1 / 16, np.float32)
    with create_store(library, model) as store, writing(store) as writer:
        root = writer.add_root(photos).root_id
        places = [FilePlace(root, e.relative_path, e.size_bytes, e.mtime_ns) for e in Walk(photos)]
        with writer.transaction() as transaction:
            transaction.add(EmbeddedBatch([facts], vectors, [places]))
            transaction.commit()


def measure(photos: Path, library: Path, count: int) -> tuple[float, float, float, float]:
    """Seconds bare, of the whole process, of its scan; peak MB of the process (`ru_maxrss` of it alone)."""
    bare, whole, scan, peak = [], [], [], []
    for _ in range(_ROUNDS):
        done = subprocess.run([sys.executable, "-c", _BARE, str(photos)], capture_output=True, text=True, check=True)
        found, seconds = done.stdout.split()
        assert int(found) == count, f"{found} files, expected {count}"
        bare.append(float(seconds))
        started = time.perf_counter()
        command = [sys.executable, "-m", "imgsearch", "index", str(photos), "--library", str(library), "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        summary = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert (process.returncode, summary["unchanged"]) == (0, count), summary
        whole.append(time.perf_counter() - started)
        scan.append(summary["scan_seconds"])
        peak.append(usage.ru_maxrss / 1000)
    return min(bare), min(whole), min(scan), max(peak)


if __name__ == "__main__":
    main()
