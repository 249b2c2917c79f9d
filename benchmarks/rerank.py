"""What a re-rank of so many candidates gives and costs: recall and latency by depth, on twins that training never drew.

    python benchmarks/rerank.py [--model mini] [--seed 90210] [--count 1000] [--timed 60] [--quick]

A library of drawn scenes, nine tenths of them in families of four that differ in a colour, a count or a place, is
searched for the first caption of every picture, at every depth, by the Searcher that `imgsearch search` opens. Each
caption is true of one picture. Latency is the whole of a search in a running process, text embedding included: with
the candidates' ViT features kept on disk, and, for the first ``--timed`` captions, with pictures decoded and encoded
again. All depths of a caption are searched one after the other, so that a slow minute meets all of them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from drawn import draw_library, scene_numbers
from results import add_flags, markdown_table, write_copy, write_section, writes

from imgsearch.app import open_searcher, open_store
from imgsearch.records import Results
from imgsearch.scenes.dataset import make_set
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query

DEPTHS = (0, 2, 4, 8, 16, 32, 64, 128)
K = 5
DOCS = Path(__file__).parents[1] / "docs" / "search.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seed", type=int, default=90210)
    parser.add_argument("--count", type=int, default=1000, help="pictures, and captions")
    parser.add_argument("--timed", type=int, default=60, help="captions searched without kept features too")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.count, arguments.timed = 12, 2
    rows = make_set(arguments.count, arguments.seed, twins=True)
    captions = [row.captions[0] for row in rows]
    with tempfile.TemporaryDirectory() as scratch:
        settings = draw_library([row.scene for row in rows], Path(scratch), arguments.model)
        with (
            open_searcher(settings) as kept,
            Searcher(open_store(settings), kept.model) as bare,  # no feature store: every candidate is encoded again
        ):
            numbers = scene_numbers(kept, len(rows))
            answers = search_all(kept, captions)
            again = search_all(bare, captions[: arguments.timed])
    table = depth_table(answers, again, numbers)
    differ = sum(ids(one) != ids(two) for d in DEPTHS for one, two in zip(answers[d], again[d], strict=False))
    lines = [
        *table,
        "",
        f"{len(captions):,} captions over {len(rows):,} pictures, seed {arguments.seed}, model {arguments.model}; "
        f"pictures encoded again: the first {arguments.timed} captions, {differ} answers differ from those with kept "
        f"features. ms: p50 (p95) of one search.",
    ]
    print("\n".join(lines))
    if writes(arguments):
        write_section("Re-ranking by depth, twin set (benchmarks/rerank.py)", lines)
        write_copy(DOCS, "rerank", table)


def search_all(searcher: Searcher, captions: list[str]) -> dict[int, list[Results]]:
    """The answers for ``captions``, by depth."""
    for depth in DEPTHS:  # pages in, and the model's first steps
        searcher.search(Query("a red boat left of a tree", k=K, rerank=depth, everything=True))
    answers: dict[int, list[Results]] = defaultdict(list)
    for caption in captions:
        for depth in DEPTHS:
            answers[depth].append(searcher.search(Query(caption, k=K, rerank=depth, everything=True)))
    return answers


def ids(results: Results) -> list[int]:
    return [hit.image_id for hit in results.hits]


def depth_table(
    answers: dict[int, list[Results]], again: dict[int, list[Results]], numbers: dict[int, int]
) -> list[str]:
    rows: list[list[object]] = []
    for depth in DEPTHS:
        shown = [[numbers[image_id] for image_id in ids(found)] for found in answers[depth]]
        places = [found.index(n) if n in found else K for n, found in enumerate(shown)]
        recalls = [f"{100 * float((np.array(places) < k).mean()):.1f}" for k in (1, K)]
        rows.append([depth, *recalls, milliseconds(answers[depth]), milliseconds(again[depth])])
    header = ["re-ranked", "R@1, %", f"R@{K}, %", "features kept, ms", "pictures encoded again, ms"]
    return markdown_table(header, rows)


def milliseconds(answers: list[Results]) -> str:
    p50, p95 = np.percentile([found.took_ms["total"] for found in answers], [50, 95])
    return f"{p50:,.0f} ({p95:,.0f})"


if __name__ == "__main__":
    main()
