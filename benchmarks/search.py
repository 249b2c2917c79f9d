"""First-stage search at size: a library of made-up images with the structure of really embedded ones (made_up.py says
how they are made and checked), searched through its snapshot, next to plain FAISS and to the tutorial way (mean of an
image's tokens, NumPy dot), and the same over really drawn and embedded scenes. Filters are those of the query language,
asked of the catalog; the snapshot is built on the way, at 10,000 images, 100,000 and so on.

    python benchmarks/search.py [--images 100000] [--dtype float16] [--scratch DIR] [--quick]
    python benchmarks/search.py --million [--scratch DIR]        # 1,000,000 images, int8: 11 GB of disk

With --scratch what was embedded, filled and built is kept for the next time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from first_stages import K, true_answers
from made_up import BATCH, embedded, fill, fit, made_blocks, new_library
from results import add_flags, markdown_table, write_section, writes

from imgsearch.index.sweep import Sweep
from imgsearch.model import model_id_of
from imgsearch.storage import open_store

STEPS = (10_000, 100_000, 1_000_000)
HEAD = ("way", f"recall@{K}", "p50 ms", "p95 ms", "memory MB", "build s", "disk MB")
FLAT_MOST = 100_000
"""Images that plain FAISS flat is asked to hold: 3.3 GB of float32."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--million", action="store_true", help="1,000,000 images in int8")
    parser.add_argument("--dtype", default="float16", choices=("float16", "int8"))
    parser.add_argument("--real", type=int, default=20_000, help="scenes to draw and embed")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--scratch", type=Path, help="keeps embedded scenes and libraries for the next time")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.million:
        arguments.images, arguments.dtype = 1_000_000, "int8"
    if arguments.quick:
        arguments.images, arguments.real, arguments.queries = 2000, 200, 10
    with tempfile.TemporaryDirectory() as temporary:
        scratch = (arguments.scratch or Path(temporary)) / model_id_of("mini", device="cpu").fingerprint[:8]
        scratch.mkdir(parents=True, exist_ok=True)
        lines = run(arguments, scratch)
    print("\n".join(lines))
    if writes(arguments):
        title = f"Search of {arguments.images:,} images, 32 x 256 {arguments.dtype} (benchmarks/search.py)"
        write_section(title, lines)


def run(arguments: argparse.Namespace, scratch: Path) -> list[str]:
    real, texts = embedded(scratch, arguments.real, arguments.queries)
    lines = ["Fit of the made-up images:", "", *fit(real, texts), ""]
    images, dtype = arguments.images, arguments.dtype
    folder = scratch / f"made-up-{images}-{dtype}-{arguments.real}"
    growth = filled(folder, real, images, dtype)
    others = ["brute", "mean", *(["flat"] if images <= FLAT_MOST else [])]
    table, found = measured(folder, texts, others, growth[-1])
    lines += [f"{images:,} made-up images, {dtype}:", "", *table, ""]
    filters = ("filter", "images left", "in the catalog, p50 ms", "their slots, p50 ms", "search, p50 ms")
    lines += [*markdown_table(filters, found["filters"]), ""]
    lines += [*markdown_table(("images", "build s", "s a million", "snapshot MB", "peak memory MB"), growth), ""]
    lines += [*markdown_table(("what", "value"), found["facts"]), ""]
    with open_store(folder / "library") as store:
        stored = store.stats().vector_bytes / 1e6
    lines += drawn_lines(arguments, scratch, real, texts)
    return [
        *lines,
        f"{len(texts)} texts one by one, page cache warm; recall against brute force over every token. Memory: "
        "anonymous, of a process that does nothing else, libraries included. Build and disk: what a way needs beside "
        f"the stored vectors, which are {stored:,.0f} MB for the {images:,} images.",
    ]


def drawn_lines(arguments: argparse.Namespace, scratch: Path, real: np.ndarray, texts: np.ndarray) -> list[str]:
    """The same over real vectors; and what storing them in this dtype does to the answers."""
    folder = scratch / f"drawn-{arguments.real}-{arguments.dtype}"
    built = filled(folder, real, len(real), arguments.dtype, drawn=True)
    others = ["brute", "mean", *([] if arguments.million else ["flat", "hnsw"])]
    table, _ = measured(folder, texts, others, built[-1])
    best = np.argsort(-Sweep(texts).score(real), axis=1, kind="stable")[:, :K]
    stored = np.load(folder / "truth-1.0.npy")
    same = np.mean([np.isin(mine, its).mean() for mine, its in zip(stored, best, strict=True)])
    return [
        f"{len(real):,} really drawn and embedded scenes, {arguments.dtype}, whose {K} best as stored are "
        f"{100 * same:.1f} % those of the float16 vectors that the model gave:",
        "",
        *table,
        "",
    ]


def filled(folder: Path, real: np.ndarray, images: int, dtype: str, *, drawn: bool = False) -> list[list[object]]:
    """Fill the library in ``folder`` step by step, with the scenes as ``drawn`` or with made-up ones, and build its
    snapshot at every step; -> a row for each: images, seconds, seconds a million, MB of the file, peak MB. A library
    that is there is taken as it is."""
    kept = folder / "growth.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
    folder.mkdir(parents=True)
    new_library(folder / "library", dtype).close()
    rows, done = [], 0
    for stop in [*(step for step in STEPS if step < images), images]:
        fill(folder / "library", _pieces(real[done:stop]) if drawn else made_blocks(real, done, stop))
        rows.append([stop, *_way("build", folder)["built"]])
        done = stop
    kept.write_text(json.dumps(rows), encoding="utf-8")
    return rows


def _pieces(vectors: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(vectors), BATCH):
        yield vectors[first : first + BATCH]


def measured(
    folder: Path, texts: np.ndarray, others: Sequence[str], built: Sequence[Any]
) -> tuple[list[str], dict[str, Any]]:
    """The table of all ways, and what more is known of the snapshot."""
    with open_store(folder / "library") as store:
        true_answers(store, texts, folder)
    found = _way("snapshot", folder)
    found["rows"][0] |= {"build_s": built[1], "disk_mb": built[3]}
    rows = [*found["rows"], *(row for way in others for row in _way(way, folder)["rows"])]
    keys = ("name", "recall", "p50_ms", "p95_ms", "memory_mb", "build_s", "disk_mb")
    return markdown_table(HEAD, [[row.get(key, "") for key in keys] for row in rows]), found


def _way(way: str, folder: Path) -> dict[str, Any]:
    program = Path(__file__).with_name("first_stages.py")
    command = [sys.executable, str(program), way, str(folder)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


if __name__ == "__main__":
    main()
