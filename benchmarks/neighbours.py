"""Nearest neighbours among all embeddings of a library, as dedup asks for them: time, memory and recall as it grows.

    python benchmarks/neighbours.py [--counts 10000 30000 100000] [--quick]

Made-up mean directions of 256 dimensions, in clusters of ten, each asked for its 20 nearest. Each figure is of a
process of its own. Recall is against all inner products, for 500 of them: of the 20, and of those over an inner product
of 0.4, which none reaches by chance, and over 0.8, as altered copies do.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from hamming import apart, spent
from results import add_flags, markdown_table, write_section, writes

from imgsearch.dedup.tiers.candidates import NEIGHBOURS
from imgsearch.index.neighbours import EXACT_PRODUCTS, Neighbours
from imgsearch.records import Float32

DIMS = 256
_NOISE = 0.01, 0.06  # a dimension: pictures of one cluster have inner products from 0.5 to 0.97
_ALIKE = 0.4, 0.8
_ASKED = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.counts = [1_000, 3_000]
    rows: list[list[object]] = []
    before: float | None = None
    for count in arguments.counts:
        found = apart(run_neighbours, count)
        ratio = f"{found['cpu_s'] / before:.1f}" if before else ""
        before = found["cpu_s"]
        way = "all products" if count * count <= EXACT_PRODUCTS else "inverted lists"
        numbers = round(found["cpu_s"], 1), round(found["clock_s"], 1), ratio, round(found["peak_mb"])
        rows.append([f"{count:,}", way, *numbers, round(found["recall"], 3), *found["recall_alike"]])
        print("\t".join(map(str, rows[-1])), flush=True)
    header = ["embeddings", "way", "CPU s", "clock s", "times the row above", "peak MB", f"recall@{NEIGHBOURS}"]
    header += [f"of those over {least}" for least in _ALIKE]
    lines = [*markdown_table(header, rows), "", f"{DIMS} dimensions, in clusters of ten; all asked for all."]
    if writes(arguments):
        write_section("Neighbours among embeddings (benchmarks/neighbours.py)", lines)


def generate(count: int) -> Float32:
    """float32 [count, DIMS] of norm 1."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(max(1, count // 10), DIMS)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = centres[rng.integers(0, len(centres), count)]
    vectors += (rng.uniform(*_NOISE, (count, 1)) * rng.normal(size=(count, DIMS))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def run_neighbours(count: int) -> dict[str, Any]:
    vectors = generate(count)
    clock, cpu = time.perf_counter(), time.process_time()
    found, _ = Neighbours(vectors, count).nearest(vectors, NEIGHBOURS)
    measured = spent(clock, cpu)
    asked = np.linspace(0, count - 1, min(_ASKED, count)).astype(np.int64)
    true, scores = Neighbours(vectors, 0).nearest(vectors[asked], NEIGHBOURS)
    hits = np.array([np.isin(best, found[row]) for row, best in zip(asked, true, strict=True)])
    alike = [round(float(hits[scores >= least].mean()), 4) for least in _ALIKE]
    return measured | {"recall": float(hits.mean()), "recall_alike": alike}


if __name__ == "__main__":
    main()
