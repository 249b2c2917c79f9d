"""Measures the stages of a search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


def milliseconds_since(started: float) -> float:
    """Milliseconds since ``started``, a `time.perf_counter()`."""
    return round(1000 * (time.perf_counter() - started), 3)


@contextmanager
def timed(took: dict[str, float], stage: str) -> Iterator[None]:
    """Write the milliseconds that the body takes into ``took``."""
    started = time.perf_counter()
    try:
        yield
    finally:
        took[stage] = milliseconds_since(started)
