"""Finds out before a model is loaded whether another process writes to the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgsearch.storage import Store

LOCK_WAIT_S = 5.0
"""How long to wait for the other process."""


def require_lock(store: Store) -> None:
    """Take the writer's lock and release it. Raises LibraryBusy if another process holds it longer than
    `LOCK_WAIT_S`."""
    from imgsearch.storage import writing

    with writing(store, wait_s=LOCK_WAIT_S):
        pass
