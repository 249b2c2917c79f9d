"""psycopg's connection, spoken to as SQLite's is: ``?`` for values, and cursors that come from ``execute``."""

from __future__ import annotations

import contextlib
import os
import re
import weakref
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, cast

from imgsearch.errors import LibraryUnsupported
from imgsearch.extras import needs_extra
from imgsearch.storage.catalog.dialects import Rows
from imgsearch.storage.catalog.postgres.address import CatalogAddress
from imgsearch.storage.catalog.postgres.dialect import POSTGRES

with needs_extra("a catalog in PostgreSQL", "postgres"):
    import psycopg

LEAST_VERSION = 140_000
"""The oldest server that its makers still mended when this was written; 15 is the one that the tests run."""

_CONNECT_S = 10
_NO_LETTER = "\ufffd"  # PostgreSQL's texts cannot hold the letter 0
_PIECES = re.compile(r"\?|%")
_open: weakref.WeakSet[psycopg.Connection[tuple[Any, ...]]] = weakref.WeakSet()


def _leave_in_child() -> None:
    """A forked child has the parent's sockets: it would keep sessions, and with them the writer's lock, alive, or end
    them for the parent. Each is replaced by /dev/null there, so that nothing the child closes reaches the server."""
    for connection in list(_open):
        with contextlib.suppress(psycopg.Error, OSError):
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, connection.fileno(), inheritable=False)
            os.close(null)


os.register_at_fork(after_in_child=_leave_in_child)


class PostgresConnection:
    """See `SqlConnection`; inside whatever transaction the connection is in."""

    dialect = POSTGRES

    def __init__(self, below: Any) -> None:
        self.below: psycopg.Connection[tuple[Any, ...]] = below

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        return cast("Rows", self.below.execute(cast("Any", translated(sql)), stored_values(parameters)))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> None:
        with self.below.cursor() as cursor:
            cursor.executemany(cast("Any", translated(sql)), [stored_values(row) for row in parameters])

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Append rows by COPY: 4 to 11 times as fast as INSERT (measured with and without three indexes)."""
        with self.below.cursor() as cursor:
            statement = cast("Any", f"COPY {table} ({', '.join(columns)}) FROM STDIN")
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(stored_values(row))


def connect(address: CatalogAddress, *, autocommit: bool = False) -> psycopg.Connection[tuple[Any, ...]]:
    """A new connection. Raises psycopg.Error, LibraryUnsupported for a server that cannot hold a catalog."""
    options: dict[str, Any] = {"fallback_application_name": "imgsearch", "client_encoding": "utf8"}
    if "connect_timeout" not in address.url:
        options["connect_timeout"] = _CONNECT_S
    if secret := address.secret():
        options["password"] = secret
    connection = psycopg.connect(address.url, autocommit=autocommit, **options)
    _open.add(connection)
    try:
        _require_fit(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_fit(connection: psycopg.Connection[tuple[Any, ...]], address: CatalogAddress) -> None:
    version = connection.info.server_version
    if version < LEAST_VERSION:
        raise LibraryUnsupported(
            f"{address.shown} is PostgreSQL {version // 10_000}, expected {LEAST_VERSION // 10_000} or newer",
            "name a newer server with --catalog-url",
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise LibraryUnsupported(
            f"the database {address.shown} stores text in {encoding}, expected UTF8",
            "make one that does: createdb --encoding=UTF8 --template=template0 NAME",
        )


@lru_cache(1024)
def translated(sql: str) -> str:
    """``?`` becomes psycopg's ``%s``; a ``%`` stays one. The catalog's SQL has neither in a literal."""
    return _PIECES.sub(lambda at: "%s" if at[0] == "?" else "%%", sql)


def stored_values(values: Sequence[Any]) -> Sequence[Any]:
    """The values without the letter 0 in texts."""
    if any(isinstance(value, str) and "\0" in value for value in values):
        return [value.replace("\0", _NO_LETTER) if isinstance(value, str) else value for value in values]
    return values
