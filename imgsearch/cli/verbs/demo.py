"""`imgsearch demo`: everything once, with drawn images and the shipped model: draw, index, search, show."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command
from imgsearch.cli.output.progress import phases
from imgsearch.cli.output.terminal import require_no_file
from imgsearch.errors import ImgsearchError, UsageError

if TYPE_CHECKING:
    from imgsearch.records import Results
    from imgsearch.search.engine import Searcher

COUNT = 600
SEED = 2026
PLAIN_QUERIES = (
    "a blue fish in a meadow",
    "a yellow cat above an orange umbrella",
    "three black houses and red mushrooms",
    "three purple lamps and a blue bell",
    "two brown flowers at sunset",
)
_RELATION_CAPTIONS = 30  # captions about left and right; all are searched, and one that ITM corrects is shown


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("imgsearch-demo"), help="folder to work in (default ./imgsearch-demo)"
    )
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many pictures to draw (default {COUNT})")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.app import open_searcher
    from imgsearch.settings import load_settings
    from indexer.index_run import IndexRequest
    from indexer.service import read_folders

    started = time.monotonic()
    if arguments.count < 10:
        raise UsageError(f"--count is {arguments.count}, expected at least 10", "imgsearch demo")
    require_no_file(arguments.out, "--out DIR")
    drawn, library = arguments.out / "pictures", arguments.out / "library"
    _draw(drawn, arguments.count)
    print(f"Indexing {drawn} with the small BLIP-2 that ships ...", flush=True)
    with phases(argparse.Namespace(quiet=False)) as told:
        given = load_settings({"library": library, "model": "mini"})
        summary = read_folders(IndexRequest((str(drawn / "images"),), given), told)
    print(summary.text())
    if summary.failed:
        raise ImgsearchError(
            f"{summary.failed} of the demo's pictures could not be indexed",
            f"delete {arguments.out} and run imgsearch demo again",
        )
    with open_searcher(load_settings({"library": library})) as searcher:
        answers = [(text, _search(searcher, text)) for text in PLAIN_QUERIES]
        relations = _ask_relations(searcher, drawn)
    for text, results in answers:
        _print_answer(text, results)
    rows: list[tuple[str, Results, str | None]] = [(text, results, None) for text, results in answers]
    print(
        f"\n  Of {relations.asked} captions about left and right, the right picture "
        f"comes first for {relations.right_by_itc} by ITC alone, for {relations.right_by_itm} after ITM."
    )
    if relations.mended:
        text, before, after, wanted = relations.mended
        _print_relation(text, before, after, wanted)
        rows += [(f"{text}  (ITC alone)", before, wanted), (f"{text}  (ITM re-ranked)", after, wanted)]
    from imgsearch.cli.output.contact_sheet import save_contact_sheet

    print("\nThe small model puts the right picture first for fifteen captions of sixteen (data/mini/README.md).")
    sheet = arguments.out / "answers.png"
    save_contact_sheet(rows, sheet)
    print(f"\nAll answers as one picture: {sheet}")
    print(f"{arguments.count} pictures drawn, indexed and searched in {time.monotonic() - started:.0f} s. Try:")
    print(f'  imgsearch search "two green fish at night" --library {library}')
    print(f"  imgsearch serve --library {library}      # the same in a browser")
    print(f"  imgsearch eval {drawn / 'pairs.jsonl'} --model mini --k-test 16")
    print("  imgsearch models                     # the real BLIP-2, for your own photos")
    return 0


def _draw(folder: Path, count: int) -> None:
    """Draw the demo's images, or keep those of an earlier run."""
    from imgsearch.scenes.dataset import make_set, write_set

    if (folder / "pairs.jsonl").is_file():
        print(f"Using the pictures drawn before in {folder}.")
        return
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} holds something other than a finished demo", f"delete {folder}, or name a folder with --out"
        )
    print(f"Drawing {count} captioned scenes into {folder} ...", flush=True)

    rows = make_set(count, SEED, twins=True)
    write_set(rows, folder)


def _search(searcher: Searcher, text: str, rerank: int = -1) -> Results:
    from imgsearch.search.query.description import Query

    return searcher.search(Query(text, k=6, rerank=rerank, everything=True))


@dataclass(frozen=True, slots=True)
class _Relations:
    """The result of captions about left and right: how many were searched, how often the right image came first by ITC
    alone and after ITM, and the first one that ITM corrected: (text, by ITC, after ITM, name of the right image)."""

    asked: int
    right_by_itc: int
    right_by_itm: int
    mended: tuple[str, Results, Results, str] | None


def _ask_relations(searcher: Searcher, drawn: Path) -> _Relations:
    rows = [json.loads(line) for line in (drawn / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    captions = [
        (caption, Path(row["image"]).name)
        for row in rows
        if row["twin_kind"] == "relation"
        for caption in row["captions"]
        if " left of " in caption or " right of " in caption
    ][:_RELATION_CAPTIONS]
    by_itc = by_itm = 0
    mended = None
    for caption, wanted in captions:
        before, after = _search(searcher, caption, rerank=0), _search(searcher, caption)
        itc_right, itm_right = (results.hits[0].path.name == wanted for results in (before, after))
        by_itc, by_itm = by_itc + itc_right, by_itm + itm_right
        if mended is None and itm_right and not itc_right:
            mended = (caption, before, after, wanted)
    return _Relations(len(captions), by_itc, by_itm, mended)


def _print_answer(text: str, results: Results) -> None:
    print(f"\n  {text}")
    for hit in results.hits[:3]:
        print(f"    {hit.rank}. {hit.path.name}  ITC {hit.itc:.3f}{_itm(hit.itm_probability)}")


def _print_relation(text: str, before: Results, after: Results, wanted: str) -> None:
    print(f"\n  {text}\n    the one picture of which this is true: {wanted}")
    itc, itm = before.hits[0], after.hits[0]
    print(f"    best by ITC alone:     {itc.path.name}  ITC {itc.itc:.3f}  (wrong: not the one that was asked for)")
    print(f"    best after ITM:        {itm.path.name}  ITC {itm.itc:.3f}{_itm(itm.itm_probability)}")
    print("    The first of the captions above that ITM mends; how often it does stands there.")


def _itm(probability: float | None) -> str:
    return "" if probability is None else f"  match {100 * probability:.0f} %"


DEMO = Command("draw pictures, index and search them with the model that ships", _configure, _run)
