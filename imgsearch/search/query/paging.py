"""Cursors, which say where the next page of an answer begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, replace

from imgsearch.errors import UsageError
from imgsearch.records import Float32
from imgsearch.search.query.description import Query


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The place after ``offset`` hits of the query with this ``digest``, in the library at ``generation``."""

    offset: int
    generation: int
    digest: str

    def encoded(self) -> str:
        """URL-safe text."""
        plain = json.dumps([self.offset, self.generation, self.digest], separators=(",", ":"))
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page begins. ``digest`` identifies the order of the answer, ``rerank_digest`` what is re-ranked; the
    latter is the same for a list that continues to the end. ``generation``: the library's at the previous page, None if
    there was none."""

    offset: int
    digest: str
    rerank_digest: str
    generation: int | None


def page_start(query: Query, image: Float32 | None = None) -> PageStart:
    """Read the query's cursor. Raises UsageError for one that is not ours or belongs to another query."""
    cursor = decoded(query, image)
    digest = query_digest(query, image)
    rerank_digest = query_digest(replace(query, everything=False), image) if query.everything else digest
    return PageStart(
        0 if cursor is None else cursor.offset, digest, rerank_digest, None if cursor is None else cursor.generation
    )


def image_key(image: Float32 | None) -> str:
    """A key for the tokens [T, D] of the image that comes with a query; "" for none."""
    return "" if image is None else hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()


def query_digest(query: Query, image: Float32 | None = None) -> str:
    """A digest of everything that decides the order of an answer: text, re-rank depth, whether it ends early, image."""
    parts = json.dumps([query.text, query.rerank, query.everything, image_key(image)])
    return hashlib.blake2b(parts.encode(), digest_size=6).hexdigest()


def decoded(query: Query, image: Float32 | None = None) -> PageCursor | None:
    """The cursor of ``query``, None if it has none. Raises UsageError for one that is not ours or belongs to another
    query."""
    if query.cursor is None:
        return None
    cursor = read_cursor(query.cursor)
    if cursor.digest != query_digest(query, image):
        raise UsageError("the cursor belongs to another query", _HINT)
    return cursor


_HINT = "leave the cursor out to begin with the first page"


def read_cursor(text: str) -> PageCursor:
    """The cursor that a text encodes, whatever it belongs to. Raises UsageError for one that is not ours."""
    try:
        padded = text + "=" * (-len(text) % 4)
        offset, generation, digest = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError) as exc:
        raise UsageError(f"got the cursor {text[:40]!r}, which no answer gave", _HINT) from exc
    if type(offset) is not int or type(generation) is not int or offset < 0 or not isinstance(digest, str):
        raise UsageError(f"got the cursor {text[:40]!r}, which no answer gave", _HINT)
    return PageCursor(offset, generation, digest)
