"""For modules whose tests hold for every catalog: ``CATALOG_KINDS = BOTH`` (tests/storage/conftest.py reads it)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

BOTH = ("sqlite", "postgresql")


def only_sqlite(test: Callable[..., Any]) -> Callable[..., Any]:
    """Of such a module, a test that looks into catalog.db itself."""
    test.catalog_kinds = ("sqlite",)  # type: ignore[attr-defined]
    return test


def key_of(connection: object) -> str:
    """What the image ids of a full-text index are called."""
    return "rowid" if isinstance(connection, sqlite3.Connection) else "image_id"
