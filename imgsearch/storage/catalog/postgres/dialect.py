"""PostgreSQL's own SQL.

Full-text search: PostgreSQL would take ``IMG_2024.jpg`` for one word (a host's name), so words are never split there.
A row holds them as `wordforms.indexed` made them, between spaces, and a ``tsvector`` of the same words without their
places, whose GIN index names the rows that hold all words of a phrase; that they stand one after the other is seen in
the text itself. Names are also kept in the two forms that patterns and signs are compared in, as PostgreSQL cannot call
the functions of `imgsearch.storage.catalog.words`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

from imgsearch.errors import LibraryUnsupported
from imgsearch.storage.catalog import words
from imgsearch.storage.catalog.dialects import Condition, SqlConnection
from imgsearch.storage.catalog.postgres.expressions import (
    Either,
    Every,
    InColumn,
    Near,
    Node,
    Phrase,
    parsed,
    phrases_of,
)
from imgsearch.storage.catalog.postgres.ranking import Collection, RankedText, score
from imgsearch.wordforms import folded, indexed

_COLUMNS = {"word_search": ("tags", "texts"), "caption_search": ("text",), "text_search": ("text",)}
_LONGEST_PATH = 2500  # bytes: a row of an index must fit a third of a page of 8 KB
_LONGEST_WORD = 250  # letters of a word in a tsvector, which takes at most 2,046 bytes; the text holds it whole
_MOST_BYTES = 800_000  # of all words in a tsvector, which takes at most 1,048,575
_NOT_TEXT = re.compile("[\udc80-\udcff]")

_FOLDERS = """INSERT INTO file_folders (path, words, folded, plain, tokens) VALUES (?, ?, ?, ?, array_to_tsvector(?))
    ON CONFLICT (path) DO NOTHING"""
_NAMES = """INSERT INTO file_words (file_id, folder_id, words, folded, plain, tokens)
    SELECT file_id, (SELECT folder_id FROM file_folders WHERE path = ?), ?, ?, ?, array_to_tsvector(?)
    FROM files WHERE root_id = ? AND relative_path = ? ON CONFLICT (file_id) DO NOTHING"""
_IN_FOLDERS = "file_id IN (SELECT file_id FROM file_words JOIN file_folders AS held USING (folder_id) WHERE {sql})"
_IN_NAMES = "file_id IN (SELECT file_id FROM file_words AS held WHERE {sql})"


class _Copying(Protocol):
    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None: ...


class PostgresDialect:
    """See `contract.Dialect`."""

    def words_of_files(self, column: str, phrase: str) -> Condition:
        sql, values = _matching(parsed(phrase), ("words",))
        return _of_files(column, sql), values

    def signs_of_files(self, column: str, signs: str) -> Condition:
        wanted = [_as_text(sign) for sign in signs.split("\n")]
        return _of_files(column, " AND ".join(["strpos(held.plain, ?) > 0"] * len(wanted))), [*wanted]

    def name_fits(self, pattern: str) -> Condition:
        marks = {"*": "%", "?": "_"}
        letters = [marks.get(each) or (f"\\{each}" if each in "%_\\" else each) for each in folded(pattern)]
        return _of_files("name", "held.folded LIKE ?"), [_as_text("".join(letters))]

    def folder_fits(self, pattern: str, root: str) -> Condition:
        """The way from the root of all to the folder, against the same pattern as `words.folder_fits`."""
        marks = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
        parts = re.findall(r"\*\*|.", folded(pattern.strip("/")), re.DOTALL)
        inner = "".join(marks.get(each) or (f"\\{each}" if _is_sign(each) else each) for each in parts)
        above = folded(f"/{root.strip('/')}/".replace("//", "/"))
        sql = "(CAST(? AS text) || held.folded || CASE held.folded WHEN '' THEN '' ELSE '/' END) ~ ?"
        anchor = "^" if pattern.startswith("/") else ""
        return _of_files("folder", sql), [_as_text(above), _as_text(f"{anchor}/{inner}/")]

    def words_of_images(self, index: str, expression: str) -> Condition:
        sql, values = _matching(parsed(expression), _COLUMNS[index])
        return f"image_id IN (SELECT image_id FROM {index} AS held WHERE {sql})", values

    def has_words(self, index: str) -> str:
        return f"image_id IN (SELECT image_id FROM {index})"

    def holds_text(self, column: str, text: str) -> Condition:
        return f'strpos(lower({column} COLLATE "C"), lower(CAST(? AS text) COLLATE "C")) > 0', [text]

    def among(self, column: str, image_ids: Sequence[int]) -> Condition:
        return f"{column} = ANY(CAST(? AS bigint[]))", [list(image_ids)]

    def best(self, connection: SqlConnection, index: str, expression: str, most: int) -> list[int]:
        """Reads every text that matches: what FTS5 does too, but here they travel."""
        node = parsed(expression)
        sql, values = _matching(node, _COLUMNS[index])
        rows = connection.execute(f"SELECT image_id, text FROM {index} AS held WHERE {sql}", values).fetchall()
        documents = [(image_id, RankedText(text)) for image_id, text in rows]
        counted = [(image_id, each, counts) for image_id, each in documents if (counts := each.counts(node))]
        if not counted:
            return []
        known = _collection(connection, index, node)
        weights = [known.weight(phrase) for phrase in phrases_of(node)]
        average = known.words / known.texts
        ranked = sorted((score(each, counts, weights, average), image_id) for image_id, each, counts in counted)
        return [image_id for _, image_id in ranked[:most]]

    def newest(self, connection: SqlConnection, index: str, expression: str, most: int) -> list[int]:
        sql, values = _matching(parsed(expression), _COLUMNS[index])
        statement = f"SELECT image_id FROM {index} AS held WHERE {sql} ORDER BY image_id DESC LIMIT ?"
        return [row[0] for row in connection.execute(statement, (*values, most))]

    def index_words(self, connection: SqlConnection, index: str, rows: Iterable[Sequence[Any]]) -> None:
        columns = _COLUMNS[index]
        marks = ", ".join("?" * len(columns))
        statement = f"""INSERT INTO {index} (image_id, {", ".join(columns)}, size, tokens)
            VALUES (?, {marks}, ?, array_to_tsvector(?))"""
        connection.executemany(statement, ((*row, _size(row[1:]), _tokens(row[1:])) for row in rows))

    def unindex_words(self, connection: SqlConnection, index: str, image_ids: Sequence[int]) -> None:
        sql, values = self.among("image_id", image_ids)
        connection.execute(f"DELETE FROM {index} WHERE {sql}", values)

    def index_files(self, connection: SqlConnection, places: Sequence[tuple[int, bytes]]) -> None:
        split = [(root_id, path, *_split(path)) for root_id, path in places]
        folders = {folder: _folder_row(folder) for _, _, folder, _ in split}
        connection.executemany(_FOLDERS, (folders[key] for key in sorted(folders)))
        connection.executemany(
            _NAMES, ((folder, *_forms(name), root_id, path) for root_id, path, folder, name in split)
        )

    def take_image_ids(self, connection: SqlConnection, count: int) -> int:
        last, used = connection.execute("SELECT last_value, is_called FROM images_image_id_seq").fetchone()
        first = int(last) + 1 if used else 1
        connection.execute("SELECT setval('images_image_id_seq', ?)", (first + count - 1,))
        return first

    def insert(self, connection: SqlConnection, table: str, rows: Sequence[Mapping[str, Any]], tail: str = "") -> None:
        names = list(rows[0])
        _refuse_long_paths(rows)
        values = [[row[name] for name in names] for row in rows]
        if not tail:
            cast("_Copying", connection).copy(table, names, values)
            return
        marks = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) {tail}", values)


POSTGRES = PostgresDialect()


def _of_files(column: str, sql: str) -> str:
    return (_IN_FOLDERS if column == "folder" else _IN_NAMES).format(sql=sql)


def _matching(node: Node, columns: Sequence[str]) -> Condition:
    """SQL on a row ``held`` with ``tokens``. Of phrases that must stand NEAR one another: that all are there."""
    match node:
        case Phrase():
            return _holding(node, columns)
        case InColumn():
            return _matching(node.part, (node.column,))
        case Near():
            return _together([_holding(phrase, columns) for phrase in node.phrases], " AND ")
        case Every() | Either():
            joint = " AND " if isinstance(node, Every) else " OR "
            return _together([_matching(part, columns) for part in node.parts], joint)


def _holding(phrase: Phrase, columns: Sequence[str]) -> Condition:
    *whole, last = phrase.words
    lexemes = [_query_word(word, unfinished=False) for word in whole] + [_query_word(last, phrase.unfinished)]
    wanted = f" {phrase.text}{'' if phrase.unfinished else ' '}"
    inside = " OR ".join(f"strpos(' ' || held.{column} || ' ', ?) > 0" for column in columns)
    return f"(held.tokens @@ CAST(? AS tsquery) AND ({inside}))", [" & ".join(lexemes), *[wanted] * len(columns)]


def _together(conditions: Sequence[Condition], joint: str) -> Condition:
    return f"({joint.join(sql for sql, _ in conditions)})", [value for _, given in conditions for value in given]


def _query_word(word: str, unfinished: bool) -> str:
    short = word[:_LONGEST_WORD]
    quoted = short.replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}'{':*' if unfinished or short != word else ''}"


def _collection(connection: SqlConnection, index: str, node: Node) -> Collection:
    texts, total = connection.execute(f"SELECT count(*), coalesce(sum(size), 0) FROM {index}").fetchone()
    holding = {}
    for phrase in dict.fromkeys(phrases_of(node)):
        sql, values = _holding(phrase, _COLUMNS[index])
        (holding[phrase],) = connection.execute(f"SELECT count(*) FROM {index} AS held WHERE {sql}", values).fetchone()
    return Collection(int(texts), int(total), holding)


def _tokens(texts: Iterable[str]) -> list[str]:
    """Every word of the texts once, as far as a tsvector takes them."""
    found = dict.fromkeys(word[:_LONGEST_WORD] for text in texts for word in text.split(" ") if word)
    taken: list[str] = []
    left = _MOST_BYTES
    for word in found:
        left -= len(word.encode()) + 8
        if left < 0:
            break
        taken.append(word)
    return taken


def _size(texts: Iterable[str]) -> int:
    return sum(text.count(" ") + 1 for text in texts if text)


def _split(path: bytes) -> tuple[bytes, bytes]:
    folder, _, name = path.rpartition(b"/")
    return folder, name


def _folder_row(folder: bytes) -> tuple[bytes, str, str, str, list[str]]:
    return (folder, *_forms(folder))


def _forms(part: bytes) -> tuple[str, str, str, list[str]]:
    """The words of a name, the form for patterns, the form for signs, and the words one by one."""
    text = part.decode("utf-8", "surrogateescape")
    told = indexed(text)
    return told, _as_text(folded(text)), _as_text(words.plain(text)), _tokens([told])


def _as_text(text: str) -> str:
    """Bytes that are not UTF-8 as letters of private use, one each, which no pattern names."""
    return text if text.isascii() else _NOT_TEXT.sub(lambda at: chr(0x10FF00 + (ord(at[0]) & 0xFF)), text)


def _is_sign(letter: str) -> bool:
    return letter.isascii() and not letter.isalnum()


def _refuse_long_paths(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        path = row.get("relative_path", b"")
        if len(path) > _LONGEST_PATH:
            raise LibraryUnsupported(
                f"a path of {len(path)} bytes does not fit a catalog in PostgreSQL, which takes {_LONGEST_PATH}: "
                f"{os.fsdecode(path)[:80]!r}...",
                "leave the file out with --exclude, or name a folder nearer to it as PATH",
            )
