"""Reads earlier index runs from the table of events."""

from __future__ import annotations

import json
from typing import Any

from imgsearch.storage.store import Store

_LOOKED_AT = 20_000  # events: 20 ms


def finished_runs(store: Store, limit: int = 20) -> list[dict[str, Any]]:
    """The summaries of the last index runs, the newest first, within the last 20,000 events."""
    statement = """SELECT data FROM events WHERE event_id > (SELECT coalesce(max(event_id), 0) - ? FROM events)
        AND kind = 'index-finished' ORDER BY event_id DESC LIMIT ?"""
    with store.catalog.look() as connection:
        return [json.loads(row[0]) for row in connection.execute(statement, (_LOOKED_AT, limit))]
