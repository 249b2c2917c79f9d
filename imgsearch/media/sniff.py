"""What a file is, told from its first bytes (and, for camera RAW, its name)."""

from __future__ import annotations

import os.path
from dataclasses import dataclass

#: First bytes that `sniff` wants to see; more does no harm.
HEAD_BYTES = 4096

RAW_EXTENSIONS = frozenset(
    {
        ".3fr",
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dcr",
        ".dng",
        ".erf",
        ".fff",
        ".iiq",
        ".k25",
        ".kdc",
        ".mef",
        ".mos",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    }
)
IMAGE_EXTENSIONS = RAW_EXTENSIONS | frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".jif",
        ".pjpeg",
        ".pjp",
        ".mpo",
        ".png",
        ".apng",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".avif",
        ".avifs",
        ".heic",
        ".heif",
        ".heics",
        ".heifs",
        ".hif",
        ".jp2",
        ".j2k",
        ".j2c",
        ".jpc",
        ".jpx",
        ".jpf",
        ".pbm",
        ".pgm",
        ".ppm",
        ".pnm",
        ".qoi",
        ".ico",
    }
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the bytes are: ``format`` is Pillow's name ("RAW" for camera files), "" where we do not read it;
    ``description`` completes the sentence "the file is ..."."""

    format: str
    description: str


_PREFIXES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", Kind("JPEG", "a JPEG picture")),
    (b"\x89PNG\r\n\x1a\n", Kind("PNG", "a PNG picture")),
    (b"GIF87a", Kind("GIF", "a GIF picture")),
    (b"GIF89a", Kind("GIF", "a GIF picture")),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Kind("JPEG2000", "a JPEG 2000 picture")),
    (b"\xff\x4f\xff\x51", Kind("JPEG2000", "a JPEG 2000 picture")),
    (b"qoif", Kind("QOI", "a QOI picture")),
    (b"FUJIFILMCCD-RAW", Kind("RAW", "a camera RAW file")),
    (b"FOVb", Kind("RAW", "a camera RAW file")),
    (b"\x00MRM", Kind("RAW", "a camera RAW file")),
    (b"IIU\x00", Kind("RAW", "a camera RAW file")),
    (b"IIRO", Kind("RAW", "a camera RAW file")),
    (b"IIRS", Kind("RAW", "a camera RAW file")),
    (b"MMOR", Kind("RAW", "a camera RAW file")),
    (b"II\x1a\x00\x00\x00HEAPCCDR", Kind("RAW", "a camera RAW file")),
    (b"8BPS", Kind("", "a Photoshop document")),
    (b"\xff\x0a", Kind("", "a JPEG XL picture")),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", Kind("", "a JPEG XL picture")),
    (b"%PDF", Kind("", "a PDF document")),
    (b"%!PS", Kind("", "a PostScript document")),
    (b"\xc5\xd0\xd3\xc6", Kind("", "a PostScript document")),
    (b"PK\x03\x04", Kind("", "a ZIP archive or an office document")),
    (b"\x1f\x8b", Kind("", "a gzip archive")),
    (b"7z\xbc\xaf\x27\x1c", Kind("", "a 7-Zip archive")),
    (b"Rar!", Kind("", "a RAR archive")),
    (b"gimp xcf", Kind("", "a GIMP document")),
    (b"\x76\x2f\x31\x01", Kind("", "an OpenEXR picture")),
    (b"#?RADIANCE", Kind("", "a Radiance HDR picture")),
    (b"\x00\x05\x16\x07", Kind("", "a companion file that macOS writes, without a picture in it")),
    (b"\x1aE\xdf\xa3", Kind("", "a Matroska or WebM video")),
    (b"\x7fELF", Kind("", "a program")),
    (b"MZ", Kind("", "a Windows program")),
    (b"SQLite format 3", Kind("", "an SQLite database")),
    (b"OggS", Kind("", "an Ogg sound or video")),
    (b"ID3", Kind("", "an MP3 sound")),
)
_TEXT_BYTES = bytes([9, 10, 12, 13, 27, *range(32, 127)])
_BMP_HEADER_BYTES = (12, 16, 40, 52, 56, 64, 108, 124)
_TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"})


def sniff(head: bytes, name: str = "") -> Kind:
    """Tell what the bytes are; ``name`` only decides between TIFF and the RAW formats built on TIFF."""
    for prefix, kind in _PREFIXES:
        if head.startswith(prefix):
            return kind
    if head.startswith(_TIFF_MAGICS):
        raw = os.path.splitext(name)[1].lower() in RAW_EXTENSIONS or head[8:11] == b"CR\x02"  # noqa: PTH122
        return Kind("RAW", "a camera RAW file") if raw else Kind("TIFF", "a TIFF picture")
    if head[:4] == b"RIFF":
        webp = head[8:12] == b"WEBP"
        return Kind("WEBP", "a WebP picture") if webp else Kind("", "a RIFF sound or video")
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    return _sniff_weak(head)


def _sniff_brands(head: bytes) -> Kind:
    """The ISO container: the major brand, then the compatible ones."""
    stop = min(max(int.from_bytes(head[:4], "big"), 16), 512)
    major = head[8:12]
    brands = {major} | {head[at : at + 4] for at in range(16, stop, 4)}
    if major == b"crx ":
        return Kind("RAW", "a camera RAW file")
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return Kind("AVIF", "an AVIF picture")
    if brands & _HEIF_BRANDS:
        return Kind("HEIF", "an HEIC picture")
    if brands & _AVIF_BRANDS:
        return Kind("AVIF", "an AVIF picture")
    return Kind("", "a video")


def _sniff_weak(head: bytes) -> Kind:
    """Formats with a magic of two bytes or four, and text."""
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return Kind("BMP", "a BMP picture")
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in (b" ", b"\n", b"\r", b"\t", b"#"):
        return Kind("PPM", "a PPM picture")
    if head[:4] == b"\x00\x00\x01\x00" and head[4:6] != b"\x00\x00":
        return Kind("ICO", "an icon file")
    if head and not head.strip(b"\x00"):
        return Kind("", "nothing but zero bytes, as an interrupted copy or a damaged disk leaves it")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text):
        return Kind("", "an SVG drawing")
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in text[:512]:
        return Kind("", "a web page")
    if text.startswith(b"version https://git-lfs"):
        return Kind("", "a Git LFS pointer, not the picture itself (fetch it with: git lfs pull)")
    if b"\x00" not in head and len(head.translate(None, _TEXT_BYTES)) <= 0.05 * len(head):
        return Kind("", "a text file")
    return Kind("", "not a picture of any known format")
