"""A decoded image's samples at full depth, read in bands, and a digest of their canonical form.

Equal samples get equal digests, whatever the container: fully opaque alpha is dropped, grey stored as RGB counts as
grey, palettes and single bits are expanded, and 16-bit samples that are promoted 8-bit samples (multiples of 257) count
as 8 bits. Colours under full transparency count as 0, because an encoder may drop them; if the whole image is
transparent, its colours count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from PIL import Image

from imgsearch.media.orientation import orient_image

_BAND_SAMPLES = 6_000_000  # samples converted at a time: 6 MB of 8 bits, and four times as much during the conversion
_PROMOTED = 257  # 8 bits -> 16 bits: 255 * 257 = 65535

Array = np.ndarray[Any, np.dtype[Any]]


class SampleRows(Protocol):
    """The upright samples of one image."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright."""

    @property
    def space(self) -> str:
        """ "RGB" (grey included), "CMYK", "LAB", or a longer name for samples that equal none of these."""

    def read(self, top: int, bottom: int) -> tuple[Array, Array | None]:
        """Colour [H, W, C] and alpha [H, W] of rows ``top`` to ``bottom``: uint8, uint16, int32 or float32. Alpha is
        None if the image has none."""


@dataclass(frozen=True, slots=True)
class ImageDigest:
    """One image: ``digest`` (sha256) of size, colour space and samples, the effective ``depth`` in bits, whether any
    sample is transparent, and whether there is any colour."""

    digest: bytes
    depth: int
    transparent: bool
    colour: bool


def digest_rows(rows: SampleRows, profile: str) -> ImageDigest:
    """Read the image twice: first to see which depth, alpha and colour it really uses, then for the digest. 12
    megapixels of RGB take 80 ms."""
    use = _use_of(rows)
    if not use.seen:
        use = _use_of(rows, bare=True)
    width, height = rows.size
    space = "L" if use.grey and rows.space == "RGB" else rows.space
    digest = hashlib.sha256(f"{space} {width} {height} {use.bits} {use.transparent} {profile}\n".encode())
    for colour, alpha in _bands(rows, bare=not use.seen):
        for part in (colour[..., :1] if space == "L" else colour, alpha if use.transparent else None):
            if part is not None:
                narrow = part // _PROMOTED if use.bits == 8 and part.dtype == np.uint16 else part
                kept = narrow.astype(np.uint8) if use.bits == 8 else narrow
                digest.update(np.ascontiguousarray(kept).tobytes())
    return ImageDigest(digest.digest(), use.bits, use.transparent, not use.grey)


@dataclass(slots=True)
class _Use:
    bits: int = 8
    grey: bool = True
    transparent: bool = False
    seen: bool = False


def _use_of(rows: SampleRows, bare: bool = False) -> _Use:
    """Which depth, alpha and colour the samples use. Reading stops as soon as no further row can change the result."""
    use = _Use()
    for colour, alpha in _bands(rows, bare):
        wide = colour.dtype.itemsize * 8
        if wide > 16 or (wide == 16 and use.bits == 8 and not (_is_promoted(colour) and _is_promoted(alpha))):
            use.bits = wide
        use.grey = use.grey and _is_grey(colour, rows.space)
        use.transparent = use.transparent or (alpha is not None and bool((alpha != np.iinfo(alpha.dtype).max).any()))
        use.seen = use.seen or alpha is None or bool(alpha.any())
        if use.bits == wide and not use.grey and (alpha is None or (use.transparent and use.seen)):
            break
    return use


