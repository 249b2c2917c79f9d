"""Reading folders into a library for another verb: `imgsearch dedup find DIR` and the like."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from imgsearch.settings import Settings
from indexer.index_run import IndexRequest, IndexRun
from indexer.interrupt import Stop
from indexer.report import RunSummary


class Told(Protocol):
    """Who listens: `imgsearch.cli.output.progress.Phases`."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def say(self, text: str) -> None: ...


def read_folders(folders: Sequence[str], settings: Settings, told: Told, **more: Any) -> RunSummary:
    """Bring the library of ``settings`` up to date with ``folders``; ``more`` is for IndexRequest. No search index is
    built: dedup compares by its own.

    Ctrl-C ends the batch in flight, a second one the process (`interrupt.Stop`). Raises KeyboardInterrupt after the
    first one, SystemExit after SIGTERM, and what `run_index` raises.
    """
    with Stop() as stop, IndexRun(IndexRequest(tuple(folders), settings, **more), _Listener(told), stop) as session:
        summary = session.update(folders)
        if stop():
            told.say("Stopped: what was read is kept. Run the same command again to go on.")
    if stop.signal_number == signal.SIGINT:
        raise KeyboardInterrupt
    if stop():
        raise SystemExit(stop.exit_code)
    return summary


class _Listener:
    """An index run's progress as stages."""

    def __init__(self, told: Told) -> None:
        self.say: Callable[[str], None] = told.say
        self._told = told
        self._done = self._total = 0

    def begin(self, files: int) -> None:
        self._done, self._total = 0, files
        self._told("reading", 0, files)

    def advance(self, files: int) -> None:
        self._done += files
        self._told("reading", self._done, self._total)

    def walked(self, files: int) -> None:
        self._told("walking", files, 0)

    def end(self) -> None:
        pass
