"""imgsearch eval PAIRS.jsonl: recall both ways, as BLIP-2's authors measure it, and the choice between twins.
imgsearch eval --self: what can be measured on a library of one's own, without captions."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from imgsearch.cli.command import Command
from imgsearch.cli.output.terminal import shown
from imgsearch.errors import UsageError
from imgsearch.settings import DTYPES

if TYPE_CHECKING:
    from imgsearch.evaluation.caption_search import CaptionGain
    from imgsearch.evaluation.self_check import IndexRecall, Miss, SelfEvaluation, SelfRetrieval

NAMES = {"text_to_image": "text to image", "image_to_text": "image to text"}


FOR_PAIRS, FOR_SELF = ("k_test", "dtype"), ("sample", "seed", "library")
"""Options of the one form that mean nothing in the other."""

LISTED = 5
"""Pictures that were not first, and reasons for those left out, that the table names."""

_DESCRIPTION = """\
Measure how well pictures are found. With PAIRS.jsonl: recall by the protocol of BLIP-2's authors, on captioned
pictures. With PAIRS.jsonl --captions: searches of a library that holds these pictures, with the captions that
`imgsearch caption` wrote and without. With --self: on your own library, without captions. Are its pictures known again
after a crop and a JPEG compression, and does the search index lose anything that comparing every picture would find?
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument(
        "pairs", metavar="PAIRS.jsonl", nargs="?", help='one {"image": path beside the file, "captions": [...]} a line'
    )
    parser.add_argument("--self", action="store_true", dest="own", help="measure on your own library instead")
    parser.add_argument(
        "--model", metavar="NAME", help="mini, blip2, blip2-coco, blip2-vitl, a directory, a LAVIS .pth (blip2)"
    )
    parser.add_argument("--batch-size", type=int, default=0, metavar="N", help="pictures or pairs at once; by device")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--json", action="store_true", help="one JSON object; PAIRS in percent, --self in shares of 1")
    pairs = parser.add_argument_group("with PAIRS.jsonl")
    pairs.add_argument("--k-test", type=int, metavar="K", help="candidates that ITM re-ranks (128, as the authors)")
    pairs.add_argument("--dtype", choices=DTYPES, metavar="DTYPE", help=", ".join(DTYPES))
    pairs.add_argument("--captions", action="store_true", help="whether generated captions help a library's searches")
    own = parser.add_argument_group("with --self or --captions")
    own.add_argument("--sample", type=int, metavar="N", help="pictures to look for, texts to ask (200; --captions 400)")
    own.add_argument("--seed", type=int, metavar="N", help="another seed takes other pictures (0)")
    own.add_argument("--library", metavar="DIR", help="where the library is")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.own == (arguments.pairs is not None):
        got = f"both {arguments.pairs} and --self" if arguments.own else "neither PAIRS.jsonl nor --self"
        raise UsageError(
            f"got {got}, expected one of them",
            "imgsearch eval PAIRS.jsonl for captioned pictures, imgsearch eval --self for your own library",
        )
    if arguments.captions and arguments.own:
        raise UsageError("got --self and --captions, expected one of them", "--captions goes with PAIRS.jsonl")
    for name in FOR_PAIRS if arguments.own or arguments.captions else FOR_SELF:
        if getattr(arguments, name) is not None:
            form = "PAIRS.jsonl alone" if arguments.captions else "PAIRS.jsonl" if arguments.own else "--self"
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"got {flag}, which goes with {form} only", f"leave {flag} out")
    if arguments.batch_size < 0:
        raise UsageError(
            f"--batch-size is {arguments.batch_size}, expected 1 or more", "leave it out to have it chosen"
        )
    if arguments.captions:
        return _run_captions(arguments)
    return _run_self(arguments) if arguments.own else _run_pairs(arguments)


