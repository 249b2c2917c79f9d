"""imgsearch search TEXT: the pictures that a description fits best."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command
from imgsearch.cli.output.signs import Sign, signs
from imgsearch.cli.output.streams import without_chatter
from imgsearch.cli.parser import probability, real, whole
from imgsearch.errors import UsageError
from imgsearch.settings import FEATURES, RUNTIMES

if TYPE_CHECKING:
    from imgsearch.records import Results
    from imgsearch.search.engine import Searcher
    from imgsearch.search.query.description import Query
    from imgsearch.search.query.parser import ParsedQuery


_EPILOG = """\
Plain words describe the picture. Among them may stand:
  -word   not "two words"         what it must not show
  folder:Holiday   name:IMG_20    words of the folder's or the file's name; name:*.png, folder:/a/path
  year:2019   after:2019-06   before:2020-01-31        when it was taken
  camera:Canon   type:jpg   width:>2000   height:100-200   is:landscape|portrait|square
  tag:beach   rating:>=3          what people wrote about it, and their stars
  caption:dog                     words of its caption, by `imgsearch caption` or by people
  text:invoice text:"no 12"       words that stand in it, as `imgsearch read` read them
  has:gps|date|camera|tag|rating|caption|text
  near:Lisbon   near:"Paris, Texas"   near:48.86,2.35,5     near a town; within 5 km of a place
  similar:photo.jpg|ID            like that picture
  like:photo.jpg at night         like that one, but as the words say
  -folder:Trash                   a minus before a filter turns it round
Quotes around the whole query or around single words are the same. A word that begins with a minus and is no option
belongs to the query; "--" before the words ends the options. More in docs/search.md.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "text", nargs="+", metavar="TEXT", help="what the picture shows, in one word or many; - reads standard input"
    )
    parser.add_argument("-k", type=whole(1, 100_000, "k"), default=10, metavar="N", help="how many answers (10)")
    parser.add_argument("--all", action="store_true", help="go on behind the last picture that matches")
    parser.add_argument(
        "--threshold", type=probability, metavar="P", help="only what matches with this probability, 0.5 or 50%%"
    )
    parser.add_argument(
        "--sort", choices=("best", "newest", "oldest", "name"), default="best", help="the order of what was found"
    )
    page = parser.add_mutually_exclusive_group()
    page.add_argument("--page", type=whole(1, 100_000), default=1, metavar="N", help="the N-th page of -k answers (1)")
    page.add_argument("--cursor", metavar="C", help="the page behind an earlier answer, whose next_cursor this is")
    parser.add_argument(
        "--budget-ms", type=real(0, 1e9), metavar="MS", help="stop re-ranking when so much time is gone"
    )
    parser.add_argument("--features", choices=FEATURES, help="ViT features kept for later searches (cache)")
    parser.add_argument(
        "--rerank",
        type=whole(0, 100_000, "rerank", "leave it out to have it chosen by the device"),
        metavar="N",
        help="re-read the N best with ITM; 0 = off; by device unless given",
    )
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--model", metavar="NAME", help="insist on this model; the library's own unless given")
    parser.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--runtime", choices=RUNTIMES, help="what computes the model: auto, numpy, torch, openvino")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument("--paths", action="store_true", help="paths only, one a line")
    form.add_argument("--null", action="store_true", help="paths only, each ended by a NUL byte, for xargs -0")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--copy-to", metavar="DIR", help="copy the answers into DIR; nothing there is overwritten")
    place.add_argument("--link-to", metavar="DIR", help="make symbolic links to the answers in DIR")
    parser.add_argument("--open", action="store_true", help="show the answers with the desktop's program for pictures")


def _run(arguments: argparse.Namespace) -> int:
    with signs() as sign:
        sign("opening the library")
        # One query is made of small matrix products, which OpenBLAS's threads wait for more than they work on: with two
        # of them on two busy cores a search with 16 re-ranked took 1.25 s of CPU time and 7.5 s, with one 0.65 and 1.7.
        # NumPy reads this when it is imported.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        results, loaded_ms = _search(arguments, sign)
    code = 0 if results.hits else 1
    delivered, lost = _deliver(arguments, results)
    _print(arguments, results, loaded_ms, delivered)
    if arguments.open:
        lost += _open(results)
    for note in results.notes:
        print(f"note: {note}", file=sys.stderr)
    for reason in lost:
        print(f"imgsearch: {reason}", file=sys.stderr)
    return 3 if lost else code


