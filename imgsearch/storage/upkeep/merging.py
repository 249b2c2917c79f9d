"""Copies the pictures of one library into another of the same model, with everything that reading and people gave them.

Not copied: what can be made again in little time (the search index, thumbnails), vectors of a second model, what dedup
keeps (evidence, decisions, the quarantine), events, and pictures that no file holds any more.

A copy that was killed can go on: all of it may be done twice, as long as what the library knew before is remembered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from imgsearch.records import FileFacts, ImageRecord, Word
from imgsearch.storage.batch import EmbeddedBatch, FilePlace
from imgsearch.storage.catalog import orm_reads as queries
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.catalog.facts import FileDate, SidecarFacts
from imgsearch.storage.catalog.texts import captions as caption_rows
from imgsearch.storage.catalog.texts import image_texts as text_rows
from imgsearch.storage.catalog.texts.captions import StoredCaption
from imgsearch.storage.catalog.texts.image_texts import StoredText
from imgsearch.storage.collecting import Collecting
from imgsearch.storage.reads.collected import kept_albums, kept_marks
from imgsearch.storage.store import Store
from imgsearch.storage.upkeep.carried_features import carry_features
from imgsearch.storage.view import View
from imgsearch.storage.writer import Writer

_CHUNK = 500  # images of a transaction
_FILES = """SELECT image_id, root_id, relative_path, size_bytes, mtime_ns, dated_at, dated_source, sidecars, file_id
    FROM files WHERE image_id IN ({marks}) ORDER BY root_id, relative_path"""
_OWN_WORDS = "SELECT image_id, kind, text, source FROM image_words WHERE file_id IS NULL AND image_id IN ({marks})"
_TOLD = """SELECT file_id, latitude, longitude, place_source, rating, rating_source, orientation FROM sidecar_facts
    WHERE file_id IN ({marks})"""
_TOLD_WORDS = "SELECT file_id, kind, text, source FROM image_words WHERE file_id IN ({marks}) ORDER BY word_id"
_RECIPES = "SELECT content_hash, facts_recipe, decode_recipe FROM images WHERE image_id IN ({marks})"
_SET_RECIPES = "UPDATE images SET facts_recipe = ?, decode_recipe = ? WHERE content_hash = ?"
_NEWEST = "SELECT coalesce(max(image_id), 0) FROM images"


@dataclass(frozen=True, slots=True)
class CopyStanding:
    """How far a copy has come: of the source, the images up to the id ``after`` are here with all that belongs to
    them; ``known`` is the highest id that an image had here before those that follow were begun."""

    after: int = 0
    known: int = -1  # nothing was begun


@dataclass(frozen=True, slots=True)
class _File:
    """A file row of the source, with the number of its root here."""

    place: FilePlace
    file_id: int
    sidecars: int


def copy_images(
    writer: Writer,
    source: Store,
    progress: Callable[[int], None] = lambda images: None,
    *,
    standing: CopyStanding = CopyStanding(),
    note: Callable[[CopyStanding], None] = lambda standing: None,
) -> tuple[int, int]:
    """Add every live image of ``source``, with its files, words, sidecars, caption and read text, its kept features,
    its failures, albums and marks; albums of one name become one. A content that is here already gets the files; what
    else is here stays. Of a file that both have with different contents, that of ``source`` counts. A read text is
    found in its own order of reading alone. ``note`` hears of the standing before every few hundred images; a copy
    that was killed goes on from the ``standing`` heard last, if the source is as it was. Returns how many images and
    files were there to be copied from there on. Raises ModelMismatch, StorageFull, SegmentDamaged."""
    writer.store.require_model(source.model)
    roots = {}
    for root in source.roots():
        roots[root.root_id] = writer.add_root(root.path).root_id
        if root.offline:
            writer.set_root_offline(roots[root.root_id], True)
    view, images, files = source.view(), 0, 0
    after, known, records = standing.after, standing.known, source.iter_images(standing.after)
    while chunk := list(islice(records, _CHUNK)):
        known = _newest(writer) if known < 0 else known
        note(CopyStanding(after, known))
        files += _copy_chunk(_Passage(writer, source, view, known), chunk, roots)
        carry_features(source, writer.store, chunk)
        after, known = chunk[-1].image_id, -1
        images += len(chunk)
        progress(len(chunk))
    _copy_others(writer, source, roots)
    return images, files


def _copy_others(writer: Writer, source: Store, roots: dict[int, int]) -> None:
    """Failures, albums and marks."""
    with writer.transaction() as transaction:
        for root_id, here in roots.items():
            failed = [replace(row, root_id=here) for row in source.failed_files(root_id).values()]
            placed = writer.store.files_at(here, [row.relative_path for row in failed])
            transaction.record_failures(row for row in failed if row.relative_path not in placed)
        transaction.commit()
    Collecting(writer.store).take_in(kept_albums(source), kept_marks(source))


def _newest(writer: Writer) -> int:
    with writer.catalog.look() as connection:
        return int(connection.execute(_NEWEST).fetchone()[0])


@dataclass(frozen=True, slots=True)
class _Passage:
    """Where a few images come from and go to. Of those that are here, only the ones up to the id ``known`` are old."""

    writer: Writer
    source: Store
    view: View
    known: int

    def held_before(self, records: Sequence[ImageRecord]) -> dict[str, int]:
        found = self.writer.store.known_contents(record.facts.content_hash for record in records)
        return {content: image_id for content, image_id in found.items() if image_id <= self.known}


def _copy_chunk(passage: _Passage, records: Sequence[ImageRecord], roots: dict[int, int]) -> int:
    writer, source, view = passage.writer, passage.source, passage.view
    ids = [record.image_id for record in records]
    with source.catalog.look() as connection:
        files = _files(connection, ids, roots)
        words = _words(connection, _OWN_WORDS, ids)
        sidecars = _sidecars(connection, files)
        captions = caption_rows.read_captions(connection, ids)
        texts = text_rows.read_texts(connection, ids)
        recipes = list(_rows(connection, _RECIPES, ids))
    found, signatures = source.signatures(np.array(ids, np.int64))
    copied = sum(map(len, files.values()))
    before = passage.held_before(records)
    held = [record for record in records if _new_places(writer, files, record, before.get(record.facts.content_hash))]
    if not held:
        return copied
    signed = {key: bytes(data) for key, has, data in zip(ids, found, signatures, strict=True) if has}
    batch = EmbeddedBatch(
        [record.facts for record in held],
        view.read(np.array([record.slot for record in held], np.int64)),
        [[file.place for file in files[record.image_id]] for record in held],
        [signed.get(record.image_id, b"") for record in held],
        [words.get(record.image_id, ()) for record in held],
    )
    hashes = [record.facts.content_hash for record in held]
    with writer.transaction() as transaction:
        transaction.add(batch)
        transaction.facts.sidecars += sidecars
        transaction.commit()
    here = writer.store.known_contents(hashes)
    fresh = {record.image_id: here[h] for record, h in zip(held, hashes, strict=True) if h not in before}
    _set_recipes(writer, recipes, {bytes.fromhex(h) for h in hashes if h not in before})
    _say(writer, fresh, captions, texts)
    return copied


def _say(
    writer: Writer, fresh: dict[int, int], captions: dict[int, StoredCaption], texts: dict[int, StoredText]
) -> None:
    """Give new images, by their ids there and here, their captions and what was read in them."""
    if captions:
        writer.write_captions([replace(row, image_id=fresh[key]) for key, row in captions.items() if key in fresh])
    if texts:
        writer.write_texts([replace(row, image_id=fresh[key]) for key, row in texts.items() if key in fresh])


def _new_places(writer: Writer, files: dict[int, list[_File]], record: ImageRecord, here: int | None) -> bool:
    """Drop the files that this library has already with the same content, unless a sidecar says more of them. Whether
    there are others."""
    held = files.get(record.image_id, [])
    if here is not None:
        for root_id in {file.place.root_id for file in held}:
            there = writer.store.files_at(root_id, [f.place.relative_path for f in held if f.place.root_id == root_id])
            same = {path for path, state in there.items() if state.image_id == here}
            held = [
                file
                for file in held
                if file.sidecars or file.place.root_id != root_id or file.place.relative_path not in same
            ]
        files[record.image_id] = held
    return bool(held)


def _set_recipes(writer: Writer, recipes: Sequence[tuple[bytes, int, int]], fresh: set[bytes]) -> None:
    """What an older program read is marked as such here too, so that `index` reads it again."""
    rows = [(facts, decode, bytes(digest)) for digest, facts, decode in recipes if bytes(digest) in fresh]
    with writer.catalog.write() as connection:
        queries.driver(connection).executemany(_SET_RECIPES, rows)


def _rows(connection: SqlConnection, statement: str, ids: Sequence[int]) -> Iterator[tuple]:  # type: ignore[type-arg]
    for chunk in lookups.chunks(ids):
        yield from connection.execute(statement.format(marks=lookups.marks(chunk)), chunk)


def _files(connection: SqlConnection, ids: Sequence[int], roots: dict[int, int]) -> dict[int, list[_File]]:
    found: dict[int, list[_File]] = {}
    for image_id, root_id, path, size, time_ns, dated_at, source, sidecars, file_id in _rows(connection, _FILES, ids):
        place = FilePlace(roots[root_id], os.fsdecode(path), size, time_ns, dated_at, source)
        found.setdefault(image_id, []).append(_File(place, file_id, sidecars))
    return found


def _words(connection: SqlConnection, statement: str, ids: Sequence[int]) -> dict[int, tuple[Word, ...]]:
    found: dict[int, tuple[Word, ...]] = {}
    for key, *word in _rows(connection, statement, ids):
        found[key] = (*found.get(key, ()), Word(*word))
    return found


def _sidecars(connection: SqlConnection, files: dict[int, list[_File]]) -> list[SidecarFacts]:
    """What sidecars said of these files."""
    told = {file.file_id: file for held in files.values() for file in held if file.sidecars}
    if not told:
        return []
    words = _words(connection, _TOLD_WORDS, list(told))
    facts = {row[0]: row[1:] for row in _rows(connection, _TOLD, list(told))}
    found = []
    for file_id, file in told.items():
        latitude, longitude, place_source, rating, rating_source, orientation = facts.get(file_id, (None,) * 6)
        place = file.place
        says = FileFacts(
            latitude=latitude,
            longitude=longitude,
            place_source=place_source,
            rating=rating,
            rating_source=rating_source,
            words=words.get(file_id, ()),
            orientation=orientation,
        )
        date = FileDate(place.root_id, place.relative_path, place.dated_at, place.dated_source)
        found.append(SidecarFacts(date, file.sidecars, says))
    return found
