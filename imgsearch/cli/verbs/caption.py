"""`imgsearch caption`: what pictures show, in words."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imgsearch.cli.command import Command
from imgsearch.cli.generator_options import (
    add_generator_options,
    add_length_options,
    generator_options,
    library_if_any,
)
from imgsearch.cli.library_lock import require_lock
from imgsearch.cli.named_images import NamedImages, found_ids, named_or_all, subjects_of
from imgsearch.cli.output.progress import duration, phases
from imgsearch.cli.output.streams import without_chatter
from imgsearch.cli.output.terminal import linked, shown
from imgsearch.cli.parser import probability, real, whole
from imgsearch.errors import LibraryBusy, StorageFull
from imgsearch.progress import Progress
from imgsearch.settings import load_settings
from imgsearch.wording import counted, counted_are, describe_pace

if TYPE_CHECKING:
    from imgsearch.captions.run import Captioner, CaptionOutcome, CaptionSummary
    from imgsearch.captions.subjects import Subject
    from imgsearch.generation.checked import CaptionSettings
    from imgsearch.storage import Store

_DESCRIPTION = """\
Write what pictures show. PICTURE is a file, or the id of a picture in the library; - reads names from standard input.
Any other words are a query, as `imgsearch search` reads it: its pictures are captioned and kept in the library, like
those of --all and --missing. Pictures whose caption was made in the same way are passed over, so a run that was stopped
goes on with the same command; Ctrl-C finishes the batch in flight.

