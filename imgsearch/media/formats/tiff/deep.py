"""TIFF images that Pillow reads wrongly or not at all, through tifffile: packed bits, floats, 32 bits, separate
channels, 16 bits that count from white, codecs of science and medicine.

tifffile (BSD-3) is 3 MB of Python, imported in 40 ms when the first such file is met. Codecs other than raw, Deflate
and PackBits need imagecodecs (80 MB, the extra `formats`).
"""

from __future__ import annotations

import logging
import re
from typing import Any, BinaryIO

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.ranges import Span
from imgsearch.media.colour.rows import Array, ArrayRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers.tiff.directories import Directory, at_directory
from imgsearch.media.formats.tiff.assembled import is_packed, read_packed, read_ycbcr
from imgsearch.media.limits import DecodeLimits, check_memory
from imgsearch.media.orientation import orient_array

# Codecs in every Pillow 13: raw, CCITT, LZW, JPEG, Deflate, PackBits, ZSTD. Others (LZMA, WebP) depend on the build.
_PILLOW_CODECS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000})
_JPEGS = (6, 7)
_LIBTIFF_ALONE = (32809, 34676, 34677)  # ThunderScan, SGI's logarithmic light
_YCBCR_CODECS = (*_JPEGS, 33003, 33005, 34712, 34892, 50001, 50002)  # these codecs give RGB
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _SEPARATED, _YCBCR = range(7)
_CIE_LAB, _ICC_LAB, _ITU_LAB = 8, 9, 10
_SPACES = {_SEPARATED: "CMYK", _CIE_LAB: "LAB", _ICC_LAB: "LAB", _ITU_LAB: "LAB"}
_MIN_SAMPLE, _MAX_SAMPLE, _LOWEST, _HIGHEST = 280, 281, 340, 341
_PALETTE_TAG = 320
_PREMULTIPLIED, _ALPHAS = 1, (1, 2, 999)


def pillow_is_right(page: Directory) -> bool:
    """Whether Pillow 13 reads such a page correctly. Found with 700 files of all kinds written by tifffile."""
    bits, kind = page.bits, page.photometric
    if page.compression not in _PILLOW_CODECS or page.sample_format not in (1, 4) or page.has_range:
        return False
    if page.compression in _JPEGS and bits == 8:
        return True
    if bits == 8:
        return kind in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED) or (
            kind == _CIE_LAB and not page.planar
        )
    if kind == _PALETTE:
        return bits in (1, 2, 4)
    if bits == 16:
        return not page.planar and kind in (_BLACK_IS_ZERO, _RGB, _SEPARATED) and page.samples in (1, 3, 4)
    return kind in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and bits in (1, 2, 4) and page.samples == 1


