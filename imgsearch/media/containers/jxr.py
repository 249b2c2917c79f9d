"""The headers of JPEG XR (ITU-T T.832, Annex A): a TIFF-like directory before the codestream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from imgsearch.media.containers.header import Header, load_exif_from, stream_size
from imgsearch.media.containers.tiff.directories import DirectoryReader, as_tiff

_WIDTH, _HEIGHT, _PIXEL_FORMAT, _ICC, _XMP = 0xBC80, 0xBC81, 0xBC01, 0x8773, 0x02BC
_FAMILY = bytes.fromhex("24c3dd6f034efe4bb1853d77768dc9")
"""The pixel formats of the Windows Imaging Component, without their last byte."""

_GREY = frozenset((0x05, 0x08, 0x0B, 0x11, 0x13, 0x3E, 0x3F))
_CMYK = frozenset((0x1C, 0x1F, *range(0x2C, 0x30)))
_FIXED_POINT = frozenset((0x12, 0x13, 0x18, 0x1D, 0x1E, 0x3F, 0x40, 0x41))
_FLOATS = frozenset((0x11, 0x19, 0x1A, 0x1B, 0x3A, 0x3B, 0x3D, 0x3E, 0x42))
_PREMULTIPLIED = frozenset((0x10, 0x17, 0x1A))
_DEEP = frozenset((0x0B, 0x15, 0x16, 0x17))
_ALPHA = frozenset((0x0F, 0x10, 0x16, 0x17, 0x19, 0x1A, 0x3A))
_RGBA8, _PRGBA8 = bytes.fromhex("2dadc7f58d6add43a7a8a29935261ae9"), bytes.fromhex("3f9ca6e7f2434e4ba59cf0bfc7b3bb14")


@dataclass(frozen=True, slots=True)
class JxrFormat:
    """The format of the samples."""

    grey: bool = False
    cmyk: bool = False
    fixed_point: bool = False
    linear: bool = False  # floats hold linear light with sRGB's primaries (scRGB)
    premultiplied: bool = False
    alpha: bool = False
    depth: int = 8


def read_header(stream: BinaryIO) -> Header:
    """Raises ValueError if no directory gives a size."""
    exif = load_exif_from(as_tiff(stream))
    size = exif.get(_WIDTH), exif.get(_HEIGHT)
    if not all(isinstance(each, int) and 0 < each < 1 << 31 for each in size):
        raise ValueError("no directory")
    form = format_of(stream)
    header = Header(depth=form.depth, extent=(int(exif[_WIDTH]), int(exif[_HEIGHT])), has_alpha=form.alpha)
    header.space = "GRAY" if form.grey else "CMYK" if form.cmyk else "RGB"
    header.icc = _bytes(exif.get(_ICC), stream)
    header.xmp = _bytes(exif.get(_XMP), stream)
    header.exif = exif
    reader = DirectoryReader.of(as_tiff(stream))
    if form.linear or form.fixed_point or form.cmyk or reader is None or len(list(reader.chain())) != 1:
        header.maps, header.hidden = 1, ["further pictures and samples that are no whole numbers are not compared"]
    return header


def format_of(stream: BinaryIO) -> JxrFormat:
    """The format of the first image; 8-bit RGB if its number is unknown."""
    name = _bytes(load_exif_from(as_tiff(stream)).get(_PIXEL_FORMAT), stream)
    if name in (_RGBA8, _PRGBA8):
        return JxrFormat(alpha=True, premultiplied=name == _PRGBA8)
    number = name[15] if name[:15] == _FAMILY and len(name) == 16 else -1
    linear, fixed = number in _FLOATS, number in _FIXED_POINT
    return JxrFormat(
        grey=number in _GREY,
        cmyk=number in _CMYK,
        fixed_point=fixed,
        linear=linear,
        premultiplied=number in _PREMULTIPLIED,
        alpha=number in _ALPHA,
        depth=32 if linear or fixed else 16 if number in _DEEP else 8,
    )


def _bytes(value: object, stream: BinaryIO) -> bytes:
    if isinstance(value, tuple) and all(isinstance(each, int) and 0 <= each < 256 for each in value):
        value = bytes(value)
    return value if isinstance(value, bytes) and len(value) <= stream_size(stream) else b""
