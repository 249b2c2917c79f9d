"""The format and the schema revisions that this program reads; kept apart from the tables, so that reading them loads
no SQLAlchemy."""

from __future__ import annotations

FORMAT_VERSION = 1
REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
)  # all that this code reads, oldest first
HEAD = REVISIONS[-1]
