"""Listeners to the progress of a run: bars, lines on stderr, a child's standard output, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

StepProgress = Callable[[int, int], object]
"""Called with (done, total) of one stage, at any rate."""

StageProgress = Callable[[str, int, int], object]
"""Called with (stage, done, total); another stage ends the one before. ``total`` is 0 if it is not known."""


class Progress(Protocol):
    """Listens to a run of several stages, which may also say something between them."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` things of a stage are done; another stage ends the one before."""
        ...

    def say(self, text: str) -> None:
        """Show a sentence beside the progress."""
        ...

    def close(self) -> None:
        """End the present stage; another may follow."""
        ...


class Silence:
    """A `Progress` that shows nothing."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


def stage_of(progress: StageProgress, stage: str) -> StepProgress:
    """A listener for one stage that passes everything on to ``progress``."""
    return lambda done, total: progress(stage, done, total)
