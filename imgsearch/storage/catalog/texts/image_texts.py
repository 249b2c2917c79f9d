"""What was read in images, and the index of its words. Plain SQL on the driver (sqlite_reads.py says why); everything
here runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from imgsearch import wordforms
from imgsearch.storage.catalog.dialects import Condition, Dialect, SqlConnection, dialect_of
from imgsearch.storage.catalog.sqlite_reads import chunks, marks

Box = tuple[float, float, float, float, float, float, float, float]
"""Four corners x, y of a turned rectangle, in fractions of the upright image's width and height, from the corner where
the text begins on its upper side, clockwise."""

_DIGITS = 5  # of a box: a tenth of a pixel of a picture that is 10,000 wide


@dataclass(frozen=True, slots=True)
class TextWord:
    """A word as it stands between spaces. ``confidence`` of the reader, 0 to 1."""

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line as the reader found it; of scripts without spaces it is one word."""

    text: str
    box: Box
    confidence: float
    words: tuple[TextWord, ...]


@dataclass(frozen=True, slots=True)
class StoredText:
    """What was read in one image, in the order of reading; no lines where it shows no text.

    ``engine`` names the reader, ``fingerprint`` all that decides what it reads. ``searched``: the same text in each
    order in which a phrase may be looked for; only given when it is written. ``made_at``: ISO 8601, UTC; "" before."""

    image_id: int
    lines: tuple[TextLine, ...]
    engine: str
    fingerprint: str
    searched: tuple[str, ...] = ()
    made_at: str = ""

    @property
    def words(self) -> tuple[TextWord, ...]:
        """All words, in the order of reading."""
        return tuple(word for line in self.lines for word in line.words)

    @property
    def text(self) -> str:
        """The lines, one below the other."""
        return "\n".join(line.text for line in self.lines)


_READ = "SELECT image_id, lines, engine, fingerprint, made_at FROM image_texts WHERE image_id IN ({marks})"
_WRITE = "INSERT INTO image_texts (image_id, lines, engine, fingerprint, made_at) VALUES (?, ?, ?, ?, ?)"
_WAITING = """SELECT image_id FROM images WHERE image_id NOT IN (SELECT image_id FROM deletions)
    AND image_id NOT IN (SELECT image_id FROM image_texts{like}) ORDER BY image_id"""
INDEX = "text_search"
"""The index of the words read, by image id; only of images in which there are any."""


def condition(value: str, dialect: Dialect) -> Condition:
    """SQL, and its values, for images in which the words of ``value`` were read one after the other; a ``*`` behind
    them leaves the last one unfinished."""
    text = value.removesuffix("*")
    phrase = wordforms.phrase(text, unfinished=text != value)
    return dialect.words_of_images(INDEX, f"text : {phrase}") if phrase else ("FALSE", [])


def text_matches(connection: SqlConnection, expression: str, most: int) -> list[int]:
    """Ids of images, at most ``most``, in which words were read that match an FTS5 expression: the best by BM25 first,
    in which short texts and rare words count for more. A deleted one may be among them."""
    return dialect_of(connection).best(connection, INDEX, expression, most)


def read_texts(connection: SqlConnection, image_ids: Iterable[int]) -> dict[int, StoredText]:
    """What was read in those images that were read."""
    found: dict[int, StoredText] = {}
    for chunk in chunks(int(image_id) for image_id in image_ids):
        for image_id, lines, engine, fingerprint, made_at in connection.execute(
            _READ.format(marks=marks(chunk)), chunk
        ):
            found[image_id] = StoredText(image_id, _unpacked(lines), engine, fingerprint, made_at=made_at)
    return found


def unread(connection: SqlConnection, fingerprint: str | None = None) -> list[int]:
    """Ids, ascending, of the live images that were never read; with a ``fingerprint`` also of those that another
    reader read."""
    values = [] if fingerprint is None else [fingerprint]
    like = "" if fingerprint is None else " WHERE fingerprint = ?"
    return [row[0] for row in connection.execute(_WAITING.format(like=like), values)]


def write_texts(connection: SqlConnection, texts: Sequence[StoredText], now: str) -> int:
    """Put these in place of what was there; images that are gone meanwhile are passed over. -> how many were
    written."""
    there: set[int] = set()
    for chunk in chunks(text.image_id for text in texts):
        rows = connection.execute(f"SELECT image_id FROM images WHERE image_id IN ({marks(chunk)})", chunk)
        there.update(row[0] for row in rows)
    for text in texts:
        if text.image_id not in there:
            continue
        # Not by INSERT OR REPLACE, whose deletions fire no triggers: the words read before would stay.
        connection.execute("DELETE FROM image_texts WHERE image_id = ?", (text.image_id,))
        connection.execute(_WRITE, (text.image_id, _packed(text.lines), text.engine, text.fingerprint, now))
        words = f" {wordforms.SEAM} ".join(wordforms.indexed(each) for each in text.searched or (text.text,))
        if words.strip(f" {wordforms.SEAM}"):
            dialect_of(connection).index_words(connection, INDEX, [(text.image_id, words)])
    return len(there)


def forget_texts(connection: SqlConnection, image_ids: Iterable[int]) -> int:
    """Take away what was read in these images. -> how many had been read."""
    removed = 0
    for chunk in chunks(int(image_id) for image_id in image_ids):
        removed += connection.execute(f"DELETE FROM image_texts WHERE image_id IN ({marks(chunk)})", chunk).rowcount
    return removed


def _packed(lines: Sequence[TextLine]) -> str:
    """[[text, box, confidence, [[text, box, confidence], ...]], ...] as JSON."""
    rows = [[*_row(line), [_row(word) for word in line.words]] for line in lines]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=True)


def _row(part: TextLine | TextWord) -> list[Any]:
    return [part.text, [round(float(value), _DIGITS) for value in part.box], round(float(part.confidence), 3)]


def _unpacked(text: str) -> tuple[TextLine, ...]:
    return tuple(
        TextLine(line, _box(box), confidence, tuple(TextWord(word, _box(at), sure) for word, at, sure in words))
        for line, box, confidence, words in json.loads(text)
    )


def _box(corners: list[float]) -> Box:
    return cast("Box", tuple(corners))
