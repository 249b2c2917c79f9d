"""A file's bytes -> the picture as a person sees it, at the size a model wants, and the facts about it.

Upright (EXIF), transparency on white, colours taken to sRGB, 16-bit and palette and first frame handled. The
limit is on the memory that decoding takes, told from the header before anything is decoded; a JPEG counts after
`draft` has shrunk it, so a phone's 200 megapixels are fine. A file that is cut off is refused: half a grey
picture would be found for the wrong words. Whatever the bytes, only MediaError is raised.
"""

from __future__ import annotations

import io
import os
from collections.abc import Set
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.colour import shrink, to_srgb
from imgsearch.media.containers.header import load_exif_from
from imgsearch.media.containers.tiff import Pages, main_page
from imgsearch.media.containers.tiff_directories import at_directory
from imgsearch.media.facts.content import content_facts
from imgsearch.media.facts.reading import FileFacts
from imgsearch.media.fingerprint import content_hash, hash_grey
from imgsearch.media.limits import LIMITS, JpegLayout, Limits, check_memory, read_jpeg_layout
from imgsearch.media.metadata import exif_of, orientation_of
from imgsearch.media.opening import decoding, open_image, readable_kind, translated
from imgsearch.media.orientation import turn_picture
from imgsearch.media.preprocess import resize_to_model
from imgsearch.media.raw import read_preview
from imgsearch.media.signature import luma_of, picture_signature
from imgsearch.media.sniff import HEAD_BYTES, Kind
from imgsearch.media.source import open_source, read_and_hash, read_known
from imgsearch.records import MediaFacts, UInt8, Word

_DNG_VERSION, _ROWS_PER_STRIP = 0xC612, 0x0116


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One picture, ready for the model."""

    pixels: UInt8  # uint8 [S, S, 3], sRGB, upright, squashed; [0, 0, 3] where none were asked for
    facts: MediaFacts
    mtime_ns: int = 0  # of the file as it was read; 0 for bytes without a file
    signature: bytes = b""  # see imgsearch.media.signature; empty where none was made
    words: tuple[Word, ...] = ()  # that people wrote into it


@dataclass(frozen=True, slots=True)
class KnownContent:
    """The file's bytes are already in the library: nothing was decoded."""

    content_hash: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class _Upright:
    """A picture as a person sees it (RGB, reduced), with its full size."""

    image: Image.Image
    width: int
    height: int
    format: str
    orientation: int  # as the file has it, 1-8


def decode_file(
    path: str | os.PathLike[str],
    size: int,
    *,
    limits: Limits = LIMITS,
    known_hashes: Set[str] = frozenset(),
    pixels: bool = True,
) -> DecodedImage | KnownContent:
    """Read a file once: hash it, and unless its content is among ``known_hashes``, decode it for a model of
    ``size`` pixels; without ``pixels`` only facts and signature are made. Raises MediaError."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        digest, stream = read_and_hash(source)
        if digest in known_hashes:
            return KnownContent(digest, source.size_bytes, source.mtime_ns)
        upright = _upright(stream, kind, source.name, source.size_bytes, (size, size), limits)
        facts = content_facts(stream, kind)
        return _finish(upright, facts, digest, source.size_bytes, size if pixels else 0, source.mtime_ns)


def decode_bytes(data: bytes, size: int, *, name: str = "", limits: Limits = LIMITS) -> DecodedImage:
    """The same for bytes at hand; ``name`` only helps to tell RAW files from TIFF. Raises MediaError."""
    with translated("open"):
        if not data:
            raise MediaError("the file is empty (0 bytes)", stage="open")
        kind = readable_kind(data[:HEAD_BYTES], name)
        upright = _upright(io.BytesIO(data), kind, name, len(data), (size, size), limits)
        return _finish(upright, content_facts(io.BytesIO(data), kind), content_hash(data), len(data), size, 0)


def open_upright(
    path: str | os.PathLike[str], max_side: int = 1024, *, limits: Limits = LIMITS, content_hash: str | None = None
) -> Image.Image:
    """The picture to look at: RGB in sRGB, upright, its aspect kept, within ``max_side`` pixels (never enlarged). With
    a ``content_hash`` the bytes that are decoded must have it. Raises MediaError, ContentChanged."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        stream = source.stream if content_hash is None else read_known(source, content_hash)
        stream.seek(0)
        side = (max_side, max_side)
        upright = _upright(stream, kind, source.name, source.size_bytes, side, limits)
        scale = min(1.0, max_side / max(upright.width, upright.height))
        wanted = max(1, round(upright.width * scale)), max(1, round(upright.height * scale))
        return upright.image.resize(wanted, Image.Resampling.BICUBIC)