Several captions are drawn of each picture, and the library's own model keeps the one that it believes most, with the
probability that it fits. A caption that is not believed is shown as unsure, and no search finds it (caption:dog).
"""
_STAGE = "writing captions"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("words", nargs="*", metavar="PICTURE", help="pictures, or a query over the library")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every picture whose caption was not made in this way")
    which.add_argument("--missing", action="store_true", help="every picture without a caption")
    parser.add_argument("--again", action="store_true", help="also those whose caption was made in this way")
    parser.add_argument("--top", type=whole(1, 1_000_000), default=1000, metavar="N", help="of a query, most (1000)")
    add_generator_options(parser)
    parser.add_argument("--batch-size", type=whole(1), metavar="N", help="pictures of a batch (what 10 s allow)")
    parser.add_argument("--prompt", default="", metavar="TEXT", help='what the text goes on from: "a photo of"')
    parser.add_argument("--method", choices=("beams", "greedy", "nucleus"), default="beams", help="(beams)")
    add_length_options(parser, 30)
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="of what is drawn by chance (0)")
    parser.add_argument("--top-p", type=real(1e-6, 1), default=0.9, metavar="P", help="nucleus: share of likely words")
    parser.add_argument("--temperature", type=real(1e-3, 100), default=1.0, metavar="T", help="nucleus: above 1 bolder")
    parser.add_argument("--length-penalty", type=real(-10, 10), default=1.0, metavar="X", help="beams: above 0 longer")
    parser.add_argument("--repetition-penalty", type=real(0.1, 10), default=1.0, metavar="X", help="above 1 less often")
    parser.add_argument("--no-repeat", type=whole(0, 512), default=0, metavar="N", help="no run of N tokens twice")
    parser.add_argument("--candidates", type=whole(1, 64), default=11, metavar="N", help="texts to choose from (11)")
    parser.add_argument(
        "--agreement",
        type=probability,
        default=0.85,
        metavar="P",
        help="of them on what is said (0.85); 0: whatever",
    )
    parser.add_argument("--no-check", action="store_true", help="take the likeliest text, and ask no matching head")
    parser.add_argument(
        "--threshold", type=probability, metavar="P", help="sure from here on; by the library's calibration, else 50%%"
    )


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.generators import open_captioner
    from imgsearch.storage.single_runs import single_run

    settings = load_settings(vars(arguments))
    named = _named(arguments)
    style = _style(arguments)
    with library_if_any(arguments, settings, needed=not named.images) as store, phases(arguments) as told:
        if named.images:
            subjects = subjects_of(named, store)
            keep = store is not None and _can_keep(store)
            told.say("loading the generator")
            captioner = open_captioner(settings, store, style, generator_options(arguments))
            return _caption_named(captioner, subjects, arguments, keep=keep)
        assert store is not None
        require_lock(store)
        with single_run(store, "caption"):
            ids = found_ids(named.query, settings, store, arguments.top) if named.query else None
            told.say("loading the generator")
            captioner = open_captioner(settings, store, style, generator_options(arguments))
            return _caption_library(captioner, store, ids, arguments, told)


def _named(arguments: argparse.Namespace) -> NamedImages:
    return named_or_all(
        arguments,
        "imgsearch caption PICTURE; --missing for those of the library without a caption; --all for all of them",
    )


def _style(arguments: argparse.Namespace) -> CaptionSettings:
    from imgsearch.generation.checked import CaptionSettings

    beams = 0 if arguments.method == "nucleus" else 1
    kept = min(5, arguments.candidates, arguments.beams) if arguments.method == "beams" else 1
    return CaptionSettings(
        arguments.prompt, arguments.method, arguments.beams, arguments.max_tokens, arguments.min_tokens,
        arguments.length_penalty, arguments.repetition_penalty, arguments.no_repeat, arguments.top_p,
        arguments.temperature, arguments.seed, not arguments.no_check, kept,
        arguments.candidates - kept * beams, arguments.threshold, arguments.agreement,
    )  # fmt: skip


def _can_keep(store: Store) -> bool:
    """Whether the library can be written now; a caption is worth showing where it cannot."""
    try:
        require_lock(store)
    except (StorageFull, LibraryBusy) as error:
        print(f"note: captions are shown and not kept: {shown(error.message)}", file=sys.stderr)
        return False
    return True


def _caption_named(captioner: Captioner, subjects: list[Subject], arguments: argparse.Namespace, *, keep: bool) -> int:
    lost = 0
    with without_chatter():
        for batch in captioner.run(subjects, keep=keep, batch=arguments.batch_size or 0):
            for outcome in batch:
                lost += outcome.caption is None
                _show(outcome, as_json=arguments.json, on_a_line=len(subjects) > 1)
            sys.stdout.flush()
    return 3 if lost else 0


def _show(outcome: CaptionOutcome, *, as_json: bool, on_a_line: bool) -> None:
    caption = outcome.caption
    if as_json:
        print(json.dumps(_as_json(outcome), indent=None if on_a_line else 2))
    elif caption is None:
        print(f"imgsearch: {shown(outcome.subject.path)} cannot be read: {shown(outcome.reason)}", file=sys.stderr)
    else:
        print(f"{linked(outcome.subject.path)}: {shown(caption.text)}{_belief(caption.probability, caption.sure)}")


def _belief(chance: float | None, sure: bool) -> str:
    if chance is None:
        return "  (not checked)"
    return f"  ({100 * chance:.0f} %)" if sure else f"  (unsure, {100 * chance:.0f} %)"


def _as_json(outcome: CaptionOutcome) -> dict[str, Any]:
    caption = outcome.caption
    return {
        "path": str(outcome.subject.path),
        "image_id": outcome.image_id,
        "caption": caption.text if caption else None,
        "probability": caption.probability if caption else None,
        "sure": caption.sure if caption else None,
        "candidates": [asdict(each) for each in caption.candidates] if caption else [],
        "stored": outcome.stored,
        "failure": outcome.reason or None,
    }


def _caption_library(
    captioner: Captioner, store: Store, ids: list[int] | None, arguments: argparse.Namespace, told: Progress
) -> int:
    from imgsearch.captions.run import CaptionSummary
    from imgsearch.captions.subjects import library_subjects
    from indexer.interrupt import Stop

    waiting = _waiting(captioner, store, ids, arguments)
    subjects = library_subjects(store, waiting)
    summary = CaptionSummary(wanted=len(waiting))
    told.say(f"{counted_are(len(waiting), 'picture')} to be captioned by {captioner.made_here().generator}")
    if arguments.missing and (others := len(captioner.waiting(store)) - len(waiting)):
        told.say(f"{others:,} have a caption that was made in another way, which stays; --all makes these anew")
    with Stop() as stop, without_chatter():
        started = time.monotonic()
        for batch in _counted(captioner.run(subjects, stop, batch=arguments.batch_size or 0), summary, told):
            summary.add(batch)
        summary.seconds = round(time.monotonic() - started, 3)
        summary.interrupted = stop() and summary.remaining > 0
    told.close()
    _report(summary, captioner, as_json=arguments.json)
    if summary.interrupted:
        told.say(f"Stopped: {summary.remaining:,} are still to do. Run the same command again to go on.")
        return stop.exit_code
    return 3 if summary.unreadable else 0


def _waiting(captioner: Captioner, store: Store, ids: list[int] | None, arguments: argparse.Namespace) -> list[int]:
    if ids is None and not arguments.again:
        return captioner.waiting(store, missing_only=arguments.missing)
    chosen = [int(number) for number in store.view().image_ids] if ids is None else ids
    if arguments.again:
        return chosen
    undone = set(captioner.waiting(store))
    return [number for number in chosen if number in undone]


def _counted(
    batches: Iterator[list[CaptionOutcome]], summary: CaptionSummary, told: Progress
) -> Iterator[list[CaptionOutcome]]:
    """The batches, with progress as they come. After the first one, say how long all will take."""
    started, done = time.monotonic(), 0
    for batch in batches:
        if not done and len(batch) < summary.wanted:
            each = (time.monotonic() - started) / len(batch)
            told.say(f"about {duration(each * summary.wanted)} for all of them, {describe_pace(each)} each")
        done += len(batch)
        told(_STAGE, done, summary.wanted)
        yield batch


def _report(summary: CaptionSummary, captioner: Captioner, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**asdict(summary), "remaining": summary.remaining, **_maker(captioner)}, indent=2))
        return
    written = counted(summary.captioned, "caption")
    print(f"{written} written in {duration(summary.seconds)}, {summary.unsure:,} of them unsure")
    for path, reason in _first(summary.unreadable.items(), 10):
        print(f"imgsearch: {shown(path)} cannot be read: {shown(reason)}", file=sys.stderr)
    if len(summary.unreadable) > 10:
        print(f"imgsearch: and {len(summary.unreadable) - 10:,} more; --json names all", file=sys.stderr)


def _maker(captioner: Captioner) -> dict[str, Any]:
    made = captioner.made_here()
    return {
        "generator": made.generator,
        "dtype": made.dtype,
        "prompt": made.prompt,
        "settings": json.loads(made.settings),
    }


def _first(rows: Iterable[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    return list(rows)[:most]


CAPTION = Command("write what pictures show, and check it", _configure, _run, words=True)