def _bands(rows: SampleRows, bare: bool) -> Iterator[tuple[Array, Array | None]]:
    """Colour and alpha of each band. Unless ``bare``, colours under full transparency are 0."""
    width, height = rows.size
    step = max(1, _BAND_SAMPLES // max(1, 3 * width))
    for top in range(0, height, step):
        colour, alpha = rows.read(top, min(top + step, height))
        if not bare and alpha is not None and not alpha.all():
            colour = np.where(alpha[..., None] == 0, np.zeros(1, colour.dtype), colour)
        yield colour, alpha


def _is_promoted(samples: Array | None) -> bool:
    return samples is None or bool(((samples >> 8) == (samples & 255)).all())


def _is_grey(colour: Array, space: str) -> bool:
    channels = colour.shape[2]
    if space == "LAB":
        return bool((colour[..., 1:] == 128).all())
    return channels == 1 or all(
        bool((colour[..., 0] == colour[..., each]).all()) for each in range(1, min(channels, 3))
    )


@dataclass(frozen=True, slots=True)
class PillowRows:
    """A loaded Pillow image, turned by its EXIF ``orientation``. ``low`` holds the low bytes of 16-bit samples whose
    high bytes are in ``image``. ``key`` is the sample that a 16-bit PNG declares transparent. ``inverted`` samples
    count from white. ``apart`` is added to the name of the space, for samples that must not equal others ("12
    bits")."""

    image: Image.Image
    orientation: int = 1
    low: Image.Image | None = None
    key: tuple[int, ...] = ()
    inverted: bool = False
    apart: str = ""

    @property
    def size(self) -> tuple[int, int]:
        width, height = self.image.size
        return (height, width) if self.orientation >= 5 else (width, height)

    @property
    def space(self) -> str:
        mode = self.image.mode
        space = mode if mode in ("CMYK", "LAB", "I", "F") else "RGB"
        return f"{space} {self.apart}" if self.apart else space

    def read(self, top: int, bottom: int) -> tuple[Array, Array | None]:
        piece = self._piece(self.image, top, bottom)
        if self.low is not None:
            low = np.asarray(self._piece(self.low, top, bottom))
            colour, alpha = _split(np.asarray(piece).astype(np.uint16) << 8 | low, has_alpha=piece.mode != "CMYK")
        else:
            colour, alpha = samples_of(piece)
        if self.inverted:
            colour = np.iinfo(colour.dtype).max - colour if colour.dtype.kind == "u" else -colour
        if self.key:
            alpha = np.where((colour == np.array(self.key, colour.dtype)).all(axis=2), 0, 65535).astype(np.uint16)
        return colour, alpha

    def _piece(self, image: Image.Image, top: int, bottom: int) -> Image.Image:
        """Upright rows. They are cut out before they are turned, so there is no second copy of the image."""
        width, height = image.size
        box = {
            3: (0, height - bottom, width, height - top),
            4: (0, height - bottom, width, height - top),
            5: (top, 0, bottom, height),
            6: (top, 0, bottom, height),
            7: (width - bottom, 0, width - top, height),
            8: (width - bottom, 0, width - top, height),
        }.get(self.orientation, (0, top, width, bottom))
        return orient_image(image.crop(box), self.orientation)


@dataclass(frozen=True, slots=True)
class ArrayRows:
    """Upright samples [H, W] or [H, W, C]. Two channels are grey and alpha, four are RGB and alpha, unless ``colours``
    says how many are colour."""

    samples: Array
    space: str = "RGB"
    colours: int = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.samples.shape[1], self.samples.shape[0]

    def read(self, top: int, bottom: int) -> tuple[Array, Array | None]:
        band = self.samples[top:bottom]
        if self.colours:
            return band[..., : self.colours], band[..., self.colours] if band.shape[2] > self.colours else None
        return _split(band, has_alpha=self.space != "CMYK")


@dataclass(frozen=True, slots=True)
class GreyPairRows:
    """16-bit grey and alpha whose four bytes are the bands of an RGBA image."""

    image: Image.Image
    orientation: int = 1
    space: str = "RGB"

    @property
    def size(self) -> tuple[int, int]:
        return PillowRows(self.image, self.orientation).size

    def read(self, top: int, bottom: int) -> tuple[Array, Array | None]:
        colour, alpha = PillowRows(self.image, self.orientation).read(top, bottom)
        assert alpha is not None  # the mode is RGBA
        wide = colour.astype(np.uint16)
        return wide[..., :1] << 8 | wide[..., 1:2], wide[..., 2] << 8 | alpha


def samples_of(piece: Image.Image) -> tuple[Array, Array | None]:
    """Colour [H, W, C] and alpha [H, W] of a small Pillow image of any mode. Palettes and single bits are expanded."""
    mode = piece.mode
    if mode in ("F", "CMYK", "LAB"):
        return _split(np.asarray(piece), has_alpha=False)
    if mode == "I":
        return np.asarray(piece, np.int32)[..., None], None
    if mode.startswith("I;16"):
        return np.asarray(piece).astype(np.uint16)[..., None], None
    clear = piece.info.get("transparency") is not None
    if mode == "P":
        clear = clear or getattr(piece.palette, "mode", "RGB") != "RGB"
        return _split(np.asarray(piece.convert("RGBA" if clear else "RGB")))
    if mode in ("1", "L"):
        return _split(np.asarray(piece.convert("LA") if clear else piece.convert("L")))
    if mode in ("LA", "La"):
        return _split(np.asarray(piece.convert("LA")))
    if mode in ("RGBA", "RGBa", "PA") or (mode == "RGB" and clear):
        return _split(np.asarray(piece.convert("RGBA")))
    return _split(np.asarray(piece if mode == "RGB" else piece.convert("RGB")))


def _split(samples: Array, has_alpha: bool = True) -> tuple[Array, Array | None]:
    if samples.ndim == 2:
        return samples[..., None], None
    if has_alpha and samples.shape[2] in (2, 4):
        return samples[..., :-1], samples[..., -1]
    return samples, None
