"""Candidates from Qdrant's engine beside our own: recall@10 against the exact search on drawn scenes, filters, time.

    python benchmarks/qdrant.py [--real 20000] [--scratch DIR] [--quick]

The engine is `qdrant-edge-py`, the server's own code inside this process, so times are without a network and without
HTTP. An image's representatives are one multivector; all points are compared, and the candidates are scored exactly at
home over every token. "candidates" is what the engine is asked for. With --scratch what was embedded is kept.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from made_up import embedded
from results import add_flags, markdown_table, write_section, writes

from imgsearch.index import CandidateIndex, ExactIndex, SnapshotIndex, TokenRows
from imgsearch.index.first_stage import FirstStage
from imgsearch.index.qdrant.address import EDGE, QdrantAddress
from imgsearch.index.qdrant.connection import connect
from imgsearch.index.qdrant.first_stage import QdrantFirstStage
from imgsearch.index.qdrant.points import Points
from imgsearch.index.qdrant.push import send_images

SHARES = (1.0, 0.9, 0.5, 0.1, 0.03)
POOLS = (30, 100, 1000)
COLUMNS = ("vectors", "candidates", "allowed", "recall@10", "p50 ms", "p95 ms", "of it the engine, p50 ms")


class Timed:
    """A first stage whose time is noted."""

    def __init__(self, stage: FirstStage) -> None:
        self._stage, self.stop = stage, stage.stop
        self.took: list[float] = []

    def candidates(self, text: np.ndarray, count: int, allowed: np.ndarray | None) -> np.ndarray:
        began = time.perf_counter()
        found = self._stage.candidates(text, count, allowed)
        self.took.append(time.perf_counter() - began)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=int, default=20_000, help="scenes to draw and embed")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--scratch", type=Path, help="keeps embedded scenes for the next time")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.real, arguments.queries = 1000, 20
    with tempfile.TemporaryDirectory() as temporary:
        tokens, texts = embedded(arguments.scratch or Path(temporary), arguments.real, arguments.queries)
        lines = run(tokens, texts, Path(temporary))
    print("\n".join(lines))
    if writes(arguments):
        write_section(f"Qdrant's engine, {arguments.real:,} drawn scenes (benchmarks/qdrant.py)", lines)


def run(tokens: np.ndarray, texts: np.ndarray, folder: Path) -> list[str]:
    rows = TokenRows(tokens)
    rng = np.random.default_rng(5)
    filters = {share: rng.random(len(tokens)) < share if share < 1 else None for share in SHARES}
    exact = ExactIndex(rows)
    truth = {share: exact.search(texts, 10, allowed).slots for share, allowed in filters.items()}
    stored, found = [], []
    for vectors in ("float16", "turbo8", "float32"):
        points = connect(QdrantAddress(f"{EDGE}{folder / vectors}"), "scenes")
        stored.append([vectors, *_sent(rows, points, vectors, folder / vectors)])
        for pool in POOLS:
            for share in SHARES if vectors != "float32" else (1.0,):
                stage = Timed(QdrantFirstStage(points, len(tokens)))
                index = SnapshotIndex(rows, stage, candidates=pool, exact_more=0)
                figures = _asked(index, texts, filters[share], truth[share])
                engine = 1000 * float(np.median(stage.took)) if stage.took else 0.0
                found.append([vectors, pool, f"{share:.0%}", *figures, engine])
        points.close()
    began = time.perf_counter()
    for text in texts[:20]:
        exact.search(text[None], 10)
    alone = 1000 * (time.perf_counter() - began) / 20
    return [
        *markdown_table(("vectors", "sent, images a second", "vectors an image", "disk MB"), stored),
        "",
        *markdown_table(COLUMNS, found),
        "",
        f"The exact search alone, every token at home: {alone:.1f} ms a text.",
    ]


def _sent(rows: TokenRows, points: Points, vectors: str, folder: Path) -> list[object]:
    points.create(rows.dims, vectors)
    began = time.perf_counter()
    sent = send_images(rows, np.arange(rows.slots, dtype=np.int64), points)
    took = time.perf_counter() - began
    size = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    return [rows.slots / took, sent.vectors / sent.images, size / 1e6]


def _asked(
    index: CandidateIndex, texts: np.ndarray, allowed: np.ndarray | None, truth: np.ndarray
) -> tuple[float, float, float]:
    """(recall@10, p50, p95 in ms) of texts one by one."""
    took, hits = [], []

    for text, best in zip(texts, truth, strict=True):
        began = time.perf_counter()
        slots = index.search(text[None], 10, allowed).slots[0]
        took.append(1000 * (time.perf_counter() - began))
        hits.append(len(set(slots.tolist()) & set(best.tolist())) / len(best))
    return float(np.mean(hits)), float(np.percentile(took, 50)), float(np.percentile(took, 95))


if __name__ == "__main__":
    main()