def _run_pairs(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from imgsearch.app import open_model
    from imgsearch.evaluation.pairs import load_pairs
    from imgsearch.settings import load_settings

    k_test = 128 if arguments.k_test is None else arguments.k_test
    if k_test < 1:
        raise UsageError(f"--k-test is {k_test}, expected 1 or more", "the authors use 128")
    pairs = load_pairs(Path(arguments.pairs).expanduser())
    model = open_model(load_settings(vars(arguments)))

    from imgsearch.evaluation.retrieval import evaluate  # after the model: its errors should come first

    figures = evaluate(model, pairs, k_test=k_test, batch_size=arguments.batch_size, progress=sys.stderr.isatty())
    figures["model"] = model.model_id.name
    print(json.dumps(figures, indent=2) if arguments.json else _table(figures))
    return 0


def _run_captions(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict
    from pathlib import Path

    from imgsearch.app import open_searcher
    from imgsearch.evaluation.caption_search import SAMPLE, compare_caption_search
    from imgsearch.evaluation.pairs import load_pairs
    from imgsearch.settings import load_settings

    sample = SAMPLE if arguments.sample is None else arguments.sample
    if sample < 1:
        raise UsageError(f"--sample is {sample}, expected 1 or more", f"leave it out for {SAMPLE}")
    pairs = load_pairs(Path(arguments.pairs).expanduser())
    settings = load_settings({name: getattr(arguments, name) for name in ("library", "model", "device")})
    with open_searcher(settings) as searcher:
        found = compare_caption_search(
            searcher, pairs, sample=sample, seed=arguments.seed or 0, progress=sys.stderr.isatty()
        )
    print(json.dumps(asdict(found), indent=2) if arguments.json else "\n".join(_gain_lines(found)))
    return 0


def _gain_lines(found: CaptionGain) -> list[str]:
    lines = [
        f"{found.texts:,} descriptions, {found.captioned:,} pictures with a sure caption; percent",
        "                       R@1    R@5   R@10",
    ]
    for name, row in (("without captions", found.without), ("with captions", found.with_captions)):
        lines.append(f"  {name:<18}{100 * row.r1:7.1f}{100 * row.r5:7.1f}{100 * row.r10:7.1f}")
    lines.append(f"  moved up {found.better:,}, down {found.worse:,}")
    if found.left_out:
        lines.append(f"  left out: {_counted(found.left_out)} that the library does not hold")
    return lines


def _run_self(arguments: argparse.Namespace) -> int:
    from imgsearch.app import open_searcher
    from imgsearch.evaluation.self_check import SAMPLE, evaluate_self
    from imgsearch.settings import load_settings

    sample = SAMPLE if arguments.sample is None else arguments.sample
    if sample < 1:
        raise UsageError(f"--sample is {sample}, expected 1 or more", f"leave it out for {SAMPLE}")
    settings = load_settings({name: getattr(arguments, name) for name in ("library", "model", "device")})
    with open_searcher(settings) as searcher:
        store = searcher.store
        found = evaluate_self(
            store,
            searcher.model,
            sample=sample,
            seed=arguments.seed or 0,
            batch_size=arguments.batch_size,
            progress=sys.stderr.isatty(),
        )
    if arguments.json:
        print(json.dumps(_self_figures(found), indent=2))
    else:
        print(f"{shown(store.path)}: {_counted(found.library_pictures)}, model {shown(store.model.name)}\n")
        print("\n".join([*_retrieval_lines(found.retrieval), "", *_index_lines(found.index)]))
    return 0


def _self_figures(found: SelfEvaluation) -> dict[str, Any]:
    """Shares from 0 to 1; null where no picture could be read."""
    retrieval, index = found.retrieval, found.index
    return {
        "self_retrieval": {
            "pictures": retrieval.images,
            "left_out": retrieval.left_out,
            "r1": _rounded(retrieval.r1),
            "r5": _rounded(retrieval.r5),
        },
        "index": {
            "kind": index.kind,
            "queries": index.queries,
            "recall_at_10": _rounded(index.recall_at_10),
            "recall_at_100": _rounded(index.recall_at_100),
        },
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _retrieval_lines(found: SelfRetrieval) -> list[str]:
    from imgsearch.evaluation.alteration import ALTERATION

    lines = [f"{_counted(found.images)} altered ({ALTERATION}) and looked for, as similar: does"]
    if found.r1 is None or found.r5 is None:
        lines = ["no picture of the sample could be read, so none was looked for"]
    else:
        lines += [
            f"  itself first          {100 * found.r1:7.1f} %",
            f"  among the first 5     {100 * found.r5:7.1f} %",
        ]
    lines += [f"  behind another: {_missed(miss)}" for miss in found.missed[:LISTED]]
    if len(found.missed) > LISTED:
        lines.append(f"  and {len(found.missed) - LISTED:,} more")
    if found.left_out:
        reasons = Counter(found.reasons).most_common()
        lines.append(f"  left out: {found.left_out:,}")
        lines += [f"    {count:,} x {shown(reason)}" for reason, count in reasons[:LISTED]]
    return lines


def _counted(pictures: int) -> str:
    return "1 picture" if pictures == 1 else f"{pictures:,} pictures"


def _missed(miss: Miss) -> str:
    place = f"place {miss.place}" if miss.place else "not among the first 5"
    return f"{shown(miss.path)}, {place}" + (f", after {shown(miss.first)}" if miss.first else "")


def _index_lines(found: IndexRecall) -> list[str]:
    if found.snapshot_ms is None:
        return [
            f"exact search, {found.note}: every picture is compared, so none is lost",
            f"  median of a search    {found.exact_ms:5.1f} ms",
        ]
    return [
        f"{found.queries:,} texts and tokens of pictures, asked of the snapshot ({found.kind}) and of every picture",
        f"  of the 10 best, found by the snapshot   {100 * found.recall_at_10:7.2f} %",
        f"  of the 100 best                         {100 * found.recall_at_100:7.2f} %",
        f"  median of a search                      {found.snapshot_ms:5.1f} ms, {found.exact_ms:.1f} ms without it",
    ]


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


EVAL = Command("measure recall, on captioned pictures or on your own", _configure, _run)