def read_deep_tiff(
    stream: BinaryIO, page: Directory, orientation: int, size_bytes: int, limits: DecodeLimits
) -> DeepImage:
    """The upright image of one directory. Raises MediaError: TooMuchMemory, a transient one if imagecodecs is not
    installed, or one for a file that tifffile cannot read either."""
    width, height = page.size
    sample_bytes = max(1, -(-page.bits // 8)) * max(1, page.samples)
    _check_strips(page, size_bytes)
    # Twice the size: strips are decoded into the whole image, and turning it makes a copy.
    check_memory(
        "TIFF",
        "L",
        (width, height),
        size_bytes=size_bytes,
        extra_bytes=2 * width * height * sample_bytes,
        limits=limits,
    )
    if page.compression in _LIBTIFF_ALONE and _has_imagecodecs():
        return _by_libtiff(at_directory(stream, page.offset))
    samples, tags = _read(at_directory(stream, page.offset))
    return _image(_channels_last(samples, page), page, tags, orientation)


def _by_libtiff(stream: BinaryIO) -> DeepImage:
    """The image as libtiff shows it in 8 bits. Quarter turns are not applied, but such files never have them."""
    import imagecodecs

    samples = np.asarray(imagecodecs.tiff_decode(stream.read(), asrgb=True))
    return DeepImage(ArrayRows(samples[..., :3], colours=3), (0.0, 255.0))


def _check_strips(page: Directory, size_bytes: int) -> None:
    if (
        page.compression == 1
        and page.photometric != _YCBCR
        and page.pixels * page.bits * max(1, page.samples) // 8 > size_bytes
    ):
        width, height = page.size
        raise MediaError(
            f"a TIFF picture that is cut off: {size_bytes} bytes cannot hold {width} x {height} pixels", stage="open"
        )


def _read(stream: BinaryIO) -> tuple[Array, dict[int, Any]]:
    """The samples as tifffile gives them, and the tags with their range."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # errors are raised, too
    with tifffile.TiffFile(stream) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        tags = {
            code: page.tags[code].value for code in (_MIN_SAMPLE, _MAX_SAMPLE, _LOWEST, _HIGHEST) if code in page.tags
        }
        tags[_PALETTE_TAG] = page.colormap
        try:
            if page.photometric == _YCBCR and page.compression not in _YCBCR_CODECS:
                return read_ycbcr(page)[None, None], tags
            if is_packed(page):
                return read_packed(page)[None, None], tags
            return np.asarray(page.asarray(maxworkers=1, squeeze=False)), tags
        except Exception as exc:
            raise _refusal(page, exc) from exc


def _refusal(page: Any, exc: Exception) -> Exception:
    """The error for what tifffile raised. A missing codec is named as such, not as damage."""
    what = f"{getattr(page.compression, 'name', page.compression)} compression"
    text = str(exc)
    if isinstance(exc, MemoryError):
        return exc
    if (
        "imagecodecs" in text
        or "requires" in text
        or isinstance(exc, ImportError)
        or page.compression in _LIBTIFF_ALONE
    ):
        message = f"not supported: a TIFF picture of {what} needs imagecodecs (pip install 'imgsearch[formats]')"
        return MediaError(message, stage="open", transient=not _has_imagecodecs())
    if isinstance(exc, NotImplementedError) or re.search("not supported|not implemented|Invalid integer data", text):
        return MediaError(f"not supported: a TIFF picture of this kind ({what})", stage="open")
    return exc


def _has_imagecodecs() -> bool:
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        return False
    return True


def _channels_last(samples: Array, page: Directory) -> Array:
    """[H, W, C] from tifffile's [planes, depth, height, width, channels]. Of several depths the first is used."""
    if samples.dtype.kind not in "biuf":
        raise MediaError("not supported: a TIFF picture of complex numbers", stage="open")
    while samples.ndim > 5:
        samples = samples[0]
    planes: Array = samples[:, 0] if samples.ndim == 5 else samples.reshape(-1, *samples.shape[-3:])
    if planes.shape[0] > 1:  # channels are stored separately
        return np.moveaxis(planes[..., 0], 0, -1)
    whole: Array = planes[0]
    return whole


def _image(samples: Array, page: Directory, tags: dict[int, Any], orientation: int) -> DeepImage:
    kind = page.photometric
    if kind == _PALETTE and tags.get(_PALETTE_TAG) is not None:
        samples = np.moveaxis(np.asarray(tags[_PALETTE_TAG], np.uint16), 0, -1)[samples[..., 0]]
    colours, premultiplied, has_alpha = _layout(samples.shape[2], page)
    span = _span(samples.dtype, page, tags)
    if kind in _SPACES and _SPACES[kind] == "LAB":
        samples, span = _lab(samples, kind), (0.0, 1.0)
    kept = samples[..., : colours + has_alpha]
    upright = orient_array(kept, orientation)
    space = _SPACES.get(kind, "RGB")
    return DeepImage(
        ArrayRows(upright, space, colours),
        span,
        icc=page.icc,
        premultiplied=premultiplied,
        inverted=kind == _WHITE_IS_ZERO,
    )


def _layout(channels: int, page: Directory) -> tuple[int, bool, bool]:
    """The number of colour channels, whether they are premultiplied, and whether an alpha channel follows."""
    usual = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _MASK: 1, _RGB: 3, _PALETTE: 3, _SEPARATED: 4}.get(
        page.photometric, 3
    )
    colours = min(usual, channels)
    if colours == 2:
        colours = 1
    extra = page.extra_samples
    told = extra[0] if extra else 2 if page.photometric == _RGB and channels == 4 else 0
    return colours, told == _PREMULTIPLIED, told in _ALPHAS and channels > colours


def _span(dtype: np.dtype[Any], page: Directory, tags: dict[int, Any]) -> Span | None:
    """The range that the file gives; None if it gives none."""
    low, high = _first(tags.get(_LOWEST)), _first(tags.get(_HIGHEST))
    if high is None and dtype.kind in "iu":
        low, high = _first(tags.get(_MIN_SAMPLE)), _first(tags.get(_MAX_SAMPLE))
    if high is not None and np.isfinite(high) and (low is None or low < high) and high > 0:
        if low is None or not np.isfinite(low):
            low = 0.0
        return float(low), float(high)
    if dtype.kind == "u" and page.photometric != _PALETTE and page.bits <= 16:
        return 0.0, float((1 << page.bits) - 1)
    return None


def _first(value: Any) -> float | None:
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    return float(value) if isinstance(value, int | float) else None


def _lab(samples: Array, kind: int) -> Array:
    """float32 L*, a*, b* from encoded L*a*b* of 8 or 16 bits (TIFF 6.0, section 23; TIFF technical note on ICCLab)."""
    if samples.shape[2] < 3:
        raise MediaError("not supported: a TIFF picture in L*a*b* without a* and b*", stage="open")
    if samples.dtype.kind == "f":
        return np.asarray(samples[..., :3], np.float32)
    wide = samples.dtype.itemsize == 2
    unsigned = samples[..., :3].astype(np.float32)
    if kind == _CIE_LAB:
        signed = samples[..., 1:3].view(np.int16 if wide else np.int8).astype(np.float32)
        light = unsigned[..., :1] * (100 / (65535 if wide else 255))
        return np.concatenate([light, signed / (256 if wide else 1)], axis=2)
    step = 256 if wide else 1
    light = unsigned[..., :1] * (100 / (65280 if wide else 255))
    return np.concatenate([light, unsigned[..., 1:] / step - 128], axis=2)
