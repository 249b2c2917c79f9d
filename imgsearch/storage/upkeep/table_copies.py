"""Copies every row of a catalog into another, empty one, whatever databases they are in, and compares the two."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Integer, Table

from imgsearch.errors import CatalogDamaged
from imgsearch.storage.catalog import schema
from imgsearch.storage.catalog.dialects import SqlConnection, dialect_of
from imgsearch.storage.catalog.dialects.sqlite import SQLITE

_PAGE = 5_000  # rows held in memory: 8 MB of signatures, the widest
_WORDS = {"word_search": ("tags", "texts"), "caption_search": ("text",), "text_search": ("text",)}
# With a row of filter_columns, triggers note every row that comes after it as a change.
_LAST = ("filter_columns", "changed_images")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class TableSum:
    """What a table holds: the number of its rows, and the sha256 of all of them in the order of their keys."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A table or an index of words. ``keys``: the first columns, by which its rows are ordered."""

    name: str
    columns: tuple[str, ...]
    keys: int
    booleans: frozenset[int] = frozenset()

    def pages(self, connection: SqlConnection, stored: Callable[[Sequence[Any]], Sequence[Any]]) -> Iterator[Rows]:
        """Its rows as the other database gives them back: ``stored`` says what becomes of values there."""
        columns = [self._own(name, connection) for name in self.columns]
        keys = ", ".join(columns[: self.keys])
        head = f"SELECT {', '.join(columns)} FROM {self.name}"
        tail = f"ORDER BY {keys} LIMIT {_PAGE}"
        rows = connection.execute(f"{head} {tail}").fetchall()
        while rows:
            yield [tuple(stored(self._plain(row))) for row in rows]
            last = list(rows[-1][: self.keys])
            marks = ", ".join("?" * self.keys)
            rows = connection.execute(f"{head} WHERE ({keys}) > ({marks}) {tail}", last).fetchall()

    def put(self, connection: SqlConnection, rows: Rows) -> None:
        """Add rows, whose words in indexes are those that they had."""
        dialect = dialect_of(connection)
        if self.name in _WORDS:
            dialect.index_words(connection, self.name, rows)
            return
        dialect.insert(connection, self.name, [dict(zip(self.columns, row, strict=True)) for row in rows])
        if self.name == "files":
            at = self.columns.index("root_id"), self.columns.index("relative_path")
            dialect.index_files(connection, [(row[at[0]], row[at[1]]) for row in rows])

    def _own(self, column: str, connection: SqlConnection) -> str:
        return "rowid" if self.name in _WORDS and column == "image_id" and _is_sqlite(connection) else column

    def _plain(self, row: Sequence[Any]) -> list[Any]:
        """SQLite has numbers for truths."""
        return [bool(value) if at in self.booleans else value for at, value in enumerate(row)]


def copy_tables(
    source: SqlConnection, target: SqlConnection, progress: Callable[[int, int], None]
) -> dict[str, TableSum]:
    """Put all rows of ``source`` into the empty tables of ``target``, inside the transactions of both, and read them
    back. The numbers that ids go on from come along, so that none is used twice. Raises CatalogDamaged where something
    arrived as something else."""
    parts = _parts()
    total = sum(source.execute(f"SELECT count(*) FROM {part.name}").fetchone()[0] for part in parts)
    stored, done, sums = _stored_by(target), 0, {}
    for part in parts:
        adding = _Adding()
        for rows in part.pages(source, stored):
            part.put(target, rows)
            adding.add(rows)
            done += len(rows)
            progress(done, total)
        sums[part.name] = adding.sum()
    counters = {table.name: _last_id(source, table) for table in _numbered()}
    for table in _numbered():
        _go_on_from(target, table, counters[table.name])
    found = table_sums(target)
    wrong = [name for name, each in sums.items() if found[name] != each]
    wrong += [table.name for table in _numbered() if _next_differs(target, table, counters[table.name])]
    if wrong:
        raise CatalogDamaged(
            f"the copy of the catalog differs in {', '.join(sorted(set(wrong)))}; nothing was changed",
            "imgsearch verify says whether the library's own catalog is whole; then run the same command again",
        )
    return sums


