"""What a picture file holds beyond its first picture: frames and pages, depth, transparency, colour space, film and
metadata. Told from the headers; `imgsearch.media.samples.digest` reads the pictures themselves.

Two files are copies only where all of this agrees, however alike their first pictures look.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, fields
from typing import Any, BinaryIO

from imgsearch.errors import MediaError
from imgsearch.media.containers.header import Header, read_at
from imgsearch.media.containers.reading import read_header
from imgsearch.media.facts.shot import shot_facts
from imgsearch.media.limits import LIMITS, DecodeLimits
from imgsearch.media.metadata.exif import exif_density
from imgsearch.media.opening import readable_kind, translated
from imgsearch.media.samples.digest import Samples, colour_space, read_samples, samples_of
from imgsearch.media.samples.other_data import other_data
from imgsearch.media.source import open_source, read_known

_USUAL_DENSITIES = (72, 96)

__all__ = ["FileTraits", "Samples", "describe_and_read", "describe_file", "read_samples"]


@dataclass(frozen=True, slots=True)
class FileTraits:
    """A file as its headers describe it."""

    images: int = 1
    """Pictures that a person can see: frames, pages, the pictures of a collection, of an MPO, of an icon. Thumbnails,
    masks, gain maps and depth maps are none."""
    main: int = 0
    """Which of them is the main one, in the order of the file."""
    depth: int = 8
    """Bits a sample of the main picture: 1, 2, 4, 8, 10, 12, 14, 16 or 32; a palette counts as 8."""
    has_alpha: bool = False
    """It has transparency, if only an opaque one."""
    profile: str = ""
    """Its colour space (`imgsearch.media.colour.profile`); "" for none, plain sRGB and grey of gamma 2.2."""
    lossless: bool | None = None
    """Whether the encoding keeps every sample; None where that cannot be told."""
    raw: bool = False
    """A camera RAW file."""
    film: bool = False
    """A film or a sound lies in the file: a motion photo."""
    maps: int = 0
    """Gain maps (HDR), depth maps and mattes beside the main picture."""
    map_digest: str = ""
    """sha256 of the bytes of these maps; "" if there are none, or where they lie is unknown."""
    uncompared: bool = False
    """It holds, or may hold, something that nothing here compares: layers, further pictures, channels."""
    other_data: dict[str, str] = field(default_factory=dict)
    """Digest -> what it is, in words: everything else in the file, such as a signed statement of its origin, data of
    programs, data appended behind the picture."""
    palette: str = ""
    """Digest of a PNG's palette, whose numbers may mean something (the classes of a mask); "" for none."""
    density: float = 0.0
    """Pixels an inch, which say how large it is printed; 0 if unknown, and for 72 and 96, which programs write without
    knowing it."""
    steps: int = 0
    """The sum of the 64 steps by which a JPEG's lightness is coarsened; 0 for other formats."""
    taken: str = ""
    """When it was taken: ISO 8601, sub-seconds and offset where the file has them; never a date of editing."""
    camera: str = ""
    """Make and model, and " #" and the body's serial number where it is there."""
    shot: dict[str, str] = field(default_factory=dict)
    """What identifies one exposure, each value in lowest terms: exposure_time, f_number, iso, exposure_bias,
    focal_length, white_balance, subject_distance, flash, light_source, image_number, gps_time, iptc_time, on_a_map;
    absent ones are left out."""
    told: frozenset[str] = frozenset()
    """Kinds of metadata that are there: date, camera, place, words, rating, people, panorama, history."""
    words: frozenset[str] = frozenset()
    """Digests of its titles, captions, tags and names of people, wherever they stand; without case."""
    rating: int = 0
    """Stars, -1 for rejected, 0 for none."""
    software: str = ""
    """The program that wrote it, as EXIF and XMP say."""
    document: str = ""
    """XMP's DocumentID, OriginalDocumentID and the document that DerivedFrom names; "" where absent."""
    original_document: str = ""
    derived_from: str = ""
    orientation: int = 1
    """EXIF's, 1 to 8."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, ``told`` and ``words`` as sorted lists."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return found | {
            "shot": dict(self.shot),
            "other_data": dict(self.other_data),
            "told": sorted(self.told),
            "words": sorted(self.words),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> FileTraits:
        """What `to_json` gave; names that this edition does not know are left out."""
        names = {each.name for each in fields(cls)}
        known = {name: value for name, value in stored.items() if name in names}
        sets = {name: frozenset(known.get(name, ())) for name in ("told", "words")}
        return cls(**known | sets | {name: dict(known.get(name, {})) for name in ("shot", "other_data")})


def describe_file(
    path: str | os.PathLike[str], *, content_hash: str | None = None, limits: DecodeLimits = LIMITS
) -> FileTraits:
    """Read a file's headers, decode nothing: 0.5 to 1 ms for a photograph, 10 ms for 10 MB of GIF. With a
    ``content_hash`` the whole file is read, and must have it. Raises MediaError, ContentChanged."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        stream = source.stream if content_hash is None else read_known(source, content_hash)
        return _traits(read_header(stream, kind), stream, kind.format)


def describe_and_read(
    path: str | os.PathLike[str], *, content_hash: str | None = None, limits: DecodeLimits = LIMITS
) -> tuple[FileTraits | None, Samples]:
    """`describe_file` and `read_samples` of one file that is opened once; no traits where they alone cannot be told.
    Raises as `read_samples` does."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        header, samples = samples_of(source, content_hash, limits)
        try:
            kind = readable_kind(source.head, source.name)
            return _traits(header, source.stream, kind.format), samples
        except MediaError:
            return None, samples


def _traits(header: Header, stream: BinaryIO, format_name: str) -> FileTraits:
    facts = shot_facts(header)
    return FileTraits(
        images=header.images,
        main=header.main,
        depth=header.depth,
        has_alpha=header.has_alpha,
        profile=colour_space(header, facts),
        lossless=header.lossless,
        raw=header.raw,
        film=header.film,
        maps=header.maps,
        map_digest=_map_digest(header, stream),
        uncompared=bool(header.hidden),
        other_data=other_data(stream, format_name, header),
        palette=hashlib.sha256(header.palette).hexdigest() if header.palette else "",
        density=_density(header),
        steps=header.steps,
        taken=facts.taken,
        camera=facts.camera,
        shot=facts.shot,
        told=facts.told,
        words=facts.words,
        rating=facts.rating,
        software=facts.software,
        document=facts.document,
        original_document=facts.original_document,
        derived_from=facts.derived_from,
        orientation=facts.orientation,
    )


def _map_digest(header: Header, stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    for part in header.map_parts:
        digest.update(read_at(stream, part.offset, part.length))
    return digest.hexdigest() if header.map_parts else ""


def _density(header: Header) -> float:
    for told in (exif_density(header.exif), header.density):
        if told and not any(abs(told - usual) < 1 for usual in _USUAL_DENSITIES):
            return round(told, 1)
    return 0.0
