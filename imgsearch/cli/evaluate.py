"""imgsearch eval PAIRS.jsonl: recall both ways, as BLIP-2's authors measure it, and the choice between twins."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from imgsearch.cli.command import Command

NAMES = {"text_to_image": "text to image", "image_to_text": "image to text"}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pairs", metavar="PAIRS.jsonl", help='one {"image": path beside the file, "captions": [...]} a line'
    )
    parser.add_argument("--model", metavar="NAME", help="mini, blip2, blip2-coco, a directory, a LAVIS .pth (blip2)")
    parser.add_argument(
        "--k-test", type=int, default=128, metavar="K", help="candidates that ITM re-ranks (128, as the authors)"
    )
    parser.add_argument("--batch-size", type=int, default=0, metavar="N", help="pictures or pairs at once; by device")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--dtype", metavar="DTYPE", help="auto, float32, bfloat16, float16")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from imgsearch.errors import UsageError
    from imgsearch.library import open_model
    from imgsearch.search.pairs import load_pairs
    from imgsearch.settings import load_settings

    if arguments.k_test < 1:
        raise UsageError(f"--k-test is {arguments.k_test}, expected 1 or more", "the authors use 128")
    if arguments.batch_size < 0:
        raise UsageError(
            f"--batch-size is {arguments.batch_size}, expected 1 or more", "leave it out to have it chosen"
        )
    pairs = load_pairs(Path(arguments.pairs).expanduser())
    model = open_model(load_settings(vars(arguments)))

    from imgsearch.search.evaluation import evaluate  # after the model: its errors should come first

    figures = evaluate(
        model, pairs, k_test=arguments.k_test, batch_size=arguments.batch_size, progress=sys.stderr.isatty()
    )
    figures["model"] = model.model_id.name
    print(json.dumps(figures, indent=2) if arguments.json else _table(figures))
    return 0


def _table(figures: dict[str, Any]) -> str:
    lines = [
        f"{figures['images']:,} pictures, {figures['captions']:,} captions, model {figures['model']}; percent",
        "                        R@1    R@5   R@10",
    ]
    for way, name in NAMES.items():
        for kind, label in (("itc", "ITC"), ("itm", f"ITM@{figures['k_test']}")):
            recalls = "".join(f"{figures[way][kind][key]:7.1f}" for key in ("r1", "r5", "r10"))
            lines.append(f"{name}  {label:<8}{recalls}")
    if figures["twins"]:
        lines += ["", "the right one of two twins   ITC    ITM"]
        lines += [f"  {kind:<25}{row['itc']:7.1f}{row['itm']:7.1f}" for kind, row in figures["twins"].items()]
    return "\n".join(lines)


EVAL = Command("measure recall on captioned pictures", _configure, _run)
