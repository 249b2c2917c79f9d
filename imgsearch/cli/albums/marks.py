"""`imgsearch favourite`, `hide` and `unhide`."""

from __future__ import annotations

import argparse
import json

from imgsearch.cli.albums.choosing import add_pictures, agreed, chosen, refuse_words_and_all
from imgsearch.cli.command import Command
from imgsearch.settings import load_settings
from imgsearch.wording import counted

_FAVOURITE = """\
Make pictures favourites: is:favourite finds them, in searches, on the page and from Python. PICTURE is a file or an id
of the library, or a query over it, whose pictures are shown first. --off takes the heart away again. A favourite stays
one when its file is moved, renamed or gets other words inside, and when the library is indexed anew.
"""
_HIDE = """\
Keep pictures out of every answer, the timeline and the map, until a query asks is:hidden. No file is touched, and
`imgsearch unhide` shows them again. Duplicates are still looked for among them.
"""
_UNHIDE = "Show hidden pictures again: those named, those that a query finds (is:hidden is added to it), or --all.\n"


def _configure(parser: argparse.ArgumentParser, description: str, *, needed: bool = True) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = description
    add_pictures(parser, needed=needed)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--library", metavar="DIR", help="where the library is")


def _configure_favourite(parser: argparse.ArgumentParser) -> None:
    _configure(parser, _FAVOURITE)
    parser.add_argument("--off", action="store_true", help="take the heart away")


def _configure_hide(parser: argparse.ArgumentParser) -> None:
    _configure(parser, _HIDE)


def _configure_unhide(parser: argparse.ArgumentParser) -> None:
    _configure(parser, _UNHIDE, needed=False)
    parser.add_argument("--all", action="store_true", help="all hidden pictures")


def _favourite(arguments: argparse.Namespace) -> int:
    on = not arguments.off
    question = "Make favourites of {}?" if on else "Take the heart away from {}?"
    told = "favourites from now on" if on else "not favourites any more"
    return _mark(arguments, "favourite", on=on, question=question, told=f"{{}}: {told}")


def _hide(arguments: argparse.Namespace) -> int:
    return _mark(arguments, "hidden", on=True, question="Hide {}?", told="{} hidden")


def _unhide(arguments: argparse.Namespace) -> int:
    from imgsearch.cli.named_images import read_named
    from imgsearch.errors import UsageError

    if arguments.all:
        refuse_words_and_all(arguments.words)
        arguments.words, arguments.yes = ["is:hidden"], True
    elif not arguments.words:
        raise UsageError("no picture was named, expected at least one", "imgsearch unhide --all shows all again")
    elif read_named(arguments.words).query and "is:hidden" not in arguments.words:
        arguments.words = [*arguments.words, "is:hidden"]
    return _mark(arguments, "hidden", on=False, question="Show {} again?", told="{} shown again")


def _mark(arguments: argparse.Namespace, mark: str, *, on: bool, question: str, told: str) -> int:
    from imgsearch.app import open_store
    from imgsearch.storage.collecting import Collecting

    settings = load_settings({"library": arguments.library})
    with open_store(settings) as store:
        ids = chosen(store, arguments, settings)
        if not agreed(store, ids, question.format, arguments):
            return 1
        changed = Collecting(store).mark(mark, ids, on=on)
    if arguments.json:
        print(json.dumps({"pictures": len(ids), "changed": changed}))
    else:
        before = len(ids) - len(changed)
        print(told.format(counted(len(changed), "picture")) + (f"; {before:,} were so before" if before else ""))
    return 0


FAVOURITE = Command("make pictures favourites, found by is:favourite", _configure_favourite, _favourite, words=True)
HIDE = Command("keep pictures out of every answer, until you ask is:hidden", _configure_hide, _hide, words=True)
UNHIDE = Command("show hidden pictures again", _configure_unhide, _unhide, words=True)
