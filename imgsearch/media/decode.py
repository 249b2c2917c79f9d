"""A file's bytes -> the image as a person sees it, at the size that a model wants, with the facts about it.

The image is upright (EXIF), on white where it is transparent, and in sRGB. 16-bit images, palettes and animations
(their first frame) are handled. Memory is limited: the need is computed from the header before anything is decoded. A
JPEG is counted at the size to which `draft` shrinks it, so a phone's 200 megapixels are fine. A truncated file is
refused, because half a grey image would be found for the wrong words. Whatever the bytes, only MediaError is raised.
"""

from __future__ import annotations

import io
import os
from collections.abc import Set
from dataclasses import replace

import numpy as np
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decoded import DecodedImage as DecodedImage
from imgsearch.media.decoded import KnownContent as KnownContent
from imgsearch.media.facts.content import content_facts
from imgsearch.media.fingerprint import content_hash, hash_grey
from imgsearch.media.limits import LIMITS, DecodeLimits
from imgsearch.media.opening import readable_kind, translated
from imgsearch.media.orientation import orient_image
from imgsearch.media.preprocess import resize_to_model
from imgsearch.media.signature import image_signature, luma_of
from imgsearch.media.sniff import HEAD_BYTES
from imgsearch.media.source import open_source, read_and_hash, read_known
from imgsearch.media.upright import read_upright
from imgsearch.media.wanted import DecodeRequest, Upright
from imgsearch.records import FileFacts, MediaFacts


def decode_file(
    path: str | os.PathLike[str],
    size: int,
    *,
    limits: DecodeLimits = LIMITS,
    known_hashes: Set[str] = frozenset(),
    pixels: bool = True,
    told: int = 0,
) -> DecodedImage | KnownContent:
    """Read a file once and hash it. Unless its content is among ``known_hashes``, decode it for a model of ``size`` x
    ``size`` pixels; without ``pixels`` only facts and signature are made. ``told`` is the orientation from a sidecar,
    used if the file has none of its own (0 for none). Raises MediaError."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        digest, stream = read_and_hash(source)
        if digest in known_hashes:
            return KnownContent(digest, source.size_bytes, source.mtime_ns)
        wanted = DecodeRequest(stream, kind, source.name, source.size_bytes, (size, size), limits)
        upright = read_upright(wanted)
        facts = content_facts(stream, kind)
        return _finish(upright, facts, digest, source.size_bytes, size if pixels else 0, source.mtime_ns, told)


def decode_bytes(data: bytes, size: int, *, name: str = "", limits: DecodeLimits = LIMITS) -> DecodedImage:
    """`decode_file` for bytes in memory. ``name`` only helps to tell RAW files from TIFF. Raises MediaError."""
    with translated("open"):
        if not data:
            raise MediaError("the file is empty (0 bytes)", stage="open")
        kind = readable_kind(data[:HEAD_BYTES], name)
        upright = read_upright(DecodeRequest(io.BytesIO(data), kind, name, len(data), (size, size), limits))
        return _finish(upright, content_facts(io.BytesIO(data), kind), content_hash(data), len(data), size, 0)


def open_upright(
    path: str | os.PathLike[str],
    max_side: int = 1024,
    *,
    limits: DecodeLimits = LIMITS,
    content_hash: str | None = None,
    told: int = 0,
) -> Image.Image:
    """The image for viewing: RGB in sRGB, upright, aspect ratio kept, at most ``max_side`` pixels a side, never
    enlarged. If a ``content_hash`` is given, exactly these bytes are decoded. ``told`` is used as in `decode_file`.
    Raises MediaError, and ContentChanged if the bytes are others."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        stream = source.stream if content_hash is None else read_known(source, content_hash)
        stream.seek(0)
        side = (max_side, max_side)
        wish = DecodeRequest(stream, kind, source.name, source.size_bytes, side, limits)
        upright = told_upright(read_upright(wish), told)
        scale = min(1.0, max_side / max(upright.width, upright.height))
        wanted = max(1, round(upright.width * scale)), max(1, round(upright.height * scale))
        if upright.image.size == wanted:  # Pillow would copy it
            return upright.image
        return upright.image.resize(wanted, Image.Resampling.BICUBIC)


def told_upright(found: Upright, told: int) -> Upright:
    """Turn an image by the orientation (1-8) that a sidecar gives. It counts only where the file itself has none, and
    this function alone decides that. Dedup does not call it, since it compares what the files themselves hold."""
    if found.orientation or not 2 <= told <= 8:
        return found
    width, height = (found.height, found.width) if told >= 5 else (found.width, found.height)
    return replace(found, image=orient_image(found.image, told), width=width, height=height, orientation=told)


def _finish(
    found: Upright, told: FileFacts, digest: str, size_bytes: int, size: int, mtime_ns: int, told_orientation: int = 0
) -> DecodedImage:
    """Hash and signature are computed from what the file itself holds, before any sidecar's orientation is applied."""
    upright = told_upright(found, told_orientation)
    signature = image_signature(found.image)
    grey = luma_of(np.frombuffer(signature, np.uint8)[None])[0]
    facts = MediaFacts(
        content_hash=digest,
        perceptual_hash=hash_grey(grey),
        width=upright.width,
        height=upright.height,
        format=upright.format,
        size_bytes=size_bytes,
        taken_at=told.taken_at,
        camera=told.camera,
        latitude=told.latitude,
        longitude=told.longitude,
        orientation=upright.orientation or 1,
        orientation_source="file" if found.orientation else "sidecar" if upright.orientation else None,
        taken_source=told.taken_source,
        place_source=told.place_source,
        rating=told.rating,
        rating_source=told.rating_source,
    )
    pixels = resize_to_model(upright.image, size) if size else np.empty((0, 0, 3), np.uint8)
    return DecodedImage(pixels, facts, mtime_ns, signature, told.words)
