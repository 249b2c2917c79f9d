"""Which pictures a verb about albums is about, and what a person sees of them before anything is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from imgsearch.cli.named_images import found_ids, read_named
from imgsearch.cli.output.terminal import ask, shown
from imgsearch.errors import UsageError
from imgsearch.wording import counted

if TYPE_CHECKING:
    import argparse

    from imgsearch.settings import Settings
    from imgsearch.storage import Store

_SHOWN = 10


def add_pictures(parser: argparse.ArgumentParser, *, needed: bool = True) -> None:
    """The arguments that name pictures."""
    from imgsearch.cli.parser import whole

    text = "files, ids of the library, or a query over it"
    parser.add_argument("words", nargs="+" if needed else "*", metavar="PICTURE", help=text)
    parser.add_argument("--top", type=whole(1, 10_000_000), default=1000, metavar="N", help="of a query, most (1000)")


def chosen(store: Store, arguments: argparse.Namespace, settings: Settings) -> list[int]:
    """The ids that ``words`` name. Raises UsageError."""
    from imgsearch.albums.named import ids_of

    named = read_named(arguments.words)
    if named.query:
        return found_ids(named.query, settings, store, arguments.top)
    return ids_of(store, named.images)


def agreed(store: Store, ids: Sequence[int], question: Callable[[str], str], arguments: argparse.Namespace) -> bool:
    """Show which pictures a query found, and ask the ``question`` about "3 pictures"; those that were named one by one
    need none. False where there are no pictures. Raises UsageError for another answer than yes, and where nobody can be
    asked."""
    if not ids:
        print("no picture was found", file=sys.stderr)
        return False
    if arguments.yes or not read_named(arguments.words).query:
        return True
    paths = store.paths(ids[:_SHOWN])
    for number in ids[:_SHOWN]:
        if number in paths:
            print(f"  {number}  {shown(str(paths[number]))}", file=sys.stderr)
    if len(ids) > _SHOWN:
        print(f"  and {len(ids) - _SHOWN:,} more", file=sys.stderr)
    ask(question(counted(len(ids), "picture")), "nothing was changed")
    return True


def refuse_words_and_all(words: Sequence[str]) -> None:
    """Raise UsageError where both are given."""
    if words:
        raise UsageError(f"received {shown(words[0])} and --all, expected one of the two", "leave one of them out")
