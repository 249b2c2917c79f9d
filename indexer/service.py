"""Indexing as functions with typed options: what the command, the page's own process, the Python interface and other
verbs call."""

from __future__ import annotations

import signal
from collections.abc import Callable

from imgsearch.progress import Progress
from indexer.index_run import IndexRequest, IndexRun
from indexer.interrupt import Stop
from indexer.report import RunSummary
from indexer.snapshot import refresh_snapshot


def update_library(request: IndexRequest, progress: Progress, stop: Callable[[], bool]) -> RunSummary:
    """Bring the library up to date with the request's paths, and its search index where that pays. ``stop`` is asked
    between batches. Raises what `run_index` raises."""
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
    """Bring the library up to date with the request's folders. No search index is built: dedup compares by its own.

    Ctrl-C ends the batch in flight, a second one the process (`interrupt.Stop`). Raises KeyboardInterrupt after the
    first one, SystemExit after SIGTERM, and what `run_index` raises.
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
