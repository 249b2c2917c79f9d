"""The inputs and results of a write, as plain frozen records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import DECODE_RECIPE, MediaFacts, Root, SlotRange, Word


@dataclass(frozen=True, slots=True)
class FilePlace:
    """The place of a content. ``relative_path`` is text with surrogateescape, '/' between parts, '' for a
    single-file root. ``dated_at``: the date from the file's name or time; ``dated_source`` says from which (see
    `records.FILE_SOURCES`)."""

    root_id: int
    relative_path: str
    size_bytes: int
    mtime_ns: int
    dated_at: str | None = None
    dated_source: str | None = None


@dataclass(frozen=True)
class EmbeddedBatch:
    """B contents with their vectors. ``vectors``: floating point [B, T, D], finite. ``places``: the files of each
    content, at least one. ``signatures``: one a content, empty for a content without, or none at all; ``words``
    likewise."""

    facts: Sequence[MediaFacts]
    vectors: NDArray[np.floating[Any]]
    places: Sequence[Sequence[FilePlace]]
    signatures: Sequence[bytes] = ()
    words: Sequence[tuple[Word, ...]] = ()


@dataclass(frozen=True, slots=True)
class FailedFile:
    """One file that could not be indexed, by its place; see records.Failure for the fields."""

    root_id: int
    relative_path: str
    stage: str
    reason: str
    transient: bool
    size_bytes: int
    mtime_ns: int
    decode_recipe: int = DECODE_RECIPE


class FileState(NamedTuple):
    """One file row in the form that an incremental scan compares."""

    relative_path: str
    size_bytes: int
    mtime_ns: int
    image_id: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of one transaction: new images, placed files, and the slots of the new images."""

    images: int
    files: int
    slots: SlotRange | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A root that left the library, with its file rows and the images that no other file holds."""

    root: Root
    files: int
    images: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """The result of ``compact``; bytes are those of the folder ``segments``."""

    images_removed: int
    segments_rewritten: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class Repaired:
    """The result of ``repair``: the dropped images, whose vectors cannot be trusted, and their damaged batches."""

    images: int
    batches: int


@dataclass(frozen=True, slots=True)
class BatchInfo:
    """One batch row: ``count`` slots from ``first_slot``, with the crc32 of their bytes in the segment."""

    batch_id: int
    first_slot: int
    count: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of ``verify``: its kind, its subject, and the fault."""

    kind: str
    subject: str
    detail: str
