"""Facts of images that have several sources: the content itself, sidecars of its files, their names and times.

Facts of the content are written once. Facts of its files are written file by file, and `settle` uses them where the
content says nothing: a date, a place, a rating. It also makes the image's row of the full-text index of all words.
Plain SQL on the driver (sqlite_reads.py says why); everything here runs inside the caller's transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from imgsearch import wordforms
from imgsearch.records import DECODE_RECIPE, FACTS_RECIPE, FileFacts, Word
from imgsearch.storage.catalog.dialects import SqlConnection, dialect_of
from imgsearch.storage.catalog.rereads import write_read_before
from imgsearch.storage.catalog.sqlite_reads import chunks, conditions_at, marks

_RANK = "CASE dated_source WHEN 'sidecar' THEN 0 WHEN 'takeout' THEN 1 WHEN 'name' THEN 2 ELSE 3 END"
_OF_FILES = "('sidecar', 'takeout', 'name', 'file')"
_SETTLE_DATES = f"""UPDATE images SET (taken_at, taken_source) = (
    SELECT dated_at, dated_source FROM files WHERE files.image_id = images.image_id AND dated_at IS NOT NULL
    ORDER BY {_RANK}, dated_at LIMIT 1)
    WHERE image_id IN ({{marks}}) AND (taken_at IS NULL OR taken_source IN {_OF_FILES})"""
_SETTLE_PLACES = f"""UPDATE images SET (latitude, longitude, place_source) = (
    SELECT told.latitude, told.longitude, told.place_source FROM sidecar_facts AS told JOIN files USING (file_id)
    WHERE files.image_id = images.image_id AND told.latitude IS NOT NULL ORDER BY file_id LIMIT 1)
    WHERE image_id IN ({{marks}}) AND (latitude IS NULL OR place_source IN {_OF_FILES})"""
_SETTLE_RATINGS = f"""UPDATE images SET (rating, rating_source) = (
    SELECT told.rating, told.rating_source FROM sidecar_facts AS told JOIN files USING (file_id)
    WHERE files.image_id = images.image_id AND told.rating IS NOT NULL ORDER BY file_id LIMIT 1)
    WHERE image_id IN ({{marks}}) AND (rating IS NULL OR rating_source IN {_OF_FILES})"""
_WORDS = "INSERT INTO image_words (image_id, file_id, kind, text, source) VALUES (?, ?, ?, ?, ?)"
_RENEW = """UPDATE images SET taken_at = ?, taken_source = ?, camera = ?, latitude = ?, longitude = ?, place_source = ?,
    rating = ?, rating_source = ?, facts_recipe = ? WHERE image_id = ?"""
_SIDECAR = """INSERT INTO sidecar_facts (file_id, latitude, longitude, place_source, rating, rating_source, orientation)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
_TAGS = ("tag", "person")
COUNTED_WORDS = """(file_id IS NULL OR (kind = 'tag' AND source = 'takeout') OR NOT EXISTS (
    SELECT 1 FROM image_words AS own
    WHERE own.image_id = image_words.image_id AND own.file_id IS NULL AND own.kind = image_words.kind))"""
"""The rows of image_words that count: a sidecar's tags, people, titles and captions only where the content itself has
none of that kind. Google's mark of a favourite, which no content holds, counts always."""

Key = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class FileDate:
    """The date from a file's name or time, by its place."""

    root_id: int
    relative_path: str
    dated_at: str | None
    dated_source: str | None


@dataclass(frozen=True, slots=True)
class SidecarFacts:
    """The facts in a file's sidecars; ``digest`` of their names, sizes and times is 0 if none are left, and ``date`` is
    then the file's own."""

    date: FileDate
    digest: int
    facts: FileFacts


@dataclass(slots=True)
class FactWrites:
    """Facts that a transaction will write: of images by id, of files by place."""

    images: dict[int, FileFacts] = field(default_factory=dict)
    sidecars: list[SidecarFacts] = field(default_factory=list)
    dates: list[FileDate] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)  # ids of images whose headers can no longer be read
    read_before: dict[int, str | None] = field(default_factory=dict)  # see rereads.write_read_before

    def __bool__(self) -> bool:
        return bool(self.images or self.sidecars or self.dates or self.unreadable or self.read_before)

    def write(self, connection: SqlConnection) -> set[int]:
        """Writes them and returns the ids of the images that must now be settled."""
        touched = set(self.images)
        _renew_images(connection, self.images)
        connection.executemany(
            "UPDATE images SET facts_recipe = ? WHERE image_id = ?", ((FACTS_RECIPE, i) for i in self.unreadable)
        )
        write_read_before(connection, self.read_before)
        for told in self.sidecars:
            touched |= _place_sidecar(connection, told)
        rows = [(d.dated_at, d.dated_source, d.root_id, os.fsencode(d.relative_path)) for d in self.dates]
        connection.executemany(
            "UPDATE files SET dated_at = ?, dated_source = ? WHERE root_id = ? AND relative_path = ?", rows
        )
        keys = [(d.root_id, os.fsencode(d.relative_path)) for d in self.dates]
        return touched | images_at(connection, keys)


def images_at(connection: SqlConnection, places: Iterable[Key]) -> set[int]:
    """The images that these places hold now."""
    found: set[int] = set()
    for condition, values in conditions_at(places):
        found |= {row[0] for row in connection.execute(f"SELECT image_id FROM files WHERE {condition}", values)}
    return found


