"""Writes rows of new images, with their signatures and the words that people wrote into them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from imgsearch.records import DECODE_RECIPE, FACTS_RECIPE, SIGNATURE_BYTES, SIGNATURE_RECIPE, MediaFacts, Word
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog.dialects import dialect_of
from imgsearch.storage.catalog.facts import write_words

_SIGNED_AGAIN = "ON CONFLICT (image_id) DO UPDATE SET recipe = excluded.recipe, data = excluded.data"


class NewImage(NamedTuple):
    """A content whose vectors lie in ``slot``; ``signature`` is empty if none was made."""

    facts: MediaFacts
    slot: int
    signature: bytes
    words: tuple[Word, ...]


def insert_images(connection: Connection, added: list[NewImage]) -> dict[str, int]:
    """Content hash -> the new id of each."""
    if not added:
        return {}
    below = queries.driver(connection)
    first = dialect_of(below).take_image_ids(below, len(added))
    ids = {new.facts.content_hash: first + index for index, new in enumerate(added)}
    rows = [
        {
            "image_id": ids[facts.content_hash],
            "content_hash": queries.hash_bytes(facts.content_hash),
            "slot": slot,
            "perceptual_hash": _signed(facts.perceptual_hash),
            "width": facts.width,
            "height": facts.height,
            "format": stored_text(facts.format),
            "size_bytes": facts.size_bytes,
            "taken_at": None if facts.taken_at is None else stored_text(facts.taken_at),
            "camera": None if facts.camera is None else stored_text(facts.camera),
            "latitude": facts.latitude,
            "longitude": facts.longitude,
            "orientation": facts.orientation,
            "taken_source": facts.taken_source,
            "place_source": facts.place_source,
            "rating": facts.rating,
            "rating_source": facts.rating_source,
            "facts_recipe": FACTS_RECIPE,
            "decode_recipe": DECODE_RECIPE,
            "orientation_source": facts.orientation_source,
        }
        for facts, slot, _, _ in added
    ]
    queries.insert_rows(connection, "images", rows)
    write_signatures(connection, [(ids[new.facts.content_hash], new.signature) for new in added if new.signature])
    write_words(below, [(ids[new.facts.content_hash], None, word) for new in added for word in new.words])
    return ids


def write_signatures(connection: Connection, made: Iterable[tuple[int, bytes]]) -> None:
    """Set the signatures of images, by id, in this program's recipe; replaces existing ones. Raises ValueError for a
    signature of another length."""
    rows = []
    for image_id, data in made:
        if len(data) != SIGNATURE_BYTES:
            raise ValueError(f"got a signature of {len(data)} bytes, expected {SIGNATURE_BYTES}")
        rows.append({"image_id": image_id, "recipe": SIGNATURE_RECIPE, "data": data})
    if rows:
        queries.insert_rows(connection, "signatures", rows, tail=_SIGNED_AGAIN)


def stored_text(value: str) -> str:
    """Text without lone surrogates, which camera names and messages may hold and SQLite's UTF-8 cannot."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _signed(perceptual_hash: int) -> int:
    value = perceptual_hash & (2**64 - 1)
    return value - 2**64 if value >= 2**63 else value
