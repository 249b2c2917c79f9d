"""What SQLite and PostgreSQL do differently. Everything else of the catalog's SQL is the same text for both."""

from __future__ import annotations

from typing import cast

from imgsearch.storage.catalog.dialects.contract import Condition, Dialect, Rows, SqlConnection
from imgsearch.storage.catalog.dialects.sqlite import SQLITE


def dialect_of(connection: SqlConnection) -> Dialect:
    """SQLite's, unless the connection names its own."""
    return cast("Dialect", getattr(connection, "dialect", SQLITE))


__all__ = ["Condition", "Dialect", "Rows", "SqlConnection", "dialect_of"]
