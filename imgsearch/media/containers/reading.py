"""Chooses the module that reads a format's headers."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from imgsearch.errors import MediaError
from imgsearch.media.containers import animated, jpeg, jxl, jxr, plain, png, psd, simple
from imgsearch.media.containers.header import Header
from imgsearch.media.containers.heif import images as heif
from imgsearch.media.containers.tiff import camera_raw
from imgsearch.media.containers.tiff import pages as tiff
from imgsearch.media.sniff import Kind


def _read_tiff(stream: BinaryIO) -> Header:
    header, _ = tiff.read_header(stream)
    return camera_raw.read_header(stream) if header.raw else header


_READERS: dict[str, Callable[[BinaryIO], Header]] = {
    "JPEG": jpeg.read_header,
    "PNG": png.read_header,
    "GIF": animated.read_gif,
    "WEBP": animated.read_webp,
    "TIFF": _read_tiff,
    "HEIF": heif.read_header,
    "AVIF": heif.read_header,
    "JPEG2000": plain.read_jpeg2000,
    "BMP": plain.read_bmp,
    "ICO": plain.read_ico,
    "PPM": plain.read_ppm,
    "QOI": plain.read_qoi,
    "RAW": camera_raw.read_header,
    "PSD": psd.read_header,
    "PCX": simple.read_pcx,
    "TGA": simple.read_tga,
    "SGI": simple.read_sgi,
    "SUN": simple.read_sun,
    "DIB": simple.read_dib,
    "PAM": simple.read_pam,
    "JXL": jxl.read_header,
    "JXR": jxr.read_header,
}
_MORE = "what these formats hold beside the picture is not compared"


def read_header(stream: BinaryIO, kind: Kind) -> Header:
    """A file's headers. Raises MediaError if they are damaged or truncated."""
    reader = _READERS.get(kind.format)
    if reader is None:  # there may be mipmaps, other sizes or planes that no module counts, so the file is not compared
        return Header(maps=1, hidden=[_MORE])
    try:
        return reader(stream)
    except (ValueError, IndexError) as exc:
        message = f"the file begins like {kind.description}, but is damaged or cut off ({exc})"
        raise MediaError(message, stage="open") from exc