def settle(connection: SqlConnection, image_ids: Iterable[int]) -> None:
    """Update the dates, places and ratings of these images, and their words in the full-text index, from the content
    and its files. 20 microseconds an image."""
    ids = sorted(set(image_ids))
    has_sidecars = connection.execute("SELECT 1 FROM sidecar_facts LIMIT 1").fetchone() is not None
    for chunk in chunks(ids):
        statements = [_SETTLE_DATES]
        told = f"SELECT 1 FROM images WHERE image_id IN ({marks(chunk)}) AND place_source IN {_OF_FILES} "
        told += (
            f"UNION SELECT 1 FROM images WHERE image_id IN ({marks(chunk)}) AND rating_source IN {_OF_FILES} LIMIT 1"
        )
        if has_sidecars or connection.execute(told, chunk * 2).fetchone():
            statements += [_SETTLE_PLACES, _SETTLE_RATINGS]
        for statement in statements:
            connection.execute(statement.format(marks=marks(chunk)), chunk)
        _index_words(connection, chunk)


def write_words(connection: SqlConnection, rows: Iterable[tuple[int, int | None, Word]]) -> None:
    """Add words to images by id; words of a sidecar with the id of its file."""
    connection.executemany(
        _WORDS, ((image_id, file_id, word.kind, _text(word.text), word.source) for image_id, file_id, word in rows)
    )


def words_of_images(connection: SqlConnection, image_ids: Iterable[int]) -> dict[int, tuple[Word, ...]]:
    """The words of each image that has any, first those of the content, then those of its sidecars that count."""
    found: dict[int, list[Word]] = {}
    for image_id, kind, text, source in _word_rows(connection, image_ids):
        found.setdefault(image_id, []).append(Word(kind, text, source))
    return {image_id: tuple(dict.fromkeys(words)) for image_id, words in found.items()}


def stale_images(connection: SqlConnection) -> list[tuple[int, bool, bool]]:
    """(id, facts, pixels) of the images whose facts or pixels an older program read and that have a reachable file.
    Scans the images: 60 ms a million."""
    statement = """SELECT image_id, facts_recipe < ?, decode_recipe < ? FROM images
        WHERE (facts_recipe < ? OR decode_recipe < ?) AND EXISTS (
        SELECT 1 FROM files JOIN roots USING (root_id) WHERE files.image_id = images.image_id AND NOT offline)
        ORDER BY image_id"""
    rows = connection.execute(statement, (FACTS_RECIPE, DECODE_RECIPE) * 2)
    return [(image_id, bool(facts), bool(pixels)) for image_id, facts, pixels in rows]


def index_all_words(connection: SqlConnection) -> None:
    """Fill an empty index of the words that people wrote."""
    ids = [row[0] for row in connection.execute("SELECT DISTINCT image_id FROM image_words ORDER BY image_id")]
    for chunk in chunks(ids):
        _index_words(connection, chunk)


def _renew_images(connection: SqlConnection, found: Mapping[int, FileFacts]) -> None:
    rows = [
        (
            *(facts.taken_at, facts.taken_source, None if facts.camera is None else _text(facts.camera)),
            *(facts.latitude, facts.longitude, facts.place_source, facts.rating, facts.rating_source),
            *(FACTS_RECIPE, image_id),
        )
        for image_id, facts in found.items()
    ]
    connection.executemany(_RENEW, rows)
    connection.executemany(
        "DELETE FROM image_words WHERE image_id = ? AND file_id IS NULL", ((image_id,) for image_id in found)
    )
    write_words(connection, ((image_id, None, word) for image_id, facts in found.items() for word in facts.words))


def _place_sidecar(connection: SqlConnection, told: SidecarFacts) -> set[int]:
    date, facts = told.date, told.facts
    key = (date.root_id, os.fsencode(date.relative_path))
    row = connection.execute(
        "SELECT file_id, image_id FROM files WHERE root_id = ? AND relative_path = ?", key
    ).fetchone()
    if row is None:
        return set()
    file_id, image_id = row
    for table in ("sidecar_facts", "image_words"):
        connection.execute(f"DELETE FROM {table} WHERE file_id = ?", (file_id,))
    connection.execute(
        "UPDATE files SET dated_at = ?, dated_source = ?, sidecars = ? WHERE file_id = ?",
        (date.dated_at, date.dated_source, told.digest, file_id),
    )
    if any(each is not None for each in (facts.latitude, facts.rating, facts.orientation)):
        place = facts.latitude, facts.longitude, facts.place_source
        connection.execute(_SIDECAR, (file_id, *place, facts.rating, facts.rating_source, facts.orientation))
    write_words(connection, ((image_id, file_id, word) for word in facts.words))
    return {image_id}


def _index_words(connection: SqlConnection, image_ids: Sequence[int]) -> None:
    dialect = dialect_of(connection)
    dialect.unindex_words(connection, "word_search", image_ids)
    columns: dict[int, tuple[list[str], list[str]]] = {}
    for image_id, kind, text, _ in _word_rows(connection, image_ids):
        columns.setdefault(image_id, ([], []))[kind not in _TAGS].append(wordforms.indexed(text))
    seam = f" {wordforms.SEAM} "
    rows = [(image_id, seam.join(tags), seam.join(texts)) for image_id, (tags, texts) in columns.items()]
    if rows:
        dialect.index_words(connection, "word_search", rows)


def _word_rows(connection: SqlConnection, image_ids: Iterable[int]) -> Iterator[tuple[int, str, str, str]]:
    for chunk in chunks(int(i) for i in image_ids):
        yield from connection.execute(
            f"""SELECT image_id, kind, text, source FROM image_words
            WHERE image_id IN ({marks(chunk)}) AND {COUNTED_WORDS} ORDER BY image_id, file_id IS NOT NULL, word_id""",
            chunk,
        ).fetchall()


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
