"""SQLite's own SQL: FTS5, Python functions in SQL, JSON as a list of values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imgsearch.storage.catalog.dialects.contract import Condition, SqlConnection

_COLUMNS = {"word_search": "tags, texts", "caption_search": "text", "text_search": "text"}


class SqliteDialect:
    """See `contract.Dialect`. Triggers keep the index of file names."""

    def words_of_files(self, column: str, phrase: str) -> Condition:
        return "file_id IN (SELECT rowid FROM file_words WHERE file_words MATCH ?)", [f"{column} : {phrase}"]

    def signs_of_files(self, column: str, signs: str) -> Condition:
        return f"imgsearch_{column}_signs(?, relative_path)", [signs]

    def name_fits(self, pattern: str) -> Condition:
        return "imgsearch_name_fits(?, relative_path)", [pattern]

    def folder_fits(self, pattern: str, root: str) -> Condition:
        return "imgsearch_folder_fits(?, ?, relative_path)", [pattern, root]

    def words_of_images(self, index: str, expression: str) -> Condition:
        return f"image_id IN (SELECT rowid FROM {index} WHERE {index} MATCH ?)", [expression]

    def has_words(self, index: str) -> str:
        return f"image_id IN (SELECT rowid FROM {index})"

    def holds_text(self, column: str, text: str) -> Condition:
        escaped = re.sub(r"([\\%_])", r"\\\1", text)
        return rf"{column} LIKE ? ESCAPE '\'", [f"%{escaped}%"]

    def among(self, column: str, image_ids: Sequence[int]) -> Condition:
        return f"{column} IN (SELECT value FROM json_each(?))", [json.dumps(list(image_ids))]

    def best(self, connection: SqlConnection, index: str, expression: str, most: int) -> list[int]:
        statement = f"SELECT rowid FROM {index} WHERE {index} MATCH ? ORDER BY bm25({index}), rowid LIMIT ?"
        return [row[0] for row in connection.execute(statement, (expression, most))]

    def newest(self, connection: SqlConnection, index: str, expression: str, most: int) -> list[int]:
        statement = f"SELECT rowid FROM {index} WHERE {index} MATCH ? ORDER BY rowid DESC LIMIT ?"
        return [row[0] for row in connection.execute(statement, (expression, most))]

    def index_words(self, connection: SqlConnection, index: str, rows: Iterable[Sequence[Any]]) -> None:
        columns = _COLUMNS[index]
        marks = ", ".join("?" * (columns.count(",") + 2))
        connection.executemany(f"INSERT INTO {index} (rowid, {columns}) VALUES ({marks})", rows)

    def unindex_words(self, connection: SqlConnection, index: str, image_ids: Sequence[int]) -> None:
        marks = ", ".join("?" * len(image_ids))
        known = connection.execute(f"SELECT rowid FROM {index} WHERE rowid IN ({marks})", image_ids)
        connection.executemany(f"DELETE FROM {index} WHERE rowid = ?", known.fetchall())

    def index_files(self, connection: SqlConnection, places: Sequence[tuple[int, bytes]]) -> None:
        pass

    def take_image_ids(self, connection: SqlConnection, count: int) -> int:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'images'").fetchone()
        return (row[0] if row else 0) + 1

    def insert(self, connection: SqlConnection, table: str, rows: Sequence[Mapping[str, Any]], tail: str = "") -> None:
        names = list(rows[0])
        columns, marks = ", ".join(names), ", ".join("?" * len(names))
        values = ([row[name] for name in names] for row in rows)
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks}) {tail}", values)


SQLITE = SqliteDialect()
