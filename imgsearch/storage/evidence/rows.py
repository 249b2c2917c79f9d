"""The tables of ``dedup/evidence.db``, and their rows as the evidence store reads and writes them."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from imgsearch.records import Int64

VERSION = 2
"""2 added ``why`` to pairs, ``why`` and ``altered`` to judged, and the tables examined and looked."""

TABLES = """
CREATE TABLE IF NOT EXISTS pairs (
    first INTEGER NOT NULL, second INTEGER NOT NULL, tier TEXT NOT NULL, score REAL NOT NULL, turn INTEGER NOT NULL,
    bits INTEGER, difference REAL, cover REAL, similarity REAL, seconds REAL, why TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (first, second, tier), CHECK (first < second)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pairs_second ON pairs (second);
CREATE TABLE IF NOT EXISTS compared (
    kind TEXT NOT NULL, recipe TEXT NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
    PRIMARY KEY (kind, first_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS judged (
    first INTEGER NOT NULL, second INTEGER NOT NULL, recipe TEXT NOT NULL, is_copy INTEGER NOT NULL,
    why TEXT NOT NULL DEFAULT '', altered INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (first, second), CHECK (first < second)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS judged_second ON judged (second);
CREATE TABLE IF NOT EXISTS looked (
    first INTEGER NOT NULL, second INTEGER NOT NULL, recipe TEXT NOT NULL,
    PRIMARY KEY (first, second), CHECK (first < second)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS looked_second ON looked (second);
CREATE TABLE IF NOT EXISTS pixel_hashes (image_id INTEGER PRIMARY KEY, recipe TEXT NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS examined (
    image_id INTEGER NOT NULL, kind TEXT NOT NULL, recipe TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (image_id, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS distinct_contents (
    first BLOB NOT NULL, second BLOB NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (first, second), CHECK (first <= second)) WITHOUT ROWID;
"""

ADD_PAIR = f"INSERT OR REPLACE INTO pairs VALUES ({', '.join('?' * 11)})"

UPGRADES = {
    1: "ALTER TABLE pairs ADD COLUMN why TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE judged ADD COLUMN why TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE judged ADD COLUMN altered INTEGER NOT NULL DEFAULT 0;"
}
"""By the version of a file: the statements that bring it to the next version."""


class PairRow(NamedTuple):
    """Two images by id, ``first < second``, and the evidence that one is a copy of the other; the fields of
    imgsearch.dedup.evidence.records.Evidence."""

    first: int
    second: int
    tier: str
    score: float
    turn: int = 1
    bits: int | None = None
    difference: float | None = None
    cover: float | None = None
    similarity: float | None = None
    seconds: float | None = None
    why: str = ""


class Judged(NamedTuple):
    """The result of a closer look at two images: whether they are copies, and the alteration or the evidence against
    it. ``altered``: one of the two is more than the other saved again, and nothing says which."""

    is_copy: bool
    why: str = ""
    altered: bool = False


def marked_ranges(connection: sqlite3.Connection, kind: str, recipe: str) -> Int64:
    """The marked ids, as ranges int64 [n, 2] (id_ranges.py)."""
    statement = "SELECT first_id, last_id FROM compared WHERE kind = ? AND recipe = ? ORDER BY first_id"
    return np.array(connection.execute(statement, (kind, recipe)).fetchall(), np.int64).reshape(-1, 2)


def write_marked(connection: sqlite3.Connection, kind: str, recipe: str, ranges: Int64) -> None:
    """Replace all marks of the kind by these."""
    connection.execute("DELETE FROM compared WHERE kind = ?", (kind,))
    rows = ((kind, recipe, first, last) for first, last in ranges.tolist())
    connection.executemany("INSERT INTO compared VALUES (?, ?, ?, ?)", rows)


def strongest(rows: Iterable[PairRow], rank: Mapping[str, int]) -> Iterator[PairRow]:
    """From rows in order of their two ids, one for each two ids: the row of the lowest rank."""
    for _, same in itertools.groupby(rows, key=lambda row: row[:2]):
        yield min(same, key=lambda row: rank[row.tier])


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits all of a block or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
