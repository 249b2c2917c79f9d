"""Which pictures the filters leave, asked of the catalog in SQL."""

from __future__ import annotations

import contextlib
import math
import os
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.records import Clause, Filters, Int64, Root

_EARTH_KM = 6371.0088  # mean radius, IUGG
_DEGREE_KM = _EARTH_KM * math.pi / 180
_SQUARE = 1.05  # longer side over shorter: up to here a picture counts as square
_FETCH = 65_536
_OF_FILE = ("folder", "name")  # filters about a place; all others are about the content
PLAIN_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "HEIF", "ICO", "JPEG2000", "PPM", "QOI")
"""`MediaFacts.format` of all that is not camera RAW, whose files bear the name of their kind: "CR2", "NEF" ..."""
Condition = tuple[str, list[Any]]  # SQL with ?, and what stands for them


def matching_image_ids(connection: sqlite3.Connection, filters: Filters, roots: Sequence[Root]) -> Int64:
    """Ids, ascending, of the pictures that have a file and fit. What a clause wants of a file must hold of one and the
    same file; an unwanted clause rejects a picture if it holds of any of its files. A picture without a date, a place
    or a camera fits no clause about it. Cost: a scan of the images, and of the files for a name with ``*`` or ``?``."""
    where, values = ["image_id NOT IN (SELECT image_id FROM deletions)"], []
    for group in _groups(filters):
        if group[0].name == "near" or _of_file(group):
            continue
        sql, given = _any_of([_CONDITIONS[clause.name](clause, roots) for clause in group])
        if group[0].unwanted:
            of_file = group[0].name in _OF_FILE
            sql = f"image_id NOT IN (SELECT image_id FROM files WHERE {sql})" if of_file else f"({sql}) IS NOT 1"
        where.append(sql)
        values += given
    file_sql, file_values = file_condition(connection, filters, roots)
    if file_sql != "1":
        where.append(f"image_id IN (SELECT image_id FROM files WHERE {file_sql})")
        values += file_values
    found = _ids(connection, " AND ".join(where), values)
    for clause in filters.clauses:
        if clause.name == "near":
            inside = np.isin(found, _near_ids(connection, clause.value))
            found = found[~inside if clause.unwanted else inside]
    return found


def file_condition(connection: sqlite3.Connection, filters: Filters, roots: Sequence[Root]) -> Condition:
    """What the wanted clauses ask of one and the same row of ``files``; "1" where they ask nothing. The connection
    learns the function that it may need."""
    if any(clause.name == "name" for clause in filters.clauses):
        connection.create_function("imgsearch_glob", 2, glob_matches, deterministic=True)
    parts, values = [], []
    for group in filter(_of_file, _groups(filters)):
        sql, given = _any_of([_CONDITIONS[clause.name](clause, roots) for clause in group])
        parts.append(sql)
        values += given
    return " AND ".join(parts) or "1", values


def _of_file(group: Sequence[Clause]) -> bool:
    return group[0].name in _OF_FILE and not group[0].unwanted


def _groups(filters: Filters) -> list[list[Clause]]:
    """Clauses of which any may hold stand together."""
    groups: list[list[Clause]] = []
    together: dict[str, list[Clause]] = {}
    for clause in filters.clauses:
        if clause.name in Filters.ANY and not clause.unwanted:
            if clause.name not in together:
                together[clause.name] = []
                groups.append(together[clause.name])
            together[clause.name].append(clause)
        else:
            groups.append([clause])
    return groups


def _any_of(conditions: Sequence[Condition]) -> Condition:
    return f"({' OR '.join(sql for sql, _ in conditions)})", [value for _, given in conditions for value in given]


def _ids(connection: sqlite3.Connection, where: str, values: list[Any]) -> Int64:
    statement = f"SELECT image_id FROM images WHERE {where} ORDER BY image_id"
    cursor = connection.execute(statement, values)
    pages = [np.empty(0, np.int64)]
    while rows := cursor.fetchmany(_FETCH):
        pages.append(np.array(rows, dtype=np.int64)[:, 0])
    return np.concatenate(pages)


def _folder(clause: Clause, roots: Sequence[Root]) -> Condition:
    """Under an absolute path; else words of the folders' names, those that lead to the root too."""
    with contextlib.suppress(RuntimeError):  # ~somebody who does not exist
        path = Path(clause.value).expanduser()
        if path.is_absolute():
            return _under(Path(os.path.normpath(path)), roots)
    words = _phrase(clause.value)
    inside = [root.root_id for root in roots if _holds(words, _folder_of_root(root))]
    sql, given = _words_sql("folder", words)
    return f"({sql} OR root_id IN ({', '.join('?' * len(inside))}))", [*given, *inside]


def _folder_of_root(root: Root) -> str:
    return str(root.path.parent if root.path.is_file() else root.path)


def _under(folder: Path, roots: Sequence[Root]) -> Condition:
    conditions: list[Condition] = []
    for root in roots:
        if root.path.is_relative_to(folder):
            conditions.append(("root_id = ?", [root.root_id]))
        elif folder.is_relative_to(root.path):
            prefix = os.fsencode(str(folder.relative_to(root.path))) + b"/"
            conditions.append(
                ("(root_id = ? AND substr(relative_path, 1, ?) = ?)", [root.root_id, len(prefix), prefix])
            )
    return _any_of(conditions) if conditions else ("0", [])


