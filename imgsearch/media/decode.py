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
    """Read a file once: hash it, and unless its content is among ``known_hashes``, decode it for a model of
    ``size`` pixels; without ``pixels`` only facts and signature are made. ``told``: the orientation that a sidecar
    tells, for a picture that has none of its own. Raises MediaError."""
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
    """The same for bytes at hand; ``name`` only helps to tell RAW files from TIFF. Raises MediaError."""
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
    """The picture to look at: RGB in sRGB, upright, its aspect kept, within ``max_side`` pixels (never enlarged). With
    a ``content_hash`` the bytes that are decoded must have it. ``told`` as in `decode_file`. Raises MediaError,
    ContentChanged."""
    with translated("read"), open_source(os.fspath(path), limits) as source:
        kind = readable_kind(source.head, source.name)
        stream = source.stream if content_hash is None else read_known(source, content_hash)
        stream.seek(0)
        side = (max_side, max_side)
        wish = DecodeRequest(stream, kind, source.name, source.size_bytes, side, limits)
        upright = told_upright(read_upright(wish), told)
        scale = min(1.0, max_side / max(upright.width, upright.height))
        wanted = max(1, round(upright.width * scale)), max(1, round(upright.height * scale))
        return upright.image.resize(wanted, Image.Resampling.BICUBIC)


def told_upright(found: Upright, told: int) -> Upright:
    """The picture as a sidecar's orientation (1-8) turns it, which counts only where the file has none: the one place
    that decides so. Dedup does not come here: it compares what the files hold."""
    if found.orientation or not 2 <= told <= 8:
        return found
    width, height = (found.height, found.width) if told >= 5 else (found.width, found.height)
    return replace(found, image=orient_image(found.image, told), width=width, height=height, orientation=told)


def _finish(
    found: Upright, told: FileFacts, digest: str, size_bytes: int, size: int, mtime_ns: int, told_orientation: int = 0
) -> DecodedImage:
    """Hash and signature are of what the file holds, whatever lies beside it."""
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
