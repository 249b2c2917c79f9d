"""Pairs of pHashes within a radius: sorted by covering masks, beside brute force, from 10,000 to 1,000,000 hashes.

    python benchmarks/hamming.py [--radius 8 10] [--counts 10000 100000 1000000] [--turns] [--quick]

Generated hashes: uniform, and clustered (a tenth as many centres, each hash up to 4 bits from one). Each figure is of a
process of its own, so that peak memory is its own: seconds of CPU and of the clock (medians of ``--repeats``), and the
largest resident size, with what Python and NumPy take themselves. Brute force is what fits in a minute or so. With
``--turns`` eight look-ups a picture among all, 65,536 at a time, as the perceptual tier asks for.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import add_flags, markdown_table, write_section, writes

from imgsearch.index.hamming import HammingIndex, cheapest, hamming_pairs

BRUTE_MOST = 100_000
KINDS = ("uniform", "clustered")
BLOCK = 8 * 8192  # look-ups at a time of the perceptual tier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--radius", type=int, nargs="+", default=[8, 10])
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--turns", action="store_true", help="eight look-ups a picture among all, too")
    parser.add_argument("--repeats", type=int, default=3)
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.counts, arguments.radius, arguments.repeats = [1_000, 5_000], [8], 1
    rows: list[list[object]] = []
    for kind in KINDS:
        for radius in arguments.radius:
            before: float | None = None
            for count in arguments.counts:
                row, before = measure(kind, count, radius, arguments, before)
                print("\t".join(map(str, row)), flush=True)
                rows.append(row)
    header = ["hashes", "count", "radius", "masks", "pairs", "CPU s", "clock s", "times the row above", "peak MB"]
    header += ["brute force, s"] + (["eight turns, CPU s"] if arguments.turns else [])
    lines = [
        *markdown_table(header, rows),
        "",
        f"Pairs within one set, one core, medians of {arguments.repeats}, on a machine that other programs use too. "
        "Masks: 0 where all are compared with all. Brute force: all with all in blocks, NumPy, the same pairs.",
    ]
    if writes(arguments):
        write_section("Pairs of hashes within a radius (benchmarks/hamming.py)", lines)


def measure(
    kind: str, count: int, radius: int, arguments: argparse.Namespace, before: float | None
) -> tuple[list[object], float]:
    """One row of the table, and its CPU seconds."""
    runs = [apart(run_index, kind, count, radius) for _ in range(arguments.repeats)]
    found = {name: median(run[name] for run in runs) for name in runs[0]}
    brute = apart(run_brute, kind, count, radius) if count <= BRUTE_MOST else None
    if brute is not None and brute["pairs"] != found["pairs"]:
        raise SystemExit(f"{kind}, {count}, radius {radius}: {found['pairs']} pairs, brute force {brute['pairs']}")
    ratio = f"{found['cpu_s'] / before:.1f}" if before else ""
    row: list[object] = [kind, f"{count:,}", radius, int(found["masks"]), f"{int(found['pairs']):,}"]
    row += [round(found["cpu_s"], 2), round(found["clock_s"], 2), ratio, f"{found['peak_mb']:.0f}"]
    row.append("" if brute is None else round(brute["cpu_s"], 2))
    if arguments.turns:
        row.append(round(apart(run_turns, kind, count, radius)["cpu_s"], 2))
    return row, float(found["cpu_s"])


def apart(target: Any, *arguments: Any) -> dict[str, Any]:
    """What ``target`` measures in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return dict(pool.apply(target, arguments))


def generate(kind: str, count: int, seed: int = 0) -> NDArray[np.uint64]:
    """uint64 [count]."""
    rng = np.random.default_rng(seed)
    if kind == "uniform":
        return rng.integers(0, 2**64, count, dtype=np.uint64)
    centres = rng.integers(0, 2**64, max(1, count // 10), dtype=np.uint64)
    hashes = centres[rng.integers(0, len(centres), count)]
    for _ in range(4):
        hashes ^= np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64)
    return hashes


def run_index(kind: str, count: int, radius: int) -> dict[str, Any]:
    hashes = generate(kind, count)
    clock, cpu = time.perf_counter(), time.process_time()
    pairs = sum(len(i) for i, _, _ in hamming_pairs(hashes, None, radius))
    measured = spent(clock, cpu)
    plan = cheapest(HammingIndex(hashes, radius, count).plans, count, count, within=True)
    return measured | {"pairs": pairs, "masks": sum(len(part.masks) for part in plan.parts) if plan else 0}


def run_turns(kind: str, count: int, radius: int) -> dict[str, Any]:
    hashes, turned = generate(kind, count), generate(kind, 8 * count, seed=1)
    clock, cpu = time.perf_counter(), time.process_time()
    index = HammingIndex(hashes, radius, len(turned))
    blocks = [turned[at : at + BLOCK] for at in range(0, len(turned), BLOCK)]
    pairs = sum(len(i) for block in blocks for i, _, _ in index.pairs(block))
    return spent(clock, cpu) | {"pairs": pairs}


def run_brute(kind: str, count: int, radius: int) -> dict[str, Any]:
    """Each hash with all behind it."""
    hashes = generate(kind, count)
    clock, cpu = time.perf_counter(), time.process_time()
    pairs = sum(int((np.bitwise_count(hashes[at + 1 :] ^ hashes[at]) <= radius).sum()) for at in range(len(hashes) - 1))
    return spent(clock, cpu) | {"pairs": pairs}


def spent(clock: float, cpu: float) -> dict[str, Any]:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"clock_s": time.perf_counter() - clock, "cpu_s": time.process_time() - cpu, "peak_mb": peak_mb}


if __name__ == "__main__":
    main()
