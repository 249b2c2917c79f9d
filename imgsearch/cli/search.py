"""imgsearch search TEXT: the pictures that a description fits best."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command
from imgsearch.settings import FEATURES

if TYPE_CHECKING:
    from imgsearch.records import Results


_EPILOG = """\
Plain words describe the picture. Among them may stand:
  -word   not "two words"         what it must not show
  folder:Holiday   name:IMG_20    words of the folder's or the file's name; name:*.png, folder:/a/path
  year:2019   after:2019-06   before:2020-01-31        when it was taken
  camera:Canon   type:jpg   width:>2000   height:100-200   is:landscape|portrait|square
  has:gps|date|camera   near:48.86,2.35,5              within 5 km of a place
  similar:photo.jpg|ID            like that picture
  like:photo.jpg at night         like that one, but as the words say
  -folder:Trash                   a minus before a filter turns it round
More in docs/search.md. Words that begin with a minus need "--" before all of them:
  imgsearch search -- a beach -people
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("text", nargs="+", metavar="TEXT", help="what the picture shows; quotes are not needed")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many answers (10)")
    parser.add_argument("--all", action="store_true", help="go on behind the last picture that matches")
    parser.add_argument("--cursor", metavar="C", help="the page behind an earlier answer, whose next_cursor this is")
    parser.add_argument("--budget-ms", type=float, metavar="MS", help="stop re-ranking when so much time is gone")
    parser.add_argument("--features", choices=FEATURES, help="ViT features kept for later searches (cache)")
    parser.add_argument(
        "--rerank", type=int, metavar="N", help="re-read the N best with ITM; 0 = off; by device unless given"
    )
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--model", metavar="NAME", help="insist on this model; the library's own unless given")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument("--paths", action="store_true", help="paths only, one a line")
    form.add_argument("--null", action="store_true", help="paths only, each ended by a NUL byte, for xargs -0")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--copy-to", metavar="DIR", help="copy the answers into DIR; nothing there is overwritten")
    place.add_argument("--link-to", metavar="DIR", help="make symbolic links to the answers in DIR")


def _run(arguments: argparse.Namespace) -> int:
    # One query is made of small matrix products, which OpenBLAS's threads wait for more than they work on: with two of
    # them on two busy cores a search with 16 re-ranked took 1.25 s of CPU time and 7.5 s, with one 0.65 and 1.7. NumPy
    # reads this when it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from imgsearch.library import open_searcher
    from imgsearch.search.query import Query
    from imgsearch.search.sense import require_sense
    from imgsearch.settings import load_settings

    settings = load_settings(vars(arguments))
    query = Query(
        _joined(arguments.text),
        k=arguments.k,
        rerank=settings.rerank,
        cursor=arguments.cursor,
        everything=arguments.all,
        budget_ms=arguments.budget_ms,
    )
    require_sense(query)  # a hopeless query is refused before the model is loaded
    start = time.perf_counter()
    with open_searcher(settings) as searcher:
        loaded_ms = round(1000 * (time.perf_counter() - start), 1)
        results = searcher.search(query)
    code = 0 if results.hits else 1
    delivered, lost = _deliver(arguments, results)
    _print(arguments, results, loaded_ms, delivered)
    for note in results.notes:
        print(f"note: {note}", file=sys.stderr)
    for reason in lost:
        print(f"imgsearch: {reason}", file=sys.stderr)
    return 3 if lost else code


def _joined(words: list[str]) -> str:
    """One query of the shell's words. What the shell's quotes held together stays together behind a filter's colon or a
    minus; plain words need no quotes of their own."""
    return " ".join(_requoted(word) for word in words)


def _requoted(word: str) -> str:
    if '"' in word or not any(letter.isspace() for letter in word):
        return word
    match = re.match(r"-?[^\W\d_]{2,}:(?!\s)", word) or re.match(r"-(?=\w)", word)
    return f'{match[0]}"{word[match.end() :]}"' if match and len(match[0].split()) == 1 else word


def _deliver(arguments: argparse.Namespace, results: Results) -> tuple[list[str], list[str]]:
    """Copy or link the answers if that was asked for: (what was made, what failed)."""
    if not (arguments.copy_to or arguments.link_to):
        return [], []
    from pathlib import Path

    from imgsearch.cli.deliver import deliver

    folder = Path(arguments.copy_to or arguments.link_to).expanduser()
    made, lost = deliver([hit.path for hit in results.hits], folder, link=bool(arguments.link_to))
    return [str(path) for path in made], lost


def _print(arguments: argparse.Namespace, results: Results, loaded_ms: float, delivered: list[str]) -> None:
    from imgsearch.cli.terminal import shown, write_path

    if arguments.json:
        print(json.dumps(_as_json(results, loaded_ms, delivered), indent=2))
    elif arguments.paths or arguments.null:
        for hit in results.hits:
            if arguments.paths and sys.stdout.isatty():
                print(shown(hit.path))
            else:
                write_path(hit.path, b"\0" if arguments.null else b"\n")
        if arguments.paths and any("\n" in str(hit.path) for hit in results.hits):
            print("note: a path holds a line end; --null tells such paths apart", file=sys.stderr)
    else:
        _print_table(results)
        if delivered:
            print(f"{len(delivered)} in {shown(arguments.copy_to or arguments.link_to)}")


def _print_table(results: Results) -> None:
    from imgsearch.cli.terminal import linked

    if not results.hits:
        print("nothing found", file=sys.stderr)
        return
    print("rank    ITC  match  picture")
    unsure = False
    for hit in results.hits:
        if hit.confident is False and not unsure:
            print("                    -- below here nothing matches with confidence --")
            unsure = True
        match = "    -" if hit.itm_probability is None else f"{100 * hit.itm_probability:4.0f}%"
        print(f"{hit.rank:4d}  {hit.itc:5.3f}  {match}  {linked(hit.path)}")
    took_s = results.took_ms["total"] / 1000
    print(f"{took_s:.2f} s; {results.reranked} re-ranked" if results.reranked else f"{took_s:.2f} s; not re-ranked")


def _as_json(results: Results, loaded_ms: float, delivered: list[str]) -> dict[str, object]:
    """What --json prints. A byte of a path that is not UTF-8 is a lone surrogate: os.fsencode gives it back."""
    fields = ("rank", "image_id", "itc", "itm_logit", "itm_probability", "confident")
    answer: dict[str, object] = {
        "query": results.query,
        "hits": [{**{name: getattr(hit, name) for name in fields}, "path": str(hit.path)} for hit in results.hits],
        "took_ms": {"load": loaded_ms, **results.took_ms},
        "reranked": results.reranked,
        "complete": results.complete,
        "next_cursor": results.next_cursor,
        "notes": list(results.notes),
    }
    return answer | ({"delivered": delivered} if delivered else {})


SEARCH = Command("find pictures by describing them", _configure, _run)
