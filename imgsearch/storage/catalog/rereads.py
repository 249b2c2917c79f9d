"""Images of the library that were read again: by a newer program, or because a sidecar gives another orientation.

An image keeps its id, its files and its words. If its pixels changed, it gets new vectors in a slot of their own, and
the former slot remains as a deleted image of no content until the next compaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import DECODE_RECIPE, FACTS_RECIPE, SIGNATURE_RECIPE, MediaFacts
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.catalog.sqlite_reads import chunks, marks

_NO_ORIENTATION = """coalesce(orientation_source, '') <> 'file'
    AND (orientation_source = 'sidecar' OR images.orientation = 1)"""
_TOLD = """coalesce((SELECT told.orientation FROM sidecar_facts AS told JOIN files USING (file_id)
    WHERE files.image_id = images.image_id AND told.orientation IS NOT NULL ORDER BY file_id LIMIT 1), 1)"""
# Images that sidecars turn, and images that were turned: few, and both found by an index.
_TURNED = f"""SELECT image_id, told FROM (
    SELECT image_id, images.orientation AS is_so, {_TOLD} AS told FROM images WHERE {_NO_ORIENTATION} AND image_id IN (
        SELECT image_id FROM images WHERE orientation_source = 'sidecar' UNION
        SELECT image_id FROM sidecar_facts JOIN files USING (file_id) WHERE sidecar_facts.orientation > 1)) AS turned
    WHERE is_so <> told ORDER BY image_id"""
_TOLD_OF = f"SELECT image_id, {_TOLD} FROM images WHERE image_id IN ({{marks}})"
_RENEW = """UPDATE images SET perceptual_hash = ?, width = ?, height = ?, format = ?, orientation = ?,
    orientation_source = ?, decode_recipe = ? WHERE image_id = ?"""
_SIGN = """INSERT INTO signatures (image_id, recipe, data) VALUES (?, ?, ?)
    ON CONFLICT (image_id) DO UPDATE SET recipe = excluded.recipe, data = excluded.data"""
_RETIRE = """INSERT INTO images (content_hash, slot, perceptual_hash, width, height, format, size_bytes, orientation,
    facts_recipe, decode_recipe) VALUES (?, ?, 0, 1, 1, '', 0, 1, ?, ?)"""
_DELETED = "INSERT INTO deletions SELECT image_id, ? FROM images WHERE slot = ?"


@dataclass(frozen=True, slots=True)
class Reread:
    """An image that was read again; ``vectors`` floating point [T, D], None if its pixels did not change."""

    image_id: int
    facts: MediaFacts
    signature: bytes
    vectors: NDArray[np.floating[Any]] | None = None


def turned_images(connection: SqlConnection) -> dict[int, int]:
    """Image id -> the orientation in its sidecars, for images that were read with another one and have none of their
    own."""
    return dict(connection.execute(_TURNED).fetchall())


def told_orientations(connection: SqlConnection, image_ids: Iterable[int]) -> dict[int, int]:
    """Image id -> the orientation in the first sidecar of its files, 1 if there is none."""
    found: dict[int, int] = {}
    for chunk in chunks(image_ids):
        found |= dict(connection.execute(_TOLD_OF.format(marks=marks(chunk)), chunk).fetchall())
    return found


def write_rereads(connection: SqlConnection, found: Sequence[Reread], slots: Mapping[int, int], now: str) -> None:
    """Write the images that were read again; ``slots`` are those of new vectors, by image id."""
    for each in found:
        facts = each.facts
        row = connection.execute("SELECT slot FROM images WHERE image_id = ?", (each.image_id,)).fetchone()
        if row is None:
            raise ValueError(f"the library has no image {each.image_id}")
        shape = facts.perceptual_hash, facts.width, facts.height, facts.format, facts.orientation
        shape = (_signed(shape[0]), *shape[1:])
        connection.execute(_RENEW, (*shape, facts.orientation_source, DECODE_RECIPE, each.image_id))
        if each.signature:
            signature = each.image_id, SIGNATURE_RECIPE, each.signature
            connection.execute(_SIGN, signature)
        if each.image_id in slots:
            _move(connection, each.image_id, row[0], slots[each.image_id], now)


def write_read_before(connection: SqlConnection, sources: Mapping[int, str | None]) -> None:
    """Mark these images as read by this program with the same result; ``sources``: where each orientation came from."""
    rows = [(DECODE_RECIPE, source, image_id) for image_id, source in sources.items()]
    connection.executemany("UPDATE images SET decode_recipe = ?, orientation_source = ? WHERE image_id = ?", rows)


def _move(connection: SqlConnection, image_id: int, old_slot: int, new_slot: int, now: str) -> None:
    connection.execute("UPDATE images SET slot = ? WHERE image_id = ?", (new_slot, image_id))
    for table in ("captions", "image_texts", "beside_slots"):  # of what the image looked like
        connection.execute(f"DELETE FROM {table} WHERE image_id = ?", (image_id,))
    retire_slot(connection, old_slot, now)


def retire_slot(connection: SqlConnection, slot: int, now: str) -> None:
    """Let a slot that no image uses any more belong to a deleted image of no content, until a compaction."""
    no_content = hashlib.sha256(b"imgsearch: what slot %d held" % slot).digest()
    connection.execute(_RETIRE, (no_content, slot, FACTS_RECIPE, DECODE_RECIPE))
    connection.execute(_DELETED, (now, slot))


def _signed(perceptual_hash: int) -> int:
    value = perceptual_hash & (2**64 - 1)
    return value - 2**64 if value >= 2**63 else value
