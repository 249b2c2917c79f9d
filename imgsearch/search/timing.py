"""Measures the stages of a search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


def milliseconds_since(started: float) -> float:
    """Milliseconds since ``started``, a `time.perf_counter()`."""
    return round(1000 * (time.perf_counter() - started), 3)


def deadline_of(asked_ms: float | None, usual_ms: float | None, started: float) -> float | None:
    """When a re-rank ends, a `time.perf_counter()`; None for no limit. ``asked_ms`` counts from ``started``, the
    search's begin; ``usual_ms``, for a search that asks for nothing, from now."""
    if asked_ms is not None:
        return started + asked_ms / 1000
    return None if usual_ms is None else time.perf_counter() + usual_ms / 1000


@contextmanager
def timed(took: dict[str, float], stage: str) -> Iterator[None]:
    """Write the milliseconds that the body takes into ``took``."""
    started = time.perf_counter()
    try:
        yield
    finally:
        took[stage] = milliseconds_since(started)
