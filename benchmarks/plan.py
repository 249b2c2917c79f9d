"""A plan of 200,000 groups of three: how long it takes to write and to read, and the memory of each process.

    python benchmarks/plan.py [--groups 200000] [--quick]

The groups come one at a time, as from a search that holds none of them, in no order. Each line is of a process of its
own: the largest resident size, with what Python and NumPy take themselves. "write": `make_plan`, which checks, and
`write_plan`. "read": `read_plan`, which checks. "go through": read, and every group once more, as an apply does.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from results import add_flags, markdown_table, write_section, writes

from imgsearch.dedup.evidence.records import Copy, Evidence, Group, Member
from imgsearch.dedup.plan.file import read_plan, write_plan
from imgsearch.dedup.plan.records import make_plan
from imgsearch.records import MediaFacts

_STRIDE = 7919  # a prime that is no factor of the count: an order that is not that of the paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=200_000)
    add_flags(parser)
    arguments = parser.parse_args()
    count = 2_000 if arguments.quick else arguments.groups
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        path = Path(folder) / "plan.json"
        for name, work in (("write", write), ("read", read), ("go through", go_through)):
            found = apart(work, path, count)
            rows.append([name, round(found["clock_s"], 1), round(found["cpu_s"], 1), f"{found['peak_mb']:.0f}"])
            print("\t".join(map(str, rows[-1])), flush=True)
        size = path.stat().st_size
    lines = [
        *markdown_table(["what", "clock s", "CPU s", "peak MB"], rows),
        "",
        f"{count:,} groups of three files; {size / 1e6:.0f} MB on disk. "
        "Where others use the machine too, CPU seconds tell more than the clock.",
    ]
    if writes(arguments):
        write_section("A plan of 200,000 groups (benchmarks/plan.py)", lines)


def apart(target: Any, *arguments: Any) -> dict[str, Any]:
    """What ``target`` takes in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return dict(pool.apply(measured, (target, *arguments)))


def measured(target: Any, *arguments: Any) -> dict[str, Any]:
    clock, cpu = time.perf_counter(), time.process_time()
    target(*arguments)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"clock_s": time.perf_counter() - clock, "cpu_s": time.process_time() - cpu, "peak_mb": peak_mb}


def write(path: Path, count: int) -> None:
    write_plan(make_plan(groups(count), {1: "/photos"}, library=path.parent), path)


def read(path: Path, count: int) -> None:
    check(len(read_plan(path).groups), count)


def go_through(path: Path, count: int) -> None:
    check(sum(1 for _ in read_plan(path).moves()), 2 * count)


def check(found: int, expected: int) -> None:
    if found != expected:
        raise SystemExit(f"got {found}, expected {expected}")


def groups(count: int) -> Iterator[Group]:
    """Of three files each, one of the same bytes, one alike."""
    for at in range(count):
        number = at * _STRIDE % count
        same, alike = (hashlib.sha256(f"{number} {which}".encode()).hexdigest() for which in "ab")
        members = (
            Member(copy(number, 2, same), Evidence("bytes", 1.0)),
            Member(copy(number, 3, alike), Evidence("perceptual", 0.97, 1, 3, 0.015, None, 0.99, 1.0)),
        )
        yield Group(copy(number, 1, same), "more pixels, has EXIF", members)


def copy(number: int, which: int, sha256: str) -> Copy:
    facts = MediaFacts(
        sha256, 7 * number, 4000, 3000, "JPEG", 3_456_789, taken_at="2020-05-03T10:00:00", camera="Canon EOS R6"
    )
    path = f"/photos/family/{number // 1000:04d}/holiday/IMG_{number:07d}_{which}.jpg"
    return Copy(path, 1, 3 * number + which, 3_456_789, 1_600_000_000_123_456_789, facts)


if __name__ == "__main__":
    main()
