"""`imgsearch index`: reads images into a library."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from imgsearch.cli.command import Command
from imgsearch.cli.listed import listed_paths
from imgsearch.cli.output.progress import image_bar
from imgsearch.cli.parser import whole
from imgsearch.errors import UsageError
from imgsearch.extras import needs_extra
from imgsearch.settings import DTYPES, FEATURES, RUNTIMES
from imgsearch.wording import counted_are

if TYPE_CHECKING:
    from imgsearch.progress import Progress
    from indexer.index_run import IndexRequest
    from indexer.report import RunSummary

_NOT_BESIDE = ("paths", "exclude", "include", "no_patterns", "recheck", "dry_run", "watch")
"""Options that say which files are read, which `--beside` does not ask."""

_DESCRIPTION = """\
Read pictures under PATH (folders or single files) into a library that `imgsearch search` searches.

Run it again at any time: an unchanged file costs a look at its date, a moved or copied one a row, a deleted one leaves
the results. A folder that is absent or suddenly empty (an unplugged drive) keeps everything; `imgsearch forget` removes
it. Without PATH, all folders that the library knows are looked at again. Ctrl-C finishes the batch in flight; the same
command goes on from there.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("paths", nargs="*", metavar="PATH", help="a folder or a picture; - reads standard input")
    parser.add_argument("--library", metavar="DIR", help="where the library is, or is to be made")
    parser.add_argument(
        "--catalog-url",
        metavar="URL",
        help="for a new library: keep its catalog in a PostgreSQL database, postgresql+psycopg://USER@HOST/DATABASE; "
        "DIR has only vectors and caches, and remembers the address without its password (docs/operations.md); for "
        "an existing one: its database's present address",
    )
    parser.add_argument(
        "--model",
        metavar="M",
        help="for a new library: blip2 (the default), blip2-coco, blip2-vitl, mini, a directory, a Hugging Face id, "
        "a .pth; none: for finding copies only; an existing library keeps the model it was made with",
    )
    parser.add_argument("--device", help="auto (default), cpu, cuda, cuda:N")
    parser.add_argument("--dtype", choices=DTYPES, metavar="DTYPE", help=", ".join(DTYPES) + " (default: auto)")
    parser.add_argument(
        "--runtime", choices=RUNTIMES, help="what computes the model: auto (default), numpy, torch, openvino"
    )
    parser.add_argument("--batch-size", type=whole(1), metavar="N", help="pictures encoded at once (default by device)")
    parser.add_argument("--workers", type=whole(1), metavar="N", help="processes that decode (default: one a core)")
    parser.add_argument(
        "--features",
        choices=FEATURES,
        help="which features are kept for re-ranking: those of all pictures (363 KB each with blip2), those that "
        "searches used last (cache, the default), or none",
    )
    parser.add_argument(
        "--exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="leave out what matches, as a line of a .gitignore file in PATH would: *.png, raw/, /2019/**; as often as "
        "needed. Remembered for PATH. A file .imgsearchignore in any folder says the same",
    )
    parser.add_argument(
        "--include",
        metavar="PATTERN",
        action="append",
        default=[],
        help="include what matches, whatever excludes it; also walks a folder that is otherwise passed over "
        "because it belongs to a program (a Photos library, thumbnails, a recycle bin) or is hidden: its name or its "
        "path, * and ? allowed. Remembered for PATH",
    )
    parser.add_argument("--no-patterns", action="store_true", help="forget the patterns of earlier commands for PATH")
    parser.add_argument(
        "--recheck",
        action="store_true",
        help="read every file, even if size and time are unchanged, and embed those whose content differs",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what would be read and left out, how long it would take and how much disk it would need",
    )
    parser.add_argument(
        "--beside",
        action="store_true",
        help="make vectors of --model for all pictures of the library beside its own, which searches go on with; "
        "`imgsearch switch` then makes them the library's. Goes on where an earlier run stopped",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="make the library searchable with blip2-vitl first, then go over to --model (blip2) while searches go on. "
        "Goes on where an earlier run stopped",
    )
    parser.add_argument("--watch", action="store_true", help="stay, and keep the library current, until Ctrl-C")
    parser.add_argument("--wait", action="store_true", help="wait while another process writes to the library")
    parser.add_argument("--json", action="store_true", help="print one summary object (with --watch one a line)")
    parser.add_argument("--quiet", action="store_true", help="no bar and no messages on stderr")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.settings import load_settings
    from indexer.index_run import IndexRequest

    if arguments.beside:
        return _index_beside(arguments)
    request = IndexRequest(
        tuple(listed_paths(arguments.paths)),
        load_settings(vars(arguments)),
        wait=arguments.wait,
        include=tuple(arguments.include),
        exclude=tuple(arguments.exclude),
        no_patterns=arguments.no_patterns,
        recheck=arguments.recheck,
    )
    with image_bar(arguments) as progress:
        if arguments.quick:
            return _index_quick(request, arguments, progress)
        if not arguments.dry_run:
            return _index(request, arguments, progress)
        if arguments.watch:
            raise UsageError("received --dry-run and --watch, expected one of the two", "leave --watch out")
        from indexer.dry_run import dry_run  # loads the decoders, which a run without new pictures spares

        print(dry_run(request, progress).shown(as_json=arguments.json))
        return 0


def _index(request: IndexRequest, arguments: argparse.Namespace, progress: Progress) -> int:
    from indexer.index_run import IndexRun
    from indexer.interrupt import Stop
    from indexer.service import update_session
    from indexer.snapshot import refresh_snapshot

    if arguments.watch:  # before hours of indexing
        with needs_extra("watching folders (--watch)", "watch"):
            import watchfiles  # noqa: F401
    with Stop() as stop, IndexRun(request, progress, stop) as session:
        summary = update_session(session, request, progress, stop)
        _show(summary, as_json=arguments.json, on_a_line=arguments.watch)
        if summary.interrupted:
            left = f"{counted_are(summary.remaining, 'picture')} still to do"
            if summary.unfinished:
                more = f"{summary.remaining:,} or more pictures are" if summary.remaining else "more is"
                left = f"{more} still to do"
            progress.say(
                f"Stopped: {counted_are(summary.images, 'image')} in the library, {left}. "
                "Run the same command again to go on."
            )
            return stop.exit_code
        if not arguments.watch:
            return summary.exit_code
        from indexer.watch import watch

        progress.say("Watching for changes; Ctrl-C ends it.")
        for update in watch(session, request.paths, progress, stop):
            if note := refresh_snapshot(session.store, progress, stop):
                update.notes.append(note)
            _show(update, as_json=arguments.json, on_a_line=True)
        return 0


def _index_beside(arguments: argparse.Namespace) -> int:
    from imgsearch.settings import load_settings
    from indexer.beside import index_beside
    from indexer.interrupt import Stop

    given = [f"--{name.replace('_', '-')}" for name in _NOT_BESIDE if getattr(arguments, name)]
    if given:
        raise UsageError(
            f"--beside takes all pictures that the library has; received {', '.join(given).replace('--paths', 'PATH')}",
            "imgsearch index --model NEW --beside",
        )
    settings = load_settings(vars(arguments))
    with Stop() as stop, image_bar(arguments) as progress:
        summary = index_beside(settings, progress, stop)
    if arguments.json:
        print(json.dumps(summary.as_dict(), indent=2))
    else:
        print(summary.text())
    return stop.exit_code if summary.interrupted else summary.exit_code


def _index_quick(request: IndexRequest, arguments: argparse.Namespace, progress: Progress) -> int:
    from indexer.interrupt import Stop
    from indexer.service import index_quick

    if arguments.dry_run or arguments.watch:
        raise UsageError("received --quick with --dry-run or --watch, expected it alone", "leave --quick out")
    with Stop() as stop:
        summary = index_quick(request, progress, stop)
    print(json.dumps(summary.first.as_dict(), indent=2) if arguments.json else summary.text())
    return stop.exit_code if summary.interrupted else summary.exit_code


def _show(summary: RunSummary, *, as_json: bool, on_a_line: bool) -> None:
    if as_json:
        print(json.dumps(summary.as_dict(), indent=None if on_a_line else 2))
    else:
        print(summary.text())
    sys.stdout.flush()


INDEX = Command("read pictures into a library, or bring it up to date", _configure, _run)
