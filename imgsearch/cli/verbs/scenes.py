"""`imgsearch scenes`: draw captioned pictures."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from imgsearch.cli.command import Command
from imgsearch.errors import UsageError


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder: images/ and pairs.jsonl are written there")
    parser.add_argument("--count", type=int, default=600, help="how many pictures (default 600)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default 0)")
    parser.add_argument("--twins", action="store_true", help="scenes with colour, count and relation twins")
    parser.add_argument(
        "--pairs",
        choices=("all", "trained", "unseen"),
        default="all",
        help="colour-object pairs: all, only those that the small model learned, or one untrained pair a picture",
    )
    parser.add_argument(
        "--world",
        choices=("usual", "shifted"),
        default="usual",
        help="what is drawn: things and colours that the small model knows, or six things and three colours that it "
        "does not, under new names (default usual)",
    )
    parser.add_argument("--size", type=int, default=224, help="side of a picture in pixels (default 224)")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.scenes.dataset import make_set, write_set
    from imgsearch.scenes.graph import WORLDS

    if arguments.count < 1:
        raise UsageError(f"--count is {arguments.count}, expected at least 1", "for example --count 600")
    if not 32 <= arguments.size <= 4096:
        raise UsageError(f"--size is {arguments.size}, expected 32 to 4096 pixels", "for example --size 224")
    if arguments.world == "shifted" and arguments.pairs != "all":
        raise UsageError(
            f"received --pairs {arguments.pairs} with --world shifted, of whose things the small model learned none",
            "leave --pairs out",
        )
    domain = replace(WORLDS[arguments.world], pairs=arguments.pairs)
    rows = make_set(arguments.count, arguments.seed, twins=arguments.twins, domain=domain)
    path = write_set(rows, arguments.out, size=arguments.size, workers=os.cpu_count() or 1)
    print(f"{len(rows)} pictures with {sum(len(row.captions) for row in rows)} captions: {path}")
    return 0


SCENES = Command("draw captioned pictures of little scenes, with their captions", _configure, _run)
