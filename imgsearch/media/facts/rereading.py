"""Finds the images that this version reads differently from an older one, by their headers alone: 0.1 to 2 ms a file.

An image named here is decoded again once, and embedded again only if it then differs (`indexer.rereading`). An ordinary
JPEG, WebP or GIF is never named. The reasons are short texts for people and appear in the summary of a run.
"""

from __future__ import annotations

from typing import BinaryIO

from imgsearch.media.containers.header import Header
from imgsearch.media.containers.heif.shape import read_primary
from imgsearch.media.containers.png_colour import read_png_colour
from imgsearch.media.containers.reading import read_header
from imgsearch.media.containers.tiff.pages import main_directory
from imgsearch.media.facts.answers import Check, Former
from imgsearch.media.formats.tiff.deep import pillow_is_right
from imgsearch.media.metadata.exif import own_orientation
from imgsearch.media.metadata.xmp import parse_xmp
from imgsearch.media.opening import quiet
from imgsearch.media.sniff import Kind

COLOURS, DEEP, CROP = "colours by code points", "deep or unusual samples", "cut to a part"
MAIN, TURNED, RAW = "their main picture is not the first", "their orientation", "camera RAW previews that are turned"
CLEAR = "their transparency"
_AS_SRGB = ({0, 1, 2}, {0, 1, 2, 6, 13, 14, 15})  # primaries and transfers that viewers show unchanged


def check_reading(stream: BinaryIO, kind: Kind, former: Former) -> Check:
    """Whether the image must be read again. Damaged headers mean no, and only MemoryError is raised."""
    try:
        with quiet():
            header = read_header(stream, kind)
            own = own_orientation(header.exif) or _xmp_orientation(header)
            return Check(_reason(stream, kind, header, own, former), bool(own) or former.orientation > 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  headers may be damaged in a hundred ways
        return Check("", former.orientation > 1)


def _reason(stream: BinaryIO, kind: Kind, header: Header, own: int, former: Former) -> str:
    if kind.format == "TIFF":
        return _of_tiff(stream, own, former)
    if kind.format == "PNG":
        return _of_png(stream) or (TURNED if own and own != former.orientation else "")
    if kind.format in ("HEIF", "AVIF"):
        return _of_iso(stream, kind, header, former)
    if kind.format == "RAW" or header.raw:
        return RAW if former.orientation > 1 else ""
    if kind.format == "BMP":
        return CLEAR if header.has_alpha else ""
    if kind.format in ("JPEG2000", "XBM") or (kind.format in ("PPM", "PSD") and header.depth > 8):
        return DEEP
    return TURNED if own and own != former.orientation else ""


def _of_tiff(stream: BinaryIO, own: int, former: Former) -> str:
    page, pages = main_directory(stream)
    if page is None:
        return ""
    if page.is_dng or (pages is not None and pages.raw):
        return RAW if former.orientation > 1 else ""
    if page.bits not in (1, 8) or not pillow_is_right(page):
        return DEEP
    if pages is not None and pages.first.offset != page.offset:
        return MAIN
    return TURNED if own and own != former.orientation else ""


def _of_png(stream: BinaryIO) -> str:
    told = read_png_colour(stream)
    coded = not (told.has_profile or told.is_srgb) and (told.gamma or told.chromaticities)
    if told.cicp is not None or coded:
        return COLOURS
    if told.depth == 16 or (told.is_grey and told.has_key and told.depth < 8):
        return DEEP
    return ""


def _of_iso(stream: BinaryIO, kind: Kind, header: Header, former: Former) -> str:
    if not header.icc and header.cicp is not None and not all(map(set.__contains__, _AS_SRGB, header.cicp)):
        return COLOURS
    if header.depth > 8:
        return DEEP
    found = read_primary(stream)
    if found is not None and found[1].property(b"clap"):
        return CROP
    if kind.format == "AVIF":  # older versions turned an AVIF by its EXIF and XMP, too
        return COLOURS if header.cicp is None and not header.icc else TURNED if former.orientation > 1 else ""
    return ""


def _xmp_orientation(header: Header) -> int:
    text = parse_xmp(header.xmp).first("tiff:Orientation") if header.xmp else ""
    return int(text) if text in set("12345678") else 0
