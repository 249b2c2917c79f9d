"""`imgsearch train --mini`: make the small model from nothing. A person's own pairs are for `imgsearch tune`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgsearch.cli.command import Command
from imgsearch.cli.output.terminal import require_no_file
from imgsearch.cli.parser import real, whole
from imgsearch.errors import UsageError
from imgsearch.extras import needs_extra
from imgsearch.model.checkpoints.resolve import find_source


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the run's state, log and finished model/")
    parser.add_argument("--mini", action="store_true", help="make the shipped small model from nothing")
    parser.add_argument("--model", help="checkpoint of its sizes whose ViT is kept (default: from nothing)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default auto)")
    parser.add_argument("--steps", type=whole(1), help="steps of the ITC + ITM stage")
    parser.add_argument("--batch-size", type=whole(1), help="pairs a step")
    parser.add_argument("--learning-rate", type=real(1e-9, 1.0), help="peak rate")
    parser.add_argument("--seed", type=int, help="seed of weights, pictures and batches")


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.mini:
        raise UsageError("--mini is missing", "imgsearch train --mini OUT; for your own pairs: imgsearch tune PAIRS")
    require_no_file(arguments.out, "OUT")
    if arguments.model is not None:
        find_source(arguments.model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    folder = _train_mini(arguments, _logger(arguments.out / "log.txt"))
    print(f"the model is in {folder}; use it with --model {folder}")
    return 0


def _logger(path: Path) -> Callable[[str], None]:
    started = time.monotonic()

    def log(line: str) -> None:
        stamped = f"{time.monotonic() - started:8.0f}s  {line}"
        print(stamped, file=sys.stderr, flush=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(stamped + "\n")

    return log


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The loop's settings that were given on the command line."""
    names = ("steps", "batch_size", "learning_rate", "seed")
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def _train_mini(arguments: argparse.Namespace, log: Callable[[str], None]) -> Path:
    from dataclasses import replace

    with needs_extra("training", "train"):
        from imgsearch.model.checkpoints.identity import resolve_device
        from imgsearch.training.recipe import Recipe, train_mini

    recipe = Recipe()
    recipe = replace(recipe, loop=replace(recipe.loop, **_given(arguments)))
    if arguments.seed is not None:
        recipe = replace(recipe, picture_seed=arguments.seed, weight_seed=arguments.seed)
    workers, device = os.cpu_count() or 1, resolve_device(arguments.device)
    return train_mini(recipe, arguments.out, device=device, workers=workers, log=log, start=arguments.model)


TRAIN = Command("make the small model anew, on drawn scenes", _configure, _run)
