"""Frozen records that travel between rooms. numpy is the only foreign package here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

SIGNATURE_BYTES = 1536
"""Bytes of an image's signature (imgsearch.media.signature): 32 x 32 of lightness, twice 16 x 16 of colour."""

SIGNATURE_RECIPE = 1
"""How signatures are made. Raise it when a change alters their bytes: older ones are then made again."""


OWN_SOURCES = ("exif", "xmp", "iptc", "gps", "png")
"""Sources of a date or place in the content itself; an older library names none, and means EXIF."""

FILE_SOURCES = ("sidecar", "takeout", "name", "file")
"""Sources of a date of a file, the best first: an XMP file beside it, Google's notes beside it, its name, the time of
its last change."""

FACTS_RECIPE = 3
"""How facts are read. Raise it when a change finds more or other ones: `index` then reads older rows again."""

DECODE_RECIPE = 1
"""How pixels are read. Raise it when a change alters them, and list the affected files in
`imgsearch.media.facts.rereading`: `index` reads these again from older rows. 0: before there was such a number."""


class Word(NamedTuple):
    """A text that a person wrote about an image. ``kind``: "tag", "person", "title" or "caption"; ``source``: one of
    OWN_SOURCES, "comment", "sidecar" or "takeout"."""

    kind: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class ModelId:
    """The model that made a library's vectors; two libraries agree only if all of it is equal."""

    name: str  # as the user named it: "mini", "blip2-coco", "/models/blip2.pth"
    fingerprint: str  # sha256 over the weight files, hex
    recipe: str  # version of the decode + preprocess recipe, with the image size: "v1-112"
    dtype: str  # "float32", "bfloat16", "float16": what the model computed in
    query_tokens: int  # T
    dims: int  # D

    @property
    def image_size(self) -> int:
        """S, pixels a side that images are decoded to: the end of the recipe. 0 where that names none."""
        size = self.recipe.rpartition("-")[2]
        return int(size) if size.isdecimal() else 0


MODEL_FREE = "none"
"""Name and fingerprint of the model of a library that holds no vectors: it can find copies, but not be searched."""


def is_model_free(model: ModelId) -> bool:
    """Whether a library of ``model`` was made without one."""
    return model.fingerprint == MODEL_FREE


@dataclass(frozen=True, slots=True)
class Root:
    """A folder (or single file) that the library watches. ``path`` is its present place; the id never changes."""

    root_id: int
    path: Path
    offline: bool = False


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """The facts of one file's content from decoding. Sizes in pixels as a person sees them, after rotation."""

    content_hash: str  # sha256 of the bytes, hex
    perceptual_hash: int  # 64-bit pHash of the upright image
    width: int
    height: int
    format: str  # "JPEG", "PNG", "HEIF" ...
    size_bytes: int
    taken_at: str | None = None  # ISO 8601 as far as it is known, local time as the camera wrote it
    camera: str | None = None
    latitude: float | None = None  # degrees, north positive
    longitude: float | None = None  # degrees, east positive
    orientation: int = 1  # EXIF value, 1-8, of the file, or of its sidecar where the file has none
    taken_source: str | None = None  # one of OWN_SOURCES
    place_source: str | None = None  # the same; of an image in a library "sidecar" or "takeout" too
    rating: int | None = None  # 1 to 5 stars, -1 for a rejected picture
    rating_source: str | None = None
    orientation_source: str | None = None  # "file", "sidecar"; None if nothing says which side is up

    @property
    def told_orientation(self) -> int:
        """The orientation that a sidecar gives to images of this content; 0 for none."""
        return self.orientation if self.orientation_source == "sidecar" else 0

    @property
    def shown_key(self) -> str:
        """The key of the image's features and thumbnails in caches: its content, and its orientation by a sidecar."""
        return f"{self.content_hash}-o{told}" if (told := self.told_orientation) else self.content_hash


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts of an image from a file, or from what lies beside it; each source is one of those of `Word`."""

    taken_at: str | None = None  # ISO 8601 as far as it is known
    taken_source: str | None = None
    camera: str | None = None
    latitude: float | None = None  # degrees, north positive
    longitude: float | None = None  # degrees, east positive
    place_source: str | None = None
    rating: int | None = None  # 1 to 5 stars, -1 for a rejected picture
    rating_source: str | None = None
    words: tuple[Word, ...] = ()
    orientation: int | None = None  # EXIF's number, from a sidecar; decoding gives the file's own


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One row per distinct content."""

    image_id: int
    slot: int
    facts: MediaFacts
    dated_at: str | None = None  # when it was taken, by the content or else by one of its files
    dated_source: str | None = None  # one of OWN_SOURCES or of FILE_SOURCES


@dataclass(frozen=True, slots=True)
class Failure:
    """One file that could not be indexed."""

    path: str
    stage: str
    reason: str
    transient: bool
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class SlotRange:
    """``count`` consecutive slots from ``first``; a slot holds one image's T vectors."""

    first: int
    count: int

    @property
    def stop(self) -> int:
        return self.first + self.count


@dataclass(frozen=True, slots=True)
class Candidates:
    """Best images per query, best first. ``slots`` int64 [Q, k], -1 where fewer than k exist; ``scores``
    float32 [Q, k], the maximum inner product over the image's tokens, -inf where slot is -1."""

    slots: Int64
    scores: Float32


@dataclass(frozen=True, slots=True)
class Clause:
    """One filter, such as ``width:>2000``: its name, its value in the form of docs/search.md, and whether images that
    match it are unwanted."""

    name: str
    value: Any
    unwanted: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    """The conditions on images beside the description. Any of the wanted clauses of one name may hold, for the names
    in ``ANY``; all others must hold, and no unwanted one."""

    ANY: ClassVar[tuple[str, ...]] = ("folder", "name", "camera", "type", "is", "year")
    clauses: tuple[Clause, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses)


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. ``itc`` is the score of the first search: ITC for a description, the similarity for ``similar:``,
    their sum for ``like:``, 0 for filters alone. ``itm_logit`` and ``itm_probability`` are None for an image that was
    not re-ranked. ``score`` orders the re-ranked ones: ITC + ``itm_logit``, or P(wanted) (1 - P(unwanted)) if the query
    excludes something; None for others. ``confident`` says whether the image shows what was asked for, as far as the
    calibration can tell; None without one."""

    rank: int
    image_id: int
    path: Path
    itc: float
    itm_logit: float | None = None
    itm_probability: float | None = None
    confident: bool | None = None
    score: float | None = None
    words: str = ""  # that people wrote about it and that match the query: 'tag "beach"'


@dataclass(frozen=True, slots=True)
class Results:
    """Hits, best first, and where the time went (stage -> milliseconds). ``next_cursor`` asks for the page after this
    one, None where nothing follows; ``complete`` is False if a time budget cut the re-rank short. ``closest``: the best
    few of all where nothing matches with confidence; ``order``: what put the hits in their order; ``total``: how many
    there are on all pages together, None where that is known only at the last one."""

    query: str
    hits: tuple[Hit, ...]
    took_ms: dict[str, float] = field(default_factory=dict)
    reranked: int = 0
    notes: tuple[str, ...] = ()  # sentences for the person: "the query was cut after 50 words"
    next_cursor: str | None = None
    complete: bool = True
    closest: tuple[Hit, ...] = ()
    order: Literal["match", "likeness", "newest"] = "match"
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the catalog's ordered event table."""

    event_id: int
    at: str  # ISO 8601, UTC
    kind: str  # "run-started", "batch", "run-finished", "root-offline" ...
    data: dict[str, Any]
