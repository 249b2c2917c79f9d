"""`imgsearch tune`: teach a model a person's own words, and say what it gained."""

from __future__ import annotations

import argparse
from pathlib import Path

from imgsearch.cli.command import Command
from imgsearch.cli.parser import real, whole
from imgsearch.errors import UsageError

TRAINED = {"retrieval": ("qformer", "lora", "all"), "captions": ("lora", "qformer", "both")}
"""What ``--train`` may name, by task, the default first where none is given."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pairs",
        type=Path,
        nargs="?",
        metavar="PAIRS",
        help="pictures and captions: .jsonl, .json (COCO's), .csv, .parquet, or a folder with a .txt beside each",
    )
    parser.add_argument("--library", type=Path, help="take the pairs from a library: what people wrote about pictures")
    parser.add_argument("--images", type=Path, metavar="DIR", help="where the pictures' paths in PAIRS begin")
    parser.add_argument("--task", choices=tuple(TRAINED), default="retrieval", help="search (default), or captions")
    parser.add_argument("--train", choices=("qformer", "lora", "all", "both"), help="what learns (default: qformer)")
    parser.add_argument("--model", default="blip2", help="the checkpoint to begin from (default blip2)")
    parser.add_argument(
        "--language-model", metavar="DIR", help="of --task captions from a LAVIS .pth: the OPT or Flan-T5 it belongs to"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="a folder for the run, its report and the model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default auto)")
    parser.add_argument("--steps", type=whole(1), help="training steps (default: by the number of pictures)")
    parser.add_argument("--batch-size", type=whole(2), help="pairs a step (default 40; of --task captions 8)")
    parser.add_argument("--learning-rate", type=real(1e-9, 1.0), help="peak rate (default: by the model's width)")
    parser.add_argument("--accumulate", type=whole(1), default=1, metavar="N", help="add up N batches before each step")
    parser.add_argument("--recompute", action="store_true", help="less memory, a third more time")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="of matrix products (auto)"
    )
    parser.add_argument(
        "--patience", type=whole(0), default=6, metavar="N", help="stop after N looks without a gain (6); 0: never"
    )
    parser.add_argument(
        "--general", type=Path, metavar="PAIRS", help="pairs that must stay known, instead of drawn scenes"
    )
    parser.add_argument(
        "--rehearsal",
        type=real(0, 0.9),
        help="share of general pairs in a batch (0.4; of --task captions 0.6)",
    )
    parser.add_argument(
        "--forget",
        type=real(0, 100),
        metavar="POINTS",
        help="how much general pictures may lose, in points of R@1 (1), of captions in words that agree (3); 100: any",
    )
    parser.add_argument(
        "--features-gb", type=real(0.0), default=20.0, metavar="GB", help="disk for kept ViT features (default 20)"
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="decides the split, the order and the first weights")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and what it would take")


def _run(arguments: argparse.Namespace) -> int:
    if (arguments.pairs is None) == (arguments.library is None):
        raise UsageError("expected either PAIRS or --library", "imgsearch tune PAIRS --output DIR")
    if arguments.output is None:
        raise UsageError("--output is missing", "imgsearch tune PAIRS --output DIR")
    known = TRAINED[arguments.task]
    arguments.train = arguments.train or known[0]
    if arguments.train not in known:
        raise UsageError(
            f"--train is {arguments.train}, expected one of {', '.join(known)} for --task {arguments.task}",
            "--task captions trains the language model, --task retrieval the search",
        )
    if arguments.task == "captions":
        from imgsearch.cli.tuning.captions import tune_captions

        return tune_captions(arguments)
    from imgsearch.cli.tuning.retrieval import tune_retrieval

    return tune_retrieval(arguments)


TUNE = Command("teach a model your own words by your pictures and captions", _configure, _run)
