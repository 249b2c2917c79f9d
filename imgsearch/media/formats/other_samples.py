"""Full-depth samples, for comparing whole files, of images that Pillow 13 reads wrongly, at less than their depth, or
not at all. The same readers show them (`upright`).

A reader gives samples only if it reads everything in the file: a single image, of integers of 8 or 16 bits or with a
declared range. Any other file is a copy only of files with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.profile import profile_name
from imgsearch.media.colour.rows import Array, PillowRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers import psd
from imgsearch.media.formats.bitmaps.bmp import read_odd_bmp
from imgsearch.media.formats.bitmaps.pcx import read_odd_pcx
from imgsearch.media.formats.frames import Frame, Opened
from imgsearch.media.formats.jpeg2000_sampling import read_sampling, read_shared_jpeg2000
from imgsearch.media.formats.jpeg_xl import read_jxl_samples
from imgsearch.media.formats.jpeg_xr import read_jxr
from imgsearch.media.formats.other_readers import is_deep, read_deep_jpeg2000, read_odd_jpeg, read_pam
from imgsearch.media.formats.photoshop import read_psd
from imgsearch.media.limits import read_jpeg_layout
from imgsearch.media.opening import open_image
from imgsearch.media.wanted import DecodeRequest

PLAIN = frozenset(("PCX", "TGA", "SGI", "SUN", "DIB"))
"""Formats of single 8-bit images that Pillow reads and no other reader reads completely."""

COMPARED = PLAIN | {"JXL", "JXR", "PSD", "PAM"}
"""Formats whose samples are read here only. Some files of other formats are read here, too."""

_FULL = 1 << 24  # more pixels a side than any image has


@dataclass(frozen=True, slots=True)
class _Canonical:
    """Samples of a deep image in the form of other containers: native byte order, white the largest value."""

    image: DeepImage
    highest: int
    apart: str

    @property
    def size(self) -> tuple[int, int]:
        return self.image.rows.size

    @property
    def space(self) -> str:
        space = self.image.rows.space + (" premultiplied" if self.image.premultiplied else "")
        return f"{space} {self.apart}" if self.apart else space

    def read(self, top: int, bottom: int) -> tuple[Array, Array | None]:
        """Colour and alpha of rows ``top`` to ``bottom``."""
        colour, alpha = self.image.rows.read(top, bottom)
        native = colour.dtype.newbyteorder("=")
        if self.image.inverted:
            colour = self.highest - colour
        return colour.astype(native), None if alpha is None else alpha.astype(native)


def read_other(file: Opened) -> Frame | None:
    """The only image of the file; None if the usual reader must read it. Raises MediaError."""
    if file.header.images != 1:
        return None
    wanted = DecodeRequest(file.stream, file.kind, "", file.size_bytes, (_FULL, _FULL), file.limits)
    reader = _READERS.get(file.kind.format)
    if reader is None:
        return None
    found = reader(wanted, file)
    return found if found is None or isinstance(found, Frame) else _canonical(found, file)


def _canonical(image: DeepImage, file: Opened) -> Frame:
    rows = image.rows
    kind = rows.read(0, 1)[0].dtype
    if kind.kind != "u" or kind.itemsize > 2 or image.codes is not None or image.span is None:
        return Frame(rows, file.profile, lost="samples that are no whole numbers of 8 or 16 bits")
    highest = round(image.span[1])
    apart = "" if highest == np.iinfo(kind).max else f"up to {highest}"
    if kind.itemsize == 1 and apart:
        return Frame(rows, file.profile, lost="samples of an unusual range")
    name = profile_name(image.icc, None, rows.space.split(" ")[0]) if image.icc else file.profile
    depth = highest.bit_length() if apart else 0
    return Frame(_Canonical(image, highest, apart), name, depth=depth)


def _by_pillow(wanted: DecodeRequest, file: Opened) -> Frame:
    """An image as Pillow reads it. Alpha counts only if the channel cannot be anything else."""
    with open_image(wanted.stream, wanted.kind, wanted.size_bytes, wanted.limits) as image:
        file.check("RGBA", image.size)
        image.load()
        wide = image.mode not in ("1", "L", "P", "RGB")
        deep = file.kind.format == "SGI" and file.header.depth > 8
        lost = "samples of more than 8 bits, or channels that may be no transparency" if wide or deep else ""
        return Frame(PillowRows(image), file.profile, lost=lost)


def _pcx(wanted: DecodeRequest, file: Opened) -> Frame | DeepImage:
    try:
        return _by_pillow(wanted, file)
    except (MediaError, OSError, ValueError, SyntaxError, EOFError):
        return read_odd_pcx(wanted)


def _bmp(wanted: DecodeRequest, file: Opened) -> Frame | DeepImage | None:
    """The samples as shown. Pillow uses an alpha that was never written, and ignores a 1-bit alpha."""
    if file.header.has_alpha:
        found = read_odd_bmp(wanted)
        return found if isinstance(found, DeepImage) else None
    if wanted.kind.format == "DIB":
        return _by_pillow(wanted, file)
    try:
        open_image(wanted.stream, wanted.kind, wanted.size_bytes, wanted.limits)
    except MediaError:
        found = read_odd_bmp(wanted)
        return found if isinstance(found, DeepImage) else None
    return None


def _jpeg(wanted: DecodeRequest, file: Opened) -> DeepImage | None:
    frame = read_jpeg_layout(wanted.stream)
    if frame.depth in (0, 8) and not frame.is_lossless:
        return None
    return read_odd_jpeg(wanted, frame)[0]


def _jpeg2000(wanted: DecodeRequest, file: Opened) -> DeepImage | None:
    sampling = read_sampling(wanted.stream)
    if sampling.is_shared:
        return read_shared_jpeg2000(wanted, file.header, sampling)
    return read_deep_jpeg2000(wanted, file.header) if is_deep(file.header) else None


def _psd(wanted: DecodeRequest, file: Opened) -> Frame | DeepImage:
    document = psd.read_document(wanted.stream)
    if document.mode not in (psd.GREY, psd.INDEXED, psd.RGB, psd.CMYK) or document.depth not in (8, 16):
        return Frame(read_psd(wanted).rows, file.profile, lost="a mode that other formats do not have")
    return read_psd(wanted)


_READERS: dict[str, Callable[[DecodeRequest, Opened], Frame | DeepImage | None]] = {
    **dict.fromkeys(PLAIN - {"PCX", "DIB"}, _by_pillow),
    "PCX": _pcx,
    "BMP": _bmp,
    "DIB": _bmp,
    "JPEG": _jpeg,
    "JPEG2000": _jpeg2000,
    "JXL": lambda wanted, file: read_jxl_samples(wanted),
    "JXR": lambda wanted, file: read_jxr(wanted)[0],
    "PSD": _psd,
    "PAM": lambda wanted, file: read_pam(wanted),
}
