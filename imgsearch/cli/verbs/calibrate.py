"""`imgsearch calibrate`: find the score from which on an image of this library shows what was asked for."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from imgsearch.cli.command import Command
from imgsearch.cli.listed import listed_texts
from imgsearch.cli.parser import whole
from imgsearch.errors import UsageError

_DESCRIPTION = """\
Every search over a library finds a best picture, even where none shows what was asked for. This asks the library for a
few hundred things, of which it has some and lacks others, and sets the score from which on a hit counts as confident.
No labels are needed. Searches then end where the matches end (--all goes on).
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--probes", type=Path, metavar="FILE", help="texts to ask, one a line (a built-in list)")
    parser.add_argument("--count", type=whole(1), default=300, metavar="N", help="how many of the built-in list (300)")
    parser.add_argument(
        "--depth",
        type=whole(1, 100_000),
        default=0,
        metavar="N",
        help="candidates re-ranked a text; as searches do unless given",
    )
    parser.add_argument(
        "--false-accepts", type=float, default=0.05, metavar="SHARE", help="of texts without a match, may be accepted"
    )
    parser.add_argument(
        "--reset",
        action="store_true",
        help="forget the library's own calibration; what its model came with counts again",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from imgsearch.app import model_calibration, open_searcher, save_calibration
    from imgsearch.evaluation.calibration_fit import fit_library
    from imgsearch.search.calibration import UNCALIBRATED
    from imgsearch.settings import load_settings

    if not 0 < arguments.false_accepts < 1:
        raise UsageError(f"--false-accepts is {arguments.false_accepts}, expected a share", "for example 0.05")
    settings = load_settings({"library": arguments.library, "device": arguments.device})
    if arguments.reset:
        save_calibration(settings, None)
        print("the library's own calibration is forgotten")
        return 0
    with open_searcher(settings) as searcher:
        texts = _texts(arguments, searcher.store.model.name)
        depth = arguments.depth or searcher.model.profile.rerank_depth
        bar = tqdm(texts, desc="asking", unit="text", disable=arguments.json or not sys.stderr.isatty())
        probes = [searcher.evidence(text, depth) for text in bar]
        base = model_calibration(searcher.store.model) or UNCALIBRATED
        source = f"{len(texts)} texts, this library"
        try:
            rule = fit_library(probes, base, false_accepts=arguments.false_accepts, source=source)
        except UsageError as error:
            _say_refusal(error, len(texts), as_json=arguments.json)
            raise
    save_calibration(settings, rule)
    found = sum(any(rule.judge(one) >= 0 for one in probe) for probe in probes)
    if arguments.json:
        print(json.dumps({"calibration": json.loads(rule.as_json()), "texts": len(texts), "answered": found}, indent=2))
    else:
        print(f"{found} of {len(texts)} texts have a match in this library; searches now end where matches end")
    return 0


def _say_refusal(error: UsageError, texts: int, *, as_json: bool) -> None:
    """Say that nothing was changed: as JSON, or on standard output if nobody sees standard error."""
    if as_json:
        print(json.dumps({"calibration": None, "texts": texts, "answered": None, "reason": error.message}, indent=2))
    elif not sys.stderr.isatty():
        print(f"the calibration stays as it was: {error.message}")


def _texts(arguments: argparse.Namespace, model_name: str) -> list[str]:
    from imgsearch.evaluation.probes import probe_texts

    if arguments.probes is None:
        return probe_texts(model_name, arguments.count)
    return listed_texts(arguments.probes)


CALIBRATE = Command("set the score from which on a hit counts as a match", _configure, _run)
