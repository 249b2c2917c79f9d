"""imgsearch search TEXT: the pictures that a description fits best."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command

if TYPE_CHECKING:
    from imgsearch.records import Results


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="+", metavar="TEXT", help="what the picture shows; quotes are not needed")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many answers (10)")
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
    from imgsearch.library import open_searcher
    from imgsearch.search.query import Query, readable, require_words
    from imgsearch.settings import load_settings

    settings = load_settings(vars(arguments))
    query = Query(" ".join(arguments.text), k=arguments.k, rerank=settings.rerank)
    require_words(readable(query.text))  # a hopeless query is refused before the model is loaded
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
    for hit in results.hits:
        match = "    -" if hit.itm_probability is None else f"{100 * hit.itm_probability:4.0f}%"
        print(f"{hit.rank:4d}  {hit.itc:5.3f}  {match}  {linked(hit.path)}")
    took_s = results.took_ms["total"] / 1000
    print(f"{took_s:.2f} s; {results.reranked} re-ranked" if results.reranked else f"{took_s:.2f} s; not re-ranked")


def _as_json(results: Results, loaded_ms: float, delivered: list[str]) -> dict[str, object]:
    """What --json prints. A byte of a path that is not UTF-8 is a lone surrogate: os.fsencode gives it back."""
    fields = ("rank", "image_id", "itc", "itm_logit", "itm_probability")
    answer: dict[str, object] = {
        "query": results.query,
        "hits": [{**{name: getattr(hit, name) for name in fields}, "path": str(hit.path)} for hit in results.hits],
        "took_ms": {"load": loaded_ms, **results.took_ms},
        "reranked": results.reranked,
        "notes": list(results.notes),
    }
    return answer | ({"delivered": delivered} if delivered else {})


SEARCH = Command("find pictures by describing them", _configure, _run)
