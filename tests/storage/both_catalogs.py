"""For modules whose tests hold for every catalog: ``CATALOG_KINDS = BOTH`` (tests/storage/conftest.py reads it)."""

from __future__ import annotations

import itertools
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


def is_left_out(kind: str) -> bool:
    """Of the examples of a property five of six are asked of SQLite alone, as a server takes several times as long."""
    return kind != "sqlite" and next(_EXAMPLES) % 6 != 0


_EXAMPLES = itertools.count()