def _search(arguments: argparse.Namespace, sign: Sign) -> tuple[Results, float]:
    """The answer, and the milliseconds until the model was there."""
    from imgsearch.app import open_searcher
    from imgsearch.search.query.description import Query
    from imgsearch.search.query.parser import parse_query
    from imgsearch.search.query.shell_words import is_ambiguous, join_words
    from imgsearch.search.selection import above, at_page, in_order
    from imgsearch.settings import load_settings

    settings = load_settings(vars(arguments))
    words = _words(arguments.text)
    query = Query(
        join_words(words),
        k=arguments.k,
        rerank=settings.rerank,
        cursor=arguments.cursor,
        everything=arguments.all or arguments.threshold is not None,
        budget_ms=arguments.budget_ms,
    )
    # A query that nothing can answer is refused before the model is loaded.
    parsed = None if is_ambiguous(words) else parse_query(query)
    start = time.perf_counter()
    with open_searcher(settings, told=sign) as searcher:
        loaded_ms = round(1000 * (time.perf_counter() - start), 1)
        sign("searching (3 of 3)")
        if parsed is None:
            query = replace(query, text=join_words(words, _names_in(searcher)))
            parsed = parse_query(query)
        query = at_page(query, arguments.page, searcher.store.generation()) if arguments.page > 1 else query
        with without_chatter():  # it decodes what like: names, and pictures of which no features are kept
            results = _answer(searcher, query, parsed, sign if _reads_along(arguments) else None)
        if arguments.page > 1 and not results.hits:
            results = replace(results, notes=(*results.notes, f"page {arguments.page:,} lies behind the last answer"))
        if arguments.threshold is not None:
            results = above(results, arguments.threshold)
        return in_order(results, arguments.sort, lambda ids: _dates(searcher, ids)), loaded_ms


def _reads_along(arguments: argparse.Namespace) -> bool:
    """Whether a person looks at a table that nothing changes afterwards."""
    machine = arguments.json or arguments.paths or arguments.null
    return sys.stdout.isatty() and not machine and arguments.threshold is None and arguments.sort == "best"


def _answer(searcher: Searcher, query: Query, parsed: ParsedQuery, sign: Sign | None) -> Results:
    """The answer. Where a re-rank takes seconds, the answer by vectors is shown first, if there is a ``sign``."""
    from imgsearch.cli.output.result_table import table_lines

    if sign is None or not searcher.model.profile.one_by_one:
        return searcher.search(query, parsed=parsed)
    for results in searcher.stream(query, parsed=parsed):
        if results.reranked or not results.hits or sign is None:
            continue
        sign.above(["by vectors, before the re-rank:", *table_lines(results), ""])
        sign(f"re-ranking, {(searcher.model.profile.rerank_ms or 0) / 1000:g} s at most (3 of 3)")
        sign = None
    return results


def _words(text: list[str]) -> list[str]:
    """The words of the query; "-" alone stands for what standard input holds."""
    if text[0] == "-" and len(text) > 1:
        raise UsageError(
            "received words after -, which reads the whole query from standard input",
            'leave the - out, or put them into the input: echo "a boat is:square" | imgsearch search -',
        )
    if text != ["-"]:
        return text
    if sys.stdin.isatty():
        print("Type the query; Ctrl-D ends it.", file=sys.stderr)
    return [sys.stdin.read().strip()]


def _names_in(searcher: Searcher) -> Callable[[str, str], bool]:
    from imgsearch.records import Clause, Filters
    from imgsearch.search.query.filter_values import FILTERS

    def known(key: str, value: str) -> bool:
        found = FILTERS.get(key)
        return found is not None and bool(
            len(searcher.store.matching_images(Filters((Clause(key, found.read(value)),))))
        )

    return known


def _dates(searcher: Searcher, image_ids: Sequence[int]) -> dict[int, str | None]:
    return {number: record.dated_at for number, record in searcher.store.images(image_ids).items()}


def _open(results: Results) -> list[str]:
    """Show the pictures; what failed and why."""
    from imgsearch.cli.output.desktop import open_images

    return open_images([hit.path for hit in results.hits])


def _deliver(arguments: argparse.Namespace, results: Results) -> tuple[list[str], list[str]]:
    """Copy or link the answers if that was asked for: (what was made, what failed)."""
    if not (arguments.copy_to or arguments.link_to):
        return [], []
    from pathlib import Path

    from imgsearch.cli.output.deliver import deliver

    folder = Path(arguments.copy_to or arguments.link_to).expanduser()
    made, lost = deliver([hit.path for hit in results.hits], folder, link=bool(arguments.link_to))
    return [str(path) for path in made], lost


def _print(arguments: argparse.Namespace, results: Results, loaded_ms: float, delivered: list[str]) -> None:
    from imgsearch.cli.output.terminal import shown, write_path

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
    from imgsearch.cli.output.result_table import table_lines

    if not results.hits:
        print("nothing found", file=sys.stderr)
        return
    for line in table_lines(results):
        print(line)
    took_s = results.took_ms["total"] / 1000
    print(f"{took_s:.2f} s; {results.reranked} re-ranked" if results.reranked else f"{took_s:.2f} s; not re-ranked")


def _as_json(results: Results, loaded_ms: float, delivered: list[str]) -> dict[str, object]:
    """What --json prints. A byte of a path that is not UTF-8 is a lone surrogate: os.fsencode gives it back."""
    fields = ("rank", "image_id", "itc", "itm_logit", "itm_probability", "confident", "words")
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


SEARCH = Command("find pictures by describing them", _configure, _run, words=True)