def _finish(upright: _Upright, told: FileFacts, digest: str, size_bytes: int, size: int, mtime_ns: int) -> DecodedImage:
    signature = picture_signature(upright.image)
    grey = luma_of(np.frombuffer(signature, np.uint8)[None])[0]
    facts = MediaFacts(
        content_hash=digest,
        perceptual_hash=hash_grey(grey),
        width=upright.width,
        height=upright.height,
        format=upright.format,
        size_bytes=size_bytes,
        taken_at=told.taken,
        camera=told.camera,
        latitude=told.latitude,
        longitude=told.longitude,
        orientation=upright.orientation,
        taken_source=told.taken_source,
        place_source=told.place_source,
        rating=told.rating,
        rating_source=told.rating_source,
    )
    pixels = resize_to_model(upright.image, size) if size else np.empty((0, 0, 3), np.uint8)
    return DecodedImage(pixels, facts, mtime_ns, signature, told.words)


def _upright(
    stream: BinaryIO, kind: Kind, name: str, size_bytes: int, target: tuple[int, int], limits: Limits
) -> _Upright:
    """Decode to no less than twice ``target`` (width, height), where the file has that much."""
    if kind.format == "RAW":
        return _upright_raw(stream, name, target, limits)
    pages = main_page(stream) if kind.format == "TIFF" else None
    if pages is not None:
        stream = at_directory(stream, pages.main_page.offset)
    with open_image(stream, kind, size_bytes, limits) as image:
        if kind.format == "TIFF" and (_DNG_VERSION in getattr(image, "tag_v2", {}) or (pages and pages.raw)):
            return _upright_raw(stream, name or "x.dng", target, limits)
        full_size = image.size
        # A TIFF turns itself when loaded; elsewhere EXIF may follow the pixels (PNG) and is read after them.
        early = orientation_of(exif_of(image)) if kind.format == "TIFF" else 0
        _check(image, stream, kind, size_bytes, target, limits)
        with decoding(kind):
            image.load()
        if kind.format == "TIFF":  # it may have turned itself by an orientation that only its XMP tells
            full_size = image.size
        turn = orientation_of(exif_of(image))
        if pages is not None and not pages.main_page.has_orientation:
            early = turn = _first_orientation(stream, pages)
        small = turn_picture(to_srgb(shrink(image, target), image.info.get("icc_profile")), turn)
        original = _heif_orientation(image) if kind.format == "HEIF" else early or turn
    width, height = full_size[::-1] if turn >= 5 else full_size
    return _Upright(small, width, height, kind.format, original)


def _first_orientation(stream: BinaryIO, pages: Pages) -> int:
    """Of a main picture behind its thumbnail: cameras and scanners write it into the first directory."""
    return orientation_of(load_exif_from(at_directory(stream, pages.first.offset)))


def _check(
    image: Image.Image, stream: BinaryIO, kind: Kind, size_bytes: int, target: tuple[int, int], limits: Limits
) -> None:
    """Let a JPEG shrink itself while it is decoded, then see whether the picture fits the limits."""
    size, layout = image.size, JpegLayout()
    if kind.format == "JPEG":
        layout = read_jpeg_layout(stream)
        if size_bytes < layout.least_bytes:
            message = f"a JPEG picture that is cut off: {size_bytes} bytes cannot hold {size[0]} x {size[1]} pixels"
            raise MediaError(message, stage="open")
        image.draft(None, (2 * target[0], 2 * target[1]))
        size = image.size
    extra = layout.coefficient_bytes
    if kind.format == "TIFF":
        extra = _tiff_bytes(image)
    check_memory(kind.format, image.mode, size, size_bytes=size_bytes, extra_bytes=extra, limits=limits)


def _tiff_bytes(image: Image.Image) -> int:
    """What a TIFF takes beside its pixels: one strip or tile, and a second copy if Pillow turns it upright."""
    width, height = image.size
    rows = getattr(image, "tag_v2", {}).get(_ROWS_PER_STRIP, height)
    strip = 4 * width * (min(rows, height) if isinstance(rows, int) else height)
    return strip + (4 * width * height if orientation_of(exif_of(image)) > 1 else 0)


def _upright_raw(stream: BinaryIO, name: str, target: tuple[int, int], limits: Limits) -> _Upright:
    """The embedded preview stands for the picture; the RAW's own size and EXIF are its facts."""
    preview = read_preview(stream)
    kind = readable_kind(preview.data[:HEAD_BYTES], "")
    if kind.format == "RAW":
        raise MediaError("the preview inside the camera RAW file is no picture", stage="open")
    shown = _upright(io.BytesIO(preview.data), kind, "", len(preview.data), target, limits)
    image = shown.image
    if shown.orientation == 1 and preview.orientation != 1:  # the preview is as the sensor saw it
        image = turn_picture(image, preview.orientation)
    extension = os.path.splitext(name)[1].lstrip(".").upper()  # noqa: PTH122
    return _Upright(image, preview.width, preview.height, extension or "RAW", preview.orientation)


def _heif_orientation(image: Image.Image) -> int:
    value = image.info.get("original_orientation")
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
