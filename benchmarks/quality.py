"""What the small model reaches on scenes of a seed that training never drew: recall, twins, withheld pairs.

    python benchmarks/quality.py [--model mini] [--seed 90210] [--count 1000] [--quick]

The twin set is re-ranked at 16. "Withheld pairs" asks for pictures of colour-object pairs that training never showed;
only captions that name such a pair count.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from results import add_flags, markdown_table, write_section, writes

from imgsearch.evaluation.pairs import load_pairs
from imgsearch.evaluation.retrieval import evaluate
from imgsearch.model import load_model
from imgsearch.scenes.dataset import Row, make_set, write_set
from imgsearch.scenes.graph import Domain
from imgsearch.scenes.vocabulary import UNSEEN_PAIRS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seed", type=int, default=90210)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--k-test", type=int, default=16)
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.count, arguments.k_test = 20, 4
    model = load_model(arguments.model)
    sets = {
        "random": make_set(arguments.count, arguments.seed),
        "twins": make_set(arguments.count, arguments.seed, twins=True),
    }
    unseen = make_set(arguments.count, arguments.seed, domain=Domain(pairs="unseen"))
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, made in sets.items():
            path = write_set(made, Path(scratch) / name)
            result = evaluate(model, load_pairs(path), k_test=arguments.k_test, max_tokens=32, progress=True)
            for way in ("text_to_image", "image_to_text"):
                for head in ("itc", "itm"):
                    recalls = result[way][head]
                    rows.append([f"{name}, {way.replace('_', ' ')}, {head.upper()}", *recalls.values()])
            twins = result["twins"]
        path = write_set(unseen, Path(scratch) / "unseen")
        recalls = unseen_recalls(model, unseen, path)
        rows.append(["withheld pairs, text to image, ITC", *recalls])
    lines = markdown_table(["set", "R@1", "R@5", "R@10"], rows)
    lines += [
        "",
        *markdown_table(["twin", "right by ITC, %", "right by ITM, %"], [[k, *v.values()] for k, v in twins.items()]),
    ]
    lines += [
        "",
        f"{arguments.count} pictures a set, seed {arguments.seed}, model {arguments.model}, ITM at {arguments.k_test}.",
    ]
    print("\n".join(lines))
    if writes(arguments):
        write_section("Quality of the small model on unseen scenes (benchmarks/quality.py)", lines)


def unseen_recalls(model: Any, rows: list[Row], path: Path) -> list[float]:
    """R@1, R@5, R@10 by ITC over the captions that name a withheld pair, among all pictures of the set."""
    from PIL import Image

    pictures = []
    for pair in load_pairs(path):
        with Image.open(pair.image) as picture:
            pictures.append(picture.convert("RGB"))
    tokens = np.concatenate(
        [np.asarray(model.embed_images(model.preprocess(pictures[i : i + 32]))) for i in range(0, len(pictures), 32)]
    )
    asked = [
        (number, caption)
        for number, row in enumerate(rows)
        for statement, caption in zip(row.statements, row.captions, strict=True)
        if any((mention.kind, mention.colour) in UNSEEN_PAIRS for mention in statement.mentions)
    ]
    texts = np.asarray(model.embed_texts([caption for _, caption in asked]))
    scores = np.stack([(token_set @ texts.T).max(axis=0) for token_set in tokens])  # [I, Q]
    own = scores[[number for number, _ in asked], np.arange(len(asked))]
    ranks = (scores >= own).sum(axis=0) - 1
    return [100 * float((ranks < k).mean()) for k in (1, 5, 10)]


if __name__ == "__main__":
    main()
