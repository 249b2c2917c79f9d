"""The samples of pictures that Pillow 13 reads wrongly, at less than their depth, or not at all, by the readers that
show them (`upright`): for the comparison of whole files.

A reader answers only for files of which it sees everything: a single picture, whole numbers of 8 or 16 bits or of a
range that is named. Anything else stays a copy of its own bytes alone.
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
"""Single pictures of 8 bits that Pillow reads, of formats that no other reader knows everything of."""

COMPARED = PLAIN | {"JXL", "JXR", "PSD", "PAM"}
"""Formats that are compared here alone; some files of others are too."""

_FULL = 1 << 24  # pixels a side that no picture has


@dataclass(frozen=True, slots=True)
class _Canonical:
    """Samples of a deep picture as other containers have them: in the machine's byte order, white the largest."""

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
        """Colour and alpha of these rows."""
        colour, alpha = self.image.rows.read(top, bottom)
        native = colour.dtype.newbyteorder("=")
        if self.image.inverted:
            colour = self.highest - colour
        return colour.astype(native), None if alpha is None else alpha.astype(native)


def read_other(file: Opened) -> Frame | None:
    """The only picture of the file; None where the usual reader has to read it. Raises MediaError."""
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
    """Alpha is believed only where it cannot be something else."""
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
    """As they are shown: Pillow believes a transparency that was never written, and forgets one of 1 bit."""
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
