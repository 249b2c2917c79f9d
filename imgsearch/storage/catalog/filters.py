"""Finds the images that pass the filters, by SQL on the catalog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imgsearch import wordforms
from imgsearch.records import FILE_SOURCES, Clause, Filters, Int64, Root
from imgsearch.storage.catalog import filter_rules as rules
from imgsearch.storage.catalog import words
from imgsearch.storage.catalog.collected import albums, marks
from imgsearch.storage.catalog.dialects import Condition, Dialect, SqlConnection, dialect_of
from imgsearch.storage.catalog.facts import COUNTED_WORDS
from imgsearch.storage.catalog.texts import captions, image_texts

_FETCH = 65_536
_FACTS = {
    "gps": "latitude IS NOT NULL AND longitude IS NOT NULL",
    "date": f"taken_at IS NOT NULL AND coalesce(taken_source, 'exif') NOT IN {FILE_SOURCES}",  # of the content's own
    "camera": "camera IS NOT NULL",
    "tag": "image_id IN (SELECT image_id FROM image_words WHERE kind IN ('tag', 'person'))",
    "rating": "rating IS NOT NULL",
    "caption": "image_id IN (SELECT image_id FROM captions UNION SELECT image_id FROM image_words"
    " WHERE kind = 'caption')",
}
EVERY_FILE: Condition = ("TRUE", [])
_NOTHING: Condition = ("FALSE", [])


@dataclass(frozen=True, slots=True)
class Scope:
    """What a clause is about beside its value: the library's roots, and the SQL of its database."""

    roots: Sequence[Root]
    dialect: Dialect


def matching_image_ids(connection: SqlConnection, filters: Filters, roots: Sequence[Root]) -> Int64:
    """Ids, ascending, of the images that have a file and match. All clauses about a file must hold for the same file;
    an unwanted clause rejects an image if it holds for any of its files. An image without a date, a place or a camera
    matches no clause about it. Hidden images are among the others: `collected.marks.shown` leaves them out. Cost: a
    scan of the images, and of the files for a name with ``*`` or ``?``."""
    scope = Scope(roots, dialect_of(connection))
    where, values = ["image_id NOT IN (SELECT image_id FROM deletions)"], []
    for group in rules.groups(filters):
        if group[0].name == "near" or rules.is_of_file(group):
            continue
        sql, given = _any_of([_CONDITIONS[clause.name](clause, scope) for clause in group])
        if group[0].unwanted:
            of_file = group[0].name in rules.OF_FILE
            not_of_file = f"image_id NOT IN (SELECT image_id FROM files WHERE {sql})"
            sql = not_of_file if of_file else f"NOT coalesce({sql}, FALSE)"
        where.append(sql)
        values += given
    file_sql, file_values = file_condition(filters, scope)
    if (file_sql, file_values) != EVERY_FILE:
        where.append(f"image_id IN (SELECT image_id FROM files WHERE {file_sql})")
        values += file_values
    found = _ids(connection, " AND ".join(where), values)
    for clause in filters.clauses:
        if clause.name == "near":
            inside = np.isin(found, _near_ids(connection, clause.value))
            found = found[~inside if clause.unwanted else inside]
    return found


def file_condition(filters: Filters, scope: Scope) -> Condition:
    """The condition of the wanted clauses on one row of ``files``; `EVERY_FILE` if there is none."""
    parts, values = [], []
    for group in filter(rules.is_of_file, rules.groups(filters)):
        sql, given = _any_of([_CONDITIONS[clause.name](clause, scope) for clause in group])
        parts.append(sql)
        values += given
    return " AND ".join(parts) or EVERY_FILE[0], values


def _any_of(conditions: Sequence[Condition]) -> Condition:
    return f"({' OR '.join(sql for sql, _ in conditions)})", [value for _, given in conditions for value in given]


def _ids(connection: SqlConnection, where: str, values: list[Any]) -> Int64:
    statement = f"SELECT image_id FROM images WHERE {where} ORDER BY image_id"
    cursor = connection.execute(statement, values)
    pages = [np.empty(0, np.int64)]
    while rows := cursor.fetchmany(_FETCH):
        pages.append(np.array(rows, dtype=np.int64)[:, 0])
    return np.concatenate(pages)


def _folder(clause: Clause, scope: Scope) -> Condition:
    """Under an absolute path; folders that match a pattern; else words of the folders' names. The folders that lead to
    the root count too."""
    value = rules.expanded(clause.value)
    if any(mark in value for mark in "*?"):
        return _folder_pattern(value, scope)
    if value.startswith("/"):
        return _under(value, scope.roots)
    inside = [root.root_id for root in scope.roots if rules.holds(clause.value, rules.folder_of_root(root))]
    return _any_of([_words_sql("folder", clause.value, scope.dialect), *_in_roots(inside)])


def _in_roots(root_ids: Sequence[int]) -> list[Condition]:
    """On ``files``: one of these roots; no condition for none, as PostgreSQL knows no empty list."""
    return [(f"root_id IN ({', '.join('?' * len(root_ids))})", [*root_ids])] if root_ids else []


def _folder_pattern(pattern: str, scope: Scope) -> Condition:
    conditions: list[Condition] = []
    for root in scope.roots:
        folder = rules.folder_of_root(root)
        if words.folder_fits(pattern, folder):
            conditions.append(("root_id = ?", [root.root_id]))
        else:
            sql, given = scope.dialect.folder_fits(rules.sql_text(pattern), rules.sql_text(folder))
            conditions.append((f"(root_id = ? AND {sql})", [root.root_id, *given]))
    return _any_of(conditions) if conditions else _NOTHING


