"""Indexing as functions with typed options, for the command, the page's own process, the Python interface and other
verbs."""

from __future__ import annotations

import signal
from collections.abc import Callable

from imgsearch.progress import Progress
from indexer.index_run import IndexRequest, IndexRun
from indexer.interrupt import Stop
from indexer.report import RunSummary
from indexer.snapshot import refresh_snapshot


def update_library(request: IndexRequest, progress: Progress, stop: Callable[[], bool]) -> RunSummary:
    """Update the library from the request's paths, and its search index if that pays. ``stop`` is called between
    batches. Raises the errors of `run_index`."""
    with IndexRun(request, progress, stop) as session:
        return update_session(session, request, progress, stop)


def update_session(
    session: IndexRun, request: IndexRequest, progress: Progress, stop: Callable[[], bool]
) -> RunSummary:
    """The same in a session that stays open."""
    summary = session.update(request.paths)
    if not summary.interrupted and (note := refresh_snapshot(session.store, progress, stop)):
        summary.notes.append(note)
    return summary


def read_folders(request: IndexRequest, progress: Progress) -> RunSummary:
    """Update the library from the request's folders. No search index is built, because dedup uses its own.

    Ctrl-C ends the batch in flight, a second one the process (`interrupt.Stop`). Raises KeyboardInterrupt after the
    first one, SystemExit after SIGTERM, and the errors of `run_index`.
    """
    with Stop() as stop, IndexRun(request, progress, stop) as session:
        summary = session.update(request.paths)
        if stop():
            progress.say("Stopped: what was read is kept. Run the same command again to go on.")
    if stop.signal_number == signal.SIGINT:
        raise KeyboardInterrupt
    if stop():
        raise SystemExit(stop.exit_code)
    return summary
