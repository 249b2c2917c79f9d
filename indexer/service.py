"""Indexing as functions with typed options, for the command, the page's own process, the Python interface and other
verbs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgsearch import app as library
from imgsearch import storage
from imgsearch.errors import UsageError
from imgsearch.model import same_vectors
from imgsearch.progress import Progress
from imgsearch.records import is_model_free
from imgsearch.wording import counted
from indexer.index_run import IndexRequest, IndexRun
from indexer.interrupt import Stop
from indexer.report import RunSummary
from indexer.snapshot import refresh_snapshot

if TYPE_CHECKING:
    from indexer.beside import BesideSummary

QUICK_MODEL = "blip2-vitl"
"""3.2 times less arithmetic than the ViT-g's model, for 2 points of recall."""


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


@dataclass(frozen=True, slots=True)
class QuickSummary:
    """``first``: what the index run did; ``beside``: what was made of the wanted model's vectors, None where the
    library had them, or the first run was stopped; ``switched``: whether the library changed to them."""

    first: RunSummary
    beside: BesideSummary | None = None
    switched: bool = False

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped; the same command goes on."""
        return self.first.interrupted or (self.beside is not None and self.beside.interrupted)

    @property
    def exit_code(self) -> int:
        """As of an index run."""
        codes = [self.first.exit_code, *([] if self.beside is None else [self.beside.exit_code])]
        return 130 if self.interrupted else max(codes)

    def text(self) -> str:
        """What happened, for a person."""
        lines = [self.first.text()]
        if self.switched and self.beside is not None:
            lines.append(
                f"The library's vectors are those of {self.beside.model} now: {counted(self.beside.images, 'picture')}."
            )
        elif self.beside is not None:
            lines.append(self.beside.text())
        return "\n".join(lines)


def index_quick(
    request: IndexRequest, progress: Progress, stop: Callable[[], bool], quick_model: str = QUICK_MODEL
) -> QuickSummary:
    """`imgsearch index --quick`: index the request's paths with ``quick_model``; then make the vectors of the request's
    model (blip2 unless named) beside them, while the first ones answer, and change to these in one commit. An
    interrupted call is continued by the same one. Searches and a server go on all the time.

    Raises what `run_index` and `index_beside` raise; UsageError where both models are one. A model that is not here is
    named before anything is read."""
    from indexer.beside import index_beside  # loads the decoders, which a run without new pictures spares

    wanted = request.settings.model or library.DEFAULT_MODEL
    if wanted == quick_model:
        raise UsageError(f"--quick goes from {quick_model} to another model, received {wanted}", "leave --quick out")
    goal = replace(request.settings, model=wanted)
    goal_id = library.model_id(goal)
    at_goal = _is_of(request, lambda model: same_vectors(model, goal_id))
    if at_goal is None:
        library.model_id(replace(goal, model=quick_model))
    first_model = quick_model if at_goal is None else ""
    first = update_library(replace(request, settings=replace(request.settings, model=first_model)), progress, stop)
    if at_goal or first.interrupted:
        return QuickSummary(first)
    progress.say(
        f"The library can be searched now, by {first.model}. Vectors of {wanted} are made next; searches go on, and "
        "Ctrl-C stops it: the same command goes on later."
    )
    beside = index_beside(goal, progress, stop)
    if beside.interrupted or beside.missing:
        return QuickSummary(first, beside)
    with storage.open_store(request.settings.library, catalog_url=request.settings.catalog_url) as store:
        from imgsearch.storage.upkeep.switching import switch_vectors

        switch_vectors(store, wait_s=60.0)
    return QuickSummary(first, beside, switched=True)


def _is_of(request: IndexRequest, same: Callable[..., bool]) -> bool | None:
    """Whether the library's own vectors are of the model; None where there is no library. Raises UsageError for a
    library without a model."""
    settings = request.settings
    if not storage.library_exists(settings.library):
        return None
    with storage.open_store(settings.library, catalog_url=settings.catalog_url) as store:
        if is_model_free(store.model):
            raise UsageError(f"the library {settings.library} was made without a model", "index into another --library")
        return same(store.model)
