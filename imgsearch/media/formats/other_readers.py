"""Files that Pillow 13 rounds, wraps or refuses: PNG of video levels, 16-bit PNG with a colour key or high dynamic
range, 12-bit JPEG, lossless JPEG, JPEG-LS, JPEG 2000 of more than 8 bits in colour, PAM and PFM."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.code_points import CodePoints
from imgsearch.media.colour.rows import Array, ArrayRows, PillowRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers import jpeg, plain
from imgsearch.media.containers.header import Header, load_exif, read_at
from imgsearch.media.containers.png_colour import PngColour
from imgsearch.media.formats.frames import Opened
from imgsearch.media.formats.frames import read_deep_png as read_png_samples
from imgsearch.media.limits import JpegLayout, check_bytes, check_memory
from imgsearch.media.metadata.exif import exif_of, orientation_of, own_orientation
from imgsearch.media.opening import decoding
from imgsearch.media.orientation import orient_array
from imgsearch.media.wanted import DecodeRequest

_VIDEO_LEVELS = 16.0, 235.0
_PAM_FIELD = re.compile(rb"(WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE)[ \t]+(\S+)")
_PFM_HEADER = re.compile(rb"(P[Ff])\s+(\d{1,9})\s+(\d{1,9})\s+(-?\d*\.?\d+(?:[eE][-+]?\d+)?)[ \t\r]*\n")


def imagecodecs_for(what: str) -> Any:
    """The module imagecodecs. Raises a transient MediaError if it is not installed."""
    try:
        import imagecodecs
    except ImportError as exc:
        message = f"not supported: {what} needs imagecodecs (pip install 'imgsearch[formats]')"
        raise MediaError(message, stage="open", transient=True) from exc
    return imagecodecs


def read_deep_png(wanted: DecodeRequest, told: PngColour, codes: CodePoints | None) -> tuple[DeepImage, int]:
    """A PNG at full depth, and its orientation."""
    is_deep = told.depth == 16
    black, white = (level * (256.0 if is_deep else 1.0) for level in _VIDEO_LEVELS)
    opened = Opened(wanted.stream, wanted.kind, wanted.size_bytes, Header(depth=told.depth), "", wanted.limits)
    with opened.open() as image:
        opened.check("RGBA", image.size, 4 * image.size[0] * image.size[1])
        with decoding(wanted.kind):
            if not is_deep:
                image.load()
            rows = (
                read_png_samples(image, opened).rows if is_deep else PillowRows(image, orientation_of(exif_of(image)))
            )
        icc = image.info.get("icc_profile") or b""
        orientation = own_orientation(exif_of(image))
        return DeepImage(
            rows, (black, white) if told.is_narrow else None, icc if codes is None else b"", codes
        ), orientation


def read_odd_jpeg(wanted: DecodeRequest, frame: JpegLayout) -> tuple[DeepImage, int]:
    """A 12-bit JPEG, a lossless one or JPEG-LS, and its orientation."""
    what = f"a JPEG picture of {frame.depth} bits" if not frame.is_lossless else "a lossless JPEG picture"
    codecs = imagecodecs_for(what)
    check_memory(
        "JPEG",
        "CMYK",
        frame.size,
        size_bytes=wanted.size_bytes,
        extra_bytes=_wide_bytes(frame.size),
        limits=wanted.limits,
    )
    segments = jpeg.read_segments(wanted.stream)
    data = read_all(wanted)
    with decoding(wanted.kind):
        if frame.is_ls:
            samples = codecs.jpegls_decode(data)
        elif frame.is_lossless:
            samples = codecs.ljpeg_decode(data)
        else:
            samples = codecs.jpeg8_decode(data)
    orientation = own_orientation(load_exif(segments.exif))
    highest = float((1 << frame.depth) - 1)
    return DeepImage(
        _rows(orient_array(np.asarray(samples), orientation)), (0.0, highest), segments.profile
    ), orientation


def is_deep(header: Header) -> bool:
    """Whether a JPEG 2000 has more than 8 bits in colour. Pillow reads deep grey ones correctly."""
    return header.depth > 8 and (header.space != "GRAY" or header.has_alpha)


def read_deep_jpeg2000(wanted: DecodeRequest, header: Header) -> DeepImage:
    """The samples as they are in the codestream."""
    codecs = imagecodecs_for(f"a JPEG 2000 picture of {header.depth} bits in colour")
    check_memory(
        "JPEG2000",
        "RGB",
        header.extent,
        size_bytes=wanted.size_bytes,
        extra_bytes=_wide_bytes(header.extent),
        limits=wanted.limits,
    )
    with decoding(wanted.kind):
        samples = np.asarray(codecs.jpeg2k_decode(read_all(wanted)))
    bits = plain.read_jpeg2000_bits(wanted.stream)
    return DeepImage(_rows(samples), (0.0, float((1 << bits) - 1)), header.icc)


def jpeg2000_header(wanted: DecodeRequest) -> Header:
    """The headers; empty if they cannot be read, which the decoder will report."""
    try:
        return plain.read_jpeg2000(wanted.stream)
    except (ValueError, IndexError):
        return Header()


def read_pam(wanted: DecodeRequest) -> DeepImage:
    """PAM (P7) of any depth, and PFM, whose floats begin with the bottom row."""
    head = read_at(wanted.stream, 0, 4096)
    return _read_pfm(wanted, head) if head[1:2] in b"Ff" else _read_pam(wanted, head)


def _read_pam(wanted: DecodeRequest, head: bytes) -> DeepImage:
    start = re.search(rb"\nENDHDR[ \t\r]*\n", head)
    fields = dict(_PAM_FIELD.findall(head[: start.start()] if start else b""))
    try:
        width, height, depth, highest = (int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    except (KeyError, ValueError):
        raise MediaError("the file begins like a PAM picture, but its header is damaged", stage="open") from None
    if start is None or not 0 < highest < 65536 or not 0 < depth <= 16:
        raise MediaError(f"not supported: a PAM picture of {depth} channels up to {highest}", stage="open")
    samples = _samples(wanted, start.end(), (height, width, depth), ">u2" if highest > 255 else ">u1")
    colours = 3 if depth >= 3 else 1
    has_alpha = depth in (2, 4)
    return DeepImage(ArrayRows(samples[..., : colours + has_alpha], colours=colours), (0.0, float(highest)))


def _read_pfm(wanted: DecodeRequest, head: bytes) -> DeepImage:
    match = _PFM_HEADER.match(head)
    if match is None:
        raise MediaError("the file begins like a PFM picture, but its header is damaged", stage="open")
    channels = 3 if match[1] == b"PF" else 1
    kind = "<f4" if match[4].startswith(b"-") else ">f4"
    samples = _samples(wanted, match.end(), (int(match[3]), int(match[2]), channels), kind)
    return DeepImage(ArrayRows(samples[::-1], colours=channels))


def _samples(wanted: DecodeRequest, start: int, shape: tuple[int, int, int], kind: str) -> Array:
    count = shape[0] * shape[1] * shape[2] * np.dtype(kind).itemsize
    if not count or count > wanted.size_bytes - start:
        held = f"{max(0, wanted.size_bytes - start)} bytes cannot hold {shape[1]} x {shape[0]} pixels"
        raise MediaError(f"{wanted.kind.description} that is cut off: {held}", stage="open")
    check_bytes(shape[1::-1], 2 * count, wanted.limits)
    wanted.stream.seek(start)
    return np.frombuffer(wanted.stream.read(count), kind).reshape(shape)


def read_all(wanted: DecodeRequest) -> bytes:
    """All bytes of the file."""
    wanted.stream.seek(0, io.SEEK_SET)
    return wanted.stream.read()


def _rows(samples: Array) -> ArrayRows:
    samples = samples if samples.ndim == 3 else samples[..., None]
    colours = 3 if samples.shape[2] >= 3 else 1
    return ArrayRows(samples[..., : colours + (samples.shape[2] in (2, 4))], colours=colours)


def _wide_bytes(size: tuple[int, int]) -> int:
    return 8 * size[0] * size[1]
