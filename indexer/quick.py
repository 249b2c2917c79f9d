"""`imgsearch index --quick`: a library that can be searched soon, and well later.

First all pictures get the vectors of a quick model, and searches begin; then those of the wanted model are made beside
them (`indexer.beside`), while the first ones answer; when they are whole the library changes to them, in one commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from imgsearch import app as library
from imgsearch import storage
from imgsearch.errors import UsageError
from imgsearch.model import same_vectors
from imgsearch.progress import Progress
from imgsearch.records import is_model_free
from imgsearch.storage.upkeep.switching import switch_vectors
from indexer.beside import BesideSummary, index_beside
from indexer.index_run import IndexRequest, run_index
from indexer.report import RunSummary

QUICK_MODEL = "blip2-vitl"
"""3.2 times less arithmetic than the ViT-g's model, for 2 points of recall."""


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
                f"The library's vectors are those of {self.beside.model} now: {self.beside.images:,} pictures."
            )
        elif self.beside is not None:
            lines.append(self.beside.text())
        return "\n".join(lines)


def index_quick(
    request: IndexRequest, progress: Progress, stop: Callable[[], bool], quick_model: str = QUICK_MODEL
) -> QuickSummary:
    """Index the request's paths with ``quick_model``, then go over to the request's model (blip2 unless named). An
    interrupted call is continued by the same one. Searches and a server go on all the time.

    Raises what `run_index` and `index_beside` raise; UsageError where both models are one. A model that is not here is
    named before anything is read."""
    wanted = request.settings.model or library.DEFAULT_MODEL
    if wanted == quick_model:
        raise UsageError(f"--quick goes from {quick_model} to another model, received {wanted}", "leave --quick out")
    goal = replace(request.settings, model=wanted)
    goal_id = library.model_id(goal)
    at_goal = _is_of(request, lambda model: same_vectors(model, goal_id))
    if at_goal is None:
        library.model_id(replace(goal, model=quick_model))
    first_model = quick_model if at_goal is None else ""
    first = run_index(replace(request, settings=replace(request.settings, model=first_model)), progress, stop)
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