def table_sums(connection: SqlConnection) -> dict[str, TableSum]:
    """What every table holds, by name. Equal contents give equal sums in SQLite and PostgreSQL."""
    found = {}
    for part in _parts():
        adding = _Adding()
        for rows in part.pages(connection, lambda row: row):
            adding.add(rows)
        found[part.name] = adding.sum()
    return found


def empty_tables(connection: SqlConnection) -> None:
    """Remove all rows of a catalog in PostgreSQL but for its revision."""
    names = [table.name for table in schema.metadata.sorted_tables]
    connection.execute(f"TRUNCATE {', '.join([*names, *_WORDS, 'file_words', 'file_folders'])} RESTART IDENTITY")


class _Adding:
    def __init__(self) -> None:
        self._rows, self._digest = 0, hashlib.sha256()

    def add(self, rows: Rows) -> None:
        self._rows += len(rows)
        for row in rows:
            self._digest.update(repr(row).encode("utf-8", "surrogatepass") + b"\n")

    def sum(self) -> TableSum:
        return TableSum(self._rows, self._digest.hexdigest())


def _parts() -> list[_Part]:
    tables = [table for table in schema.metadata.sorted_tables if table.name not in _LAST]
    tables += [schema.metadata.tables[name] for name in _LAST]
    return [_part(table) for table in tables] + [
        _Part(name, ("image_id", *columns), 1) for name, columns in _WORDS.items()
    ]


def _part(table: Table) -> _Part:
    keys = [column.name for column in table.primary_key.columns]
    rest = [column.name for column in table.columns if column.name not in keys]
    columns = (*keys, *rest)
    booleans = [at for at, name in enumerate(columns) if isinstance(table.columns[name].type, Boolean)]
    return _Part(table.name, columns, len(keys), frozenset(booleans))


def _is_sqlite(connection: SqlConnection) -> bool:
    return dialect_of(connection) is SQLITE


def _stored_by(target: SqlConnection) -> Callable[[Sequence[Any]], Sequence[Any]]:
    if _is_sqlite(target):
        return lambda row: row
    from imgsearch.storage.catalog.postgres.connection import stored_values

    return stored_values


# Ids that are used once.


def _numbered() -> list[Table]:
    """The tables whose rows get numbers by themselves. SQLite keeps the last one only where a number must never come
    back; elsewhere the highest one counts."""
    return [table for table in schema.metadata.sorted_tables if _id_of(table)]


def _id_of(table: Table) -> str:
    columns = list(table.primary_key.columns)
    own = len(columns) == 1 and isinstance(columns[0].type, Integer) and not columns[0].foreign_keys
    return columns[0].name if own and columns[0].name.endswith("_id") and table.name != "changed_images" else ""


def _last_id(connection: SqlConnection, table: Table) -> int:
    column = _id_of(table)
    highest = connection.execute(f"SELECT coalesce(max({column}), 0) FROM {table.name}").fetchone()[0]
    return max(int(highest), _counter(connection, table))


def _counter(connection: SqlConnection, table: Table) -> int:
    if _is_sqlite(connection):
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table.name]).fetchone()
        return int(row[0]) if row else 0
    row = connection.execute(f"SELECT last_value, is_called FROM {_sequence(connection, table)}").fetchone()
    return int(row[0]) if row[1] else int(row[0]) - 1


def _sequence(connection: SqlConnection, table: Table) -> str:
    row = connection.execute("SELECT pg_get_serial_sequence(?, ?)", [table.name, _id_of(table)]).fetchone()
    return str(row[0])


def _go_on_from(connection: SqlConnection, table: Table, last: int) -> None:
    if not last:
        return
    if not _is_sqlite(connection):
        connection.execute("SELECT setval(CAST(? AS regclass), ?)", [_sequence(connection, table), last])
    elif table.kwargs.get("sqlite_autoincrement"):
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", [table.name])
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table.name, last])


def _next_differs(connection: SqlConnection, table: Table, last: int) -> bool:
    counts = table.kwargs.get("sqlite_autoincrement") or not _is_sqlite(connection)
    return bool(counts) and _counter(connection, table) != last
