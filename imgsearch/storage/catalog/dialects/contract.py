"""What the catalog asks of a database's driver, and the few places where the databases differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection

Condition = tuple[str, list[Any]]
"""SQL with ?, and the values for them."""


class Rows(Protocol):
    """The result of a statement, row by row as tuples."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def fetchmany(self, size: int = ..., /) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class SqlConnection(Protocol):
    """An open connection inside a transaction: `sqlite3.Connection`, or the same on another driver. A ``?`` in the SQL
    stands for a value."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows: ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object: ...


class CatalogAccess(Protocol):
    """One process's access to a catalog; `imgsearch.storage.catalog.database.Catalog` says what each does."""

    @property
    def shown(self) -> str:
        """Its place, for messages: never with a password."""

    @property
    def name(self) -> str:
        """What it is called among the parts of a library: "catalog.db"."""

    @property
    def url(self) -> str:
        """What `open_store` needs to open it again, perhaps with a password; "" for the one in the library's folder."""

    @property
    def integrity_errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises for a row that breaks a constraint."""

    def look(self) -> AbstractContextManager[SqlConnection]: ...

    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...

    def note(self) -> AbstractContextManager[SqlConnection]: ...

    def exclusive(self, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Keeps writers with another copy of the library's folder out, where that is possible."""

    def require_exclusive(self) -> None:
        """Raise CatalogUnreachable if the hold of ``exclusive`` was lost."""

    def close(self) -> None: ...

    def prepare(self) -> None:
        """What must be done once, before the first tables are made."""

    def revision(self) -> str | None: ...

    def migrate(self, connection: Connection) -> None: ...

    def settle_in(self, connection: Connection, folder: Path) -> None:
        """Write, with the first tables, which library they belong to."""

    def migrate_copy(self) -> None: ...

    def check(self, connection: Connection) -> list[str]: ...

    def size_bytes(self) -> int: ...


class Dialect(Protocol):
    """One database's own SQL. The names of full-text indexes are those of SQLite's tables: ``word_search`` (columns
    tags, texts), ``caption_search`` and ``text_search`` (column text), by image id. Their expressions are FTS5's, as
    `imgsearch.wordforms.phrase` and `imgsearch.search.word_matches` make them."""

    def words_of_files(self, column: str, phrase: str) -> Condition:
        """On ``files``: the words of the "folder" or the "name" match the phrase."""

    def signs_of_files(self, column: str, signs: str) -> Condition:
        """On ``files``: see `words.holds_signs`."""

    def name_fits(self, pattern: str) -> Condition:
        """On ``files``: see `words.name_fits`."""

    def folder_fits(self, pattern: str, root: str) -> Condition:
        """On ``files``: see `words.folder_fits`."""

    def words_of_images(self, index: str, expression: str) -> Condition:
        """On a row with an image id: the index matches the expression."""

    def has_words(self, index: str) -> str:
        """SQL on a row with an image id: the index holds the image."""

    def holds_text(self, column: str, text: str) -> Condition:
        """``text`` stands in the column; the case of ASCII letters does not count, that of others does."""

    def among(self, column: str, image_ids: Sequence[int]) -> Condition:
        """The column is one of many ids."""

    def best(self, connection: SqlConnection, index: str, expression: str, most: int) -> list[int]:
        """Image ids by BM25, the best first, then by id. The index has one column."""

    def newest(self, connection: SqlConnection, index: str, expression: str, most: int) -> list[int]:
        """Image ids that match, the highest first."""

    def index_words(self, connection: SqlConnection, index: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows: an image id, then its words for each column."""

    def unindex_words(self, connection: SqlConnection, index: str, image_ids: Sequence[int]) -> None:
        """Take out the rows of these images, if there are any."""

    def index_files(self, connection: SqlConnection, places: Sequence[tuple[int, bytes]]) -> None:
        """Index the names of files that were placed: (root id, relative path)."""

    def take_image_ids(self, connection: SqlConnection, count: int) -> int:
        """The first of ``count`` ids that no image had before."""

    def insert(self, connection: SqlConnection, table: str, rows: Sequence[Mapping[str, Any]], tail: str = "") -> None:
        """Insert rows of the same columns; ``tail`` may be an ON CONFLICT clause."""
