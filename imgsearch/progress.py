"""Who is told how far a run is: bars, lines on stderr, a child's standard output, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

StepProgress = Callable[[int, int], object]
"""Told (done, total) of one stage, as often as one likes."""

StageProgress = Callable[[str, int, int], object]
"""Told (stage, done, total); another stage ends the one before. ``total`` is 0 where it is not known."""


class Progress(Protocol):
    """Listens to a run of several stages, which has something to say between them."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` things of a stage are done; another stage ends the one before."""
        ...

    def say(self, text: str) -> None:
        """Show a sentence beside the progress."""
        ...

    def close(self) -> None:
        """End the stage that is shown; another may follow."""
        ...


class Silence:
    """A `Progress` that shows nothing."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


def stage_of(progress: StageProgress, stage: str) -> StepProgress:
    """What tells ``progress`` of one stage."""
    return lambda done, total: progress(stage, done, total)