def _under(folder: str, roots: Sequence[Root]) -> Condition:
    conditions: list[Condition] = []
    for root_id, beginning in rules.beginnings(folder, roots).items():
        if beginning:
            values = [root_id, len(beginning), beginning]
            conditions.append(("(root_id = ? AND substr(relative_path, 1, ?) = ?)", values))
        else:
            conditions.append(("root_id = ?", [root_id]))
    return _any_of(conditions) if conditions else _NOTHING


def _name(clause: Clause, scope: Scope) -> Condition:
    """A glob, or words that stand in the name one after the other, the last possibly unfinished."""
    single = [root for root in scope.roots if root.path.is_file()]
    if any(mark in clause.value for mark in "*?"):
        inside = [root.root_id for root in single if words.name_fits(clause.value, root.path.name)]
        found = scope.dialect.name_fits(clause.value)
    else:
        inside = [root.root_id for root in single if rules.holds(clause.value, root.path.name, unfinished=True)]
        found = _words_sql("name", clause.value, scope.dialect, unfinished=True)
    return _any_of([found, *((f"(relative_path = ? AND {sql})", [b"", *ids]) for sql, ids in _in_roots(inside))])


def _words_sql(column: str, text: str, dialect: Dialect, *, unfinished: bool = False) -> Condition:
    """The words of ``text`` one after the other, and its signs anywhere; a text without words is searched letter by
    letter, which reads every name."""
    phrase, signs = wordforms.phrase(text, unfinished=unfinished), rules.signs(text)
    parts: list[Condition] = []
    if phrase:
        parts.append(dialect.words_of_files(column, phrase))
    if signs:
        parts.append(dialect.signs_of_files(column, signs))
    if not parts:
        return _NOTHING
    return f"({' AND '.join(sql for sql, _ in parts)})", [value for _, given in parts for value in given]


def _compare(sql: str) -> Callable[[Clause, Scope], Condition]:
    return lambda clause, _: (sql, [clause.value])


def _between(column: str) -> Callable[[Clause, Scope], Condition]:
    return lambda clause, _: (f"{column} BETWEEN ? AND ?", list(clause.value))


def _year(clause: Clause, scope: Scope) -> Condition:
    return "(taken_at >= ? AND taken_at < ?)", [f"{clause.value[0]:04d}", f"{clause.value[1] + 1:04d}"]


def _camera(clause: Clause, scope: Scope) -> Condition:
    return scope.dialect.holds_text("camera", clause.value)


def _type(clause: Clause, scope: Scope) -> Condition:
    if clause.value == "RAW":
        return f"format NOT IN ({', '.join('?' * len(rules.PLAIN_FORMATS))})", list(rules.PLAIN_FORMATS)
    return "format = ?", [clause.value]


def _is(clause: Clause, scope: Scope) -> Condition:
    """A mark that a person gave, or a shape."""
    if marks.is_mark(clause):
        return marks.condition(clause.value)
    wide, high = "width > height * ?", "height > width * ?"  # a literal 1.05 is a decimal number for PostgreSQL
    sql = {"landscape": wide, "portrait": high, "square": f"NOT ({wide} OR {high})"}[clause.value]
    return sql, [rules.SQUARE] * sql.count("?")


def _has(clause: Clause, scope: Scope) -> Condition:
    if clause.value == "text":
        return scope.dialect.has_words(image_texts.INDEX), []
    return _FACTS[clause.value], []


def _before(clause: Clause, scope: Scope) -> Condition:
    """An image of which only the year is known is before that year's end, but not before one of its months."""
    return "(taken_at < ? AND substr(?, 1, length(taken_at)) <> taken_at)", [clause.value] * 2


def _tag(clause: Clause, scope: Scope) -> Condition:
    """A tag or a person; signs without words are compared letter by letter."""
    text = clause.value.removesuffix("*")
    phrase = wordforms.phrase(text, unfinished=text != clause.value)
    if phrase:
        return scope.dialect.words_of_images("word_search", f"tags : {phrase}")
    sql = "SELECT image_id FROM image_words WHERE kind IN ('tag', 'person') AND instr(text, ?) > 0"
    return f"image_id IN ({sql} AND {COUNTED_WORDS})", [text.strip()]


def _rating(clause: Clause, scope: Scope) -> Condition:
    return ("rating IS NULL", []) if clause.value == (0, 0) else ("rating BETWEEN ? AND ?", list(clause.value))


def _near_ids(connection: SqlConnection, value: tuple[float, float, float]) -> Int64:
    """By the haversine of the great circle, among those in the belt of latitude."""
    statement = (
        "SELECT image_id, latitude, longitude FROM images WHERE latitude BETWEEN ? AND ? AND longitude IS NOT NULL"
    )
    rows = connection.execute(statement, rules.belt(value)).fetchall()
    table = np.array([tuple(row) for row in rows], np.float64).reshape(-1, 3)
    ids: Int64 = table[rules.within(table[:, 1], table[:, 2], value), 0].astype(np.int64)
    return ids


_CONDITIONS: dict[str, Callable[[Clause, Scope], Condition]] = {
    "folder": _folder,
    "name": _name,
    "after": _compare("taken_at >= ?"),  # ISO 8601: a year or a month sorts before all of its days
    "before": _before,
    "year": _year,
    "camera": _camera,
    "type": _type,
    "width": _between("width"),
    "height": _between("height"),
    "is": _is,
    "album": lambda clause, scope: albums.condition(clause.value),
    "has": _has,
    "tag": _tag,
    "caption": lambda clause, scope: captions.condition(clause.value, scope.dialect),
    "text": lambda clause, scope: image_texts.condition(clause.value, scope.dialect),
    "rating": _rating,
}
