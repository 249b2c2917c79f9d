"""`imgsearch read`: the words that stand in pictures."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imgsearch.cli.command import Command
from imgsearch.cli.generator_options import library_if_any
from imgsearch.cli.library_lock import require_lock
from imgsearch.cli.named_images import NamedImages, found_ids, named_or_all, subjects_of
from imgsearch.cli.output.progress import duration, phases
from imgsearch.cli.output.streams import without_chatter
from imgsearch.cli.output.terminal import linked, shown
from imgsearch.cli.parser import whole
from imgsearch.progress import Progress
from imgsearch.settings import load_settings
from imgsearch.wording import counted, counted_are, describe_pace

if TYPE_CHECKING:
    from imgsearch.reading.pages import Page
    from imgsearch.reading.run import ReadingOutcome, ReadingSummary, TextReading
    from imgsearch.storage import Store

_DESCRIPTION = """\
Read the words that stand in pictures: invoices, screenshots, signs. PICTURE is a file, or the id of a picture in the
library; - reads names from standard input. Any other words are a query, as `imgsearch search` reads it: its pictures
are read and their words kept in the library, like those of --all and --missing. Pictures that were read are passed
over, so a run that was stopped goes on with the same command; Ctrl-C finishes the picture in flight.

A search finds the words afterwards: text:invoice, text:"total 12.50", has:text, and a plain query whose words all stand
in a picture. Read are Latin letters with the accents of European languages, Chinese and Japanese, however they are
turned; no other scripts. Needs the extra ocr; nothing is downloaded.
"""
_STAGE = "reading"
_ESTIMATE_AFTER_S = 5.0


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("words", nargs="*", metavar="PICTURE", help="pictures, or a query over the library")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every picture that this reader has not read")
    which.add_argument(
        "--missing", action="store_true", help="every picture that no reader has read, older ones included"
    )
    parser.add_argument("--again", action="store_true", help="also those that this reader has read")
    parser.add_argument("--top", type=whole(1, 1_000_000), default=1000, metavar="N", help="of a query, most (1000)")
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--json", action="store_true", help="JSON in place of text, with the place of every word")
    parser.add_argument("--quiet", action="store_true", help="no progress and no messages on stderr")
    parser.set_defaults(model=None)


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.storage.single_runs import single_run

    settings = load_settings(vars(arguments))
    named = _named(arguments)
    with library_if_any(arguments, settings, needed=not named.images) as store, phases(arguments) as told:
        if named.images:
            subjects = subjects_of(named, store)
            return _read_named(_reading(store), [_page(each) for each in subjects], arguments)
        assert store is not None
        require_lock(store)
        with single_run(store, "read"):
            reading = _reading(store)
            ids = found_ids(named.query, settings, store, arguments.top) if named.query else None
            return _read_library(reading, store, _waiting(reading, store, ids, arguments), arguments, told)


def _named(arguments: argparse.Namespace) -> NamedImages:
    return named_or_all(
        arguments,
        "imgsearch read PICTURE; --all for those of the library that were not read",
    )


def _reading(store: Store | None) -> TextReading:
    from imgsearch.reading.engine import RapidEngine
    from imgsearch.reading.reader import ImageReader
    from imgsearch.reading.run import TextReading

    return TextReading(ImageReader(RapidEngine()), store)


def _page(subject: Any) -> Page:
    from imgsearch.reading.pages import Page

    return Page(subject.paths, subject.image_id, subject.content_hash, subject.told)


def _read_named(reading: TextReading, pages: list[Page], arguments: argparse.Namespace) -> int:
    lost = 0
    with without_chatter():
        for batch in reading.run(pages):
            for outcome in batch:
                lost += outcome.read is None
                _show(outcome, as_json=arguments.json, on_a_line=len(pages) > 1)
            sys.stdout.flush()
    return 3 if lost else 0


def _show(outcome: ReadingOutcome, *, as_json: bool, on_a_line: bool) -> None:
    path = outcome.page.path
    if as_json:
        print(json.dumps(_as_json(outcome), indent=None if on_a_line else 2))
    elif outcome.read is None:
        print(f"imgsearch: {shown(path)} cannot be read: {shown(outcome.reason)}", file=sys.stderr)
    elif not outcome.read.lines:
        print(f"{linked(path)}: no text found")
    else:
        print(f"{linked(path)}:")
        for line in outcome.read.lines:
            print(f"  {100 * line.confidence:3.0f} %  {shown(line.text)}")


def _as_json(outcome: ReadingOutcome) -> dict[str, Any]:
    lines = outcome.read.lines if outcome.read else ()
    return {
        "path": str(outcome.page.path),
        "image_id": outcome.image_id,
        "lines": [{**_part(line), "words": [_part(word) for word in line.words]} for line in lines],
        "stored": outcome.stored,
        "failure": outcome.reason or None,
    }


def _part(part: Any) -> dict[str, Any]:
    """A line or a word. ``box``: four corners in fractions of the upright picture."""
    corners = [[round(value, 5) for value in part.box[at : at + 2]] for at in (0, 2, 4, 6)]
    return {"text": part.text, "box": corners, "confidence": round(part.confidence, 3)}


def _waiting(reading: TextReading, store: Store, ids: list[int] | None, arguments: argparse.Namespace) -> list[int]:
    if ids is None and not arguments.again:
        return reading.waiting(store, missing_only=arguments.missing)
    chosen = [int(number) for number in store.view().image_ids] if ids is None else ids
    if arguments.again:
        return chosen
    undone = set(reading.waiting(store))
    return [number for number in chosen if number in undone]


def _read_library(
    reading: TextReading, store: Store, waiting: list[int], arguments: argparse.Namespace, told: Progress
) -> int:
    from imgsearch.reading.pages import library_pages
    from imgsearch.reading.run import ReadingSummary
    from indexer.interrupt import Stop

    summary = ReadingSummary(wanted=len(waiting))
    told.say(f"{counted_are(len(waiting), 'picture')} to be read")
    if arguments.missing and (others := len(reading.waiting(store)) - len(waiting)):
        told.say(f"{others:,} were read by another reader, whose words stay; --all reads these anew")
    with Stop() as stop, without_chatter():
        started = time.monotonic()
        for batch in reading.run(library_pages(store, waiting), stop, _counter(len(waiting), told)):
            summary.add(batch)
        summary.seconds = round(time.monotonic() - started, 3)
        summary.interrupted = stop() and summary.remaining > 0
    told.close()
    _report(summary, as_json=arguments.json)
    if summary.interrupted:
        told.say(f"Stopped: {summary.remaining:,} are still to do. Run the same command again to go on.")
        return stop.exit_code
    return 3 if summary.unreadable else 0


def _counter(wanted: int, told: Progress) -> Callable[[ReadingOutcome], None]:
    """Tells each picture, and after a few seconds how long all will take."""
    started, done, estimated = time.monotonic(), 0, False

    def count(outcome: ReadingOutcome) -> None:
        nonlocal done, estimated
        done += 1
        spent = time.monotonic() - started
        if not estimated and spent >= _ESTIMATE_AFTER_S and done < wanted:
            told.say(f"about {duration(spent / done * wanted)} for all of them, {describe_pace(spent / done)} each")
            estimated = True
        told(_STAGE, done, wanted)

    return count


def _report(summary: ReadingSummary, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**asdict(summary), "remaining": summary.remaining}, indent=2))
        return
    print(
        f"{counted(summary.read, 'picture')} read in {duration(summary.seconds)}: "
        f"{counted(summary.words, 'word')} in {summary.with_text:,} of them"
    )
    for path, reason in list(summary.unreadable.items())[:10]:
        print(f"imgsearch: {shown(path)} cannot be read: {shown(reason)}", file=sys.stderr)
    if len(summary.unreadable) > 10:
        print(f"imgsearch: and {len(summary.unreadable) - 10:,} more; --json names all", file=sys.stderr)


READ = Command("read the words that stand in pictures", _configure, _run, words=True)
