"""Where the time of a search goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


def milliseconds_since(started: float) -> float:
    """Of `time.perf_counter`."""
    return round(1000 * (time.perf_counter() - started), 3)


@contextmanager
def timed(took: dict[str, float], stage: str) -> Iterator[None]:
    """Write the milliseconds of a stage into ``took``."""
    started = time.perf_counter()
    try:
        yield
    finally:
        took[stage] = milliseconds_since(started)