def _name(clause: Clause, roots: Sequence[Root]) -> Condition:
    """A glob, or words that stand in the name one after the other, the last perhaps unfinished."""
    single = [root for root in roots if root.path.is_file()]
    if any(mark in clause.value for mark in "*?"):
        pattern = _glob(clause.value)
        inside = [root.root_id for root in single if pattern.fullmatch(_folded(root.path.name))]
        path = "CAST(relative_path AS TEXT)"
        name = f"CAST(substr({path}, length(rtrim({path}, replace({path}, '/', ''))) + 1) AS BLOB)"
        sql, given = f"imgsearch_glob(?, {name})", [clause.value]
    else:
        words = _phrase(clause.value)
        inside = [root.root_id for root in single if _holds(words, root.path.name, unfinished=True)]
        sql, given = _words_sql("name", words, unfinished=True)
    return f"({sql} OR (relative_path = x'' AND root_id IN ({', '.join('?' * len(inside))})))", [*given, *inside]


def _words_sql(column: str, words: list[str], *, unfinished: bool = False) -> Condition:
    if not words:
        return "0", []
    phrase = f'{column} : "{" ".join(words)}"{" *" if unfinished else ""}'
    return "file_id IN (SELECT rowid FROM file_words WHERE file_words MATCH ?)", [phrase]


def _folded(text: str) -> str:
    """Lower-case, without accents, as FTS5's unicode61 tokenizer compares."""
    plain = unicodedata.normalize("NFKD", text).lower()
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def _phrase(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", _folded(text))


def _holds(words: list[str], text: str, *, unfinished: bool = False) -> bool:
    """Whether ``words`` stand in ``text`` one after the other."""
    found = _phrase(text)
    for start in range(len(found) - len(words) + 1):
        part = found[start : start + len(words)]
        if part == words or (unfinished and part[:-1] == words[:-1] and part[-1].startswith(words[-1])):
            return bool(words)
    return False


@lru_cache(16)
def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` as shells read them; all else is itself."""
    marks = {"*": ".*", "?": "."}
    return re.compile("".join(marks.get(letter) or re.escape(letter) for letter in _folded(pattern)), re.DOTALL)


def glob_matches(pattern: str, name: bytes) -> bool:
    """SQL's ``imgsearch_glob``: a file name of the catalog fits the pattern, whatever its case and accents."""
    return _glob(pattern).fullmatch(_folded(name.decode("utf-8", "replace"))) is not None


def _compare(sql: str) -> Callable[[Clause, Sequence[Root]], Condition]:
    return lambda clause, _: (sql, [clause.value])


def _between(column: str) -> Callable[[Clause, Sequence[Root]], Condition]:
    return lambda clause, _: (f"{column} BETWEEN ? AND ?", list(clause.value))


def _year(clause: Clause, roots: Sequence[Root]) -> Condition:
    return "(taken_at >= ? AND taken_at < ?)", [f"{clause.value[0]:04d}", f"{clause.value[1] + 1:04d}"]


def _camera(clause: Clause, roots: Sequence[Root]) -> Condition:
    escaped = re.sub(r"([\\%_])", r"\\\1", clause.value)
    return r"camera LIKE ? ESCAPE '\'", [f"%{escaped}%"]


def _type(clause: Clause, roots: Sequence[Root]) -> Condition:
    if clause.value == "RAW":
        return f"format NOT IN ({', '.join('?' * len(PLAIN_FORMATS))})", list(PLAIN_FORMATS)
    return "format = ?", [clause.value]


def _shape(clause: Clause, roots: Sequence[Root]) -> Condition:
    wide, high = f"width > height * {_SQUARE}", f"height > width * {_SQUARE}"
    return {"landscape": wide, "portrait": high, "square": f"NOT ({wide} OR {high})"}[clause.value], []


def _has(clause: Clause, roots: Sequence[Root]) -> Condition:
    columns = {"gps": "latitude IS NOT NULL AND longitude IS NOT NULL", "date": "taken_at IS NOT NULL"}
    return columns.get(clause.value, "camera IS NOT NULL"), []


def _near_ids(connection: sqlite3.Connection, value: tuple[float, float, float]) -> Int64:
    """By the haversine of the great circle, among those in the belt of latitude."""
    north, east, kilometres = value
    belt = kilometres / _DEGREE_KM
    statement = (
        "SELECT image_id, latitude, longitude FROM images WHERE latitude BETWEEN ? AND ? AND longitude IS NOT NULL"
    )
    rows = connection.execute(statement, (north - belt, north + belt)).fetchall()
    table = np.array([tuple(row) for row in rows], np.float64).reshape(-1, 3)
    lat, lon = np.radians(table[:, 1]), np.radians(table[:, 2])
    half = np.sin((lat - math.radians(north)) / 2) ** 2
    half += np.cos(lat) * math.cos(math.radians(north)) * np.sin((lon - math.radians(east)) / 2) ** 2
    distance = 2 * _EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    ids: Int64 = table[distance <= kilometres, 0].astype(np.int64)
    return ids


_CONDITIONS: dict[str, Callable[[Clause, Sequence[Root]], Condition]] = {
    "folder": _folder,
    "name": _name,
    "after": _compare("taken_at >= ?"),  # ISO 8601: a year or a month sorts before all of its days
    "before": _compare("taken_at < ?"),
    "year": _year,
    "camera": _camera,
    "type": _type,
    "width": _between("width"),
    "height": _between("height"),
    "is": _shape,
    "has": _has,
}
