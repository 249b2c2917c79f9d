"""What a generator wrote about images, and the index of its words. Plain SQL on the driver (sqlite_reads.py says why);
everything here runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from imgsearch import wordforms
from imgsearch.storage.catalog.dialects import Condition, Dialect, SqlConnection, dialect_of
from imgsearch.storage.catalog.sqlite_reads import chunks, marks


@dataclass(frozen=True, slots=True)
class StoredCaption:
    """One image's caption. ``probability`` that it fits the image, by the library's own matching head; None where it
    was not checked. Of those that are not ``sure`` no search knows.

    ``generator`` is the name that it was loaded by, ``fingerprint`` that of its files, ``dtype`` such as "float32" or
    "bfloat16+int4"; ``settings`` all that decides the text beside the image and the prompt, as JSON with sorted names.
    ``made_at``: ISO 8601, UTC; "" before it is written."""

    image_id: int
    text: str
    probability: float | None
    sure: bool
    generator: str
    fingerprint: str
    dtype: str
    prompt: str
    settings: str
    made_at: str = ""


_MAKING = ("fingerprint", "dtype", "prompt", "settings")
_COLUMNS = tuple(field.name for field in fields(StoredCaption))
_WRITE = f"INSERT INTO captions ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_WAITING = """SELECT image_id FROM images WHERE image_id NOT IN (SELECT image_id FROM deletions)
    AND image_id NOT IN (SELECT image_id FROM captions{like}) ORDER BY image_id"""
_LIKE = f" WHERE {' AND '.join(f'{name} = ?' for name in _MAKING)}"


def condition(value: str, dialect: Dialect) -> Condition:
    """SQL, and its values, for images about which the words of ``value`` were written one after the other: by a
    generator that was sure, or by people as title or caption. A ``*`` behind them leaves the last one unfinished."""
    text = value.removesuffix("*")
    phrase = wordforms.phrase(text, unfinished=text != value)
    if not phrase:
        return "FALSE", []
    generated, values = dialect.words_of_images("caption_search", f"text : {phrase}")
    written, more = dialect.words_of_images("word_search", f"texts : {phrase}")
    return f"({generated} OR {written})", [*values, *more]


def read_captions(connection: SqlConnection, image_ids: Iterable[int]) -> dict[int, StoredCaption]:
    """The captions of those images that have one."""
    found: dict[int, StoredCaption] = {}
    for chunk in chunks(int(image_id) for image_id in image_ids):
        statement = f"SELECT {', '.join(_COLUMNS)} FROM captions WHERE image_id IN ({marks(chunk)})"
        for row in connection.execute(statement, chunk):
            image_id, text, probability, sure, *rest = row
            found[image_id] = StoredCaption(image_id, text, probability, bool(sure), *rest)
    return found


def caption_matches(connection: SqlConnection, expression: str, most: int) -> list[int]:
    """Ids of images, at most ``most``, whose sure captions match an FTS5 expression: the best by BM25 first. A deleted
    one may be among them."""
    return dialect_of(connection).best(connection, "caption_search", expression, most)


def uncaptioned(connection: SqlConnection, like: StoredCaption | None = None) -> list[int]:
    """Ids, ascending, of the live images without a caption; with ``like``, of those without one made like it."""
    values = [] if like is None else [getattr(like, name) for name in _MAKING]
    rows = connection.execute(_WAITING.format(like="" if like is None else _LIKE), values)
    return [row[0] for row in rows]


def write_captions(connection: SqlConnection, captions: Sequence[StoredCaption], now: str) -> int:
    """Put these in place of what was there; images that are gone meanwhile are passed over. -> how many were
    written."""
    there: set[int] = set()
    for chunk in chunks(caption.image_id for caption in captions):
        rows = connection.execute(f"SELECT image_id FROM images WHERE image_id IN ({marks(chunk)})", chunk)
        there.update(row[0] for row in rows)
    for caption in captions:
        if caption.image_id not in there:
            continue
        # Not by INSERT OR REPLACE, whose deletions fire no triggers: the words of the old caption would stay.
        connection.execute("DELETE FROM captions WHERE image_id = ?", (caption.image_id,))
        row = [getattr(caption, name) for name in _COLUMNS[:-1]]
        connection.execute(_WRITE, [*row, now])
        if caption.sure and caption.text:
            words = wordforms.indexed(caption.text)
            dialect_of(connection).index_words(connection, "caption_search", [(caption.image_id, words)])
    return len(there)


def forget_captions(connection: SqlConnection, image_ids: Iterable[int]) -> int:
    """Take the captions of these images away. -> how many there were."""
    removed = 0
    for chunk in chunks(int(image_id) for image_id in image_ids):
        removed += connection.execute(f"DELETE FROM captions WHERE image_id IN ({marks(chunk)})", chunk).rowcount
    return removed
