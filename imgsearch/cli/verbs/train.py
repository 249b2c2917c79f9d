"""`imgsearch train`: train ITC + ITM on pairs, starting from a checkpoint, or make the small model from nothing."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgsearch.cli.command import Command
from imgsearch.errors import UsageError
from imgsearch.extras import needs_extra


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pairs", type=Path, nargs="?", metavar="PAIRS.jsonl", help='lines of {"image", "captions"}')
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the run's state, log and finished model/")
    parser.add_argument("--mini", action="store_true", help="make the shipped small model from nothing (no PAIRS)")
    parser.add_argument("--model", help="checkpoint to begin from (default blip2; with --mini: from nothing)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default auto)")
    parser.add_argument("--steps", type=int, help="steps of the ITC + ITM stage")
    parser.add_argument("--batch-size", type=int, help="pairs a step")
    parser.add_argument("--learning-rate", type=float, help="peak rate")
    parser.add_argument("--train-vision", action="store_true", help="let the ViT learn too (frozen otherwise)")
    parser.add_argument("--seed", type=int, help="seed of weights, pictures and batches")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.mini == (arguments.pairs is not None):
        raise UsageError(
            "expected either PAIRS.jsonl or --mini", "imgsearch train PAIRS.jsonl OUT, or imgsearch train --mini OUT"
        )
    for name in ("steps", "batch_size"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UsageError(
                f"--{name.replace('_', '-')} is {value}, expected at least 1", "leave it out for the default"
            )
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = _logger(arguments.out / "log.txt")
    folder = _train_mini(arguments, log) if arguments.mini else _tune(arguments, log)
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
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return {**given, "train_vision": True} if arguments.train_vision else given


def _train_mini(arguments: argparse.Namespace, log: Callable[[str], None]) -> Path:
    from dataclasses import replace

    with needs_extra("training", "train"):
        from imgsearch.training.checkpoints import device_named
        from imgsearch.training.recipe import Recipe, train_mini

    recipe = Recipe()
    recipe = replace(recipe, loop=replace(recipe.loop, **_given(arguments)))
    if arguments.seed is not None:
        recipe = replace(recipe, picture_seed=arguments.seed, weight_seed=arguments.seed)
    workers = os.cpu_count() or 1
    device = device_named(arguments.device)
    return train_mini(recipe, arguments.out, device=device, workers=workers, log=log, start=arguments.model)


def _tune(arguments: argparse.Namespace, log: Callable[[str], None]) -> Path:
    with needs_extra("training", "train"):
        from imgsearch.training.checkpoints import tune_checkpoint

    return tune_checkpoint(
        arguments.model or "blip2",
        arguments.pairs,
        arguments.out,
        device=arguments.device,
        given=_given(arguments),
        log=log,
    )


TRAIN = Command("train a model on pictures and captions", _configure, _run)
