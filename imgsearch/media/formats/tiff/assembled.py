"""TIFF samples that are assembled here: YCbCr other than JPEG's, subsampled or not (TIFF 6.0, section 21), which
neither Pillow nor tifffile reads, and packed bits, for which tifffile needs imagecodecs."""

from __future__ import annotations

from typing import Any

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.rows import Array

_SUBSAMPLING, _COEFFICIENTS, _REFERENCE = 530, 529, 532
_USUAL_COEFFICIENTS = (0.299, 0.587, 0.114)


def read_ycbcr(page: Any) -> Array:
    """A contiguous 8-bit page of tifffile's as RGB uint8 [H, W, 3]. Raises MediaError, and whatever its codec
    raises."""
    import tifffile

    across, down = _pair(page, _SUBSAMPLING, (2, 2))
    if page.bitspersample != 8 or page.samplesperpixel != 3 or not (across in (1, 2, 4) and down in (1, 2, 4)):
        raise MediaError("not supported: a TIFF picture in YCbCr of this kind", stage="open")
    decode = tifffile.TIFF.DECOMPRESSORS[page.compression] if page.compression != 1 else None
    width, height = int(page.imagewidth), int(page.imagelength)
    is_tiled, rows = bool(page.is_tiled), int(page.tilelength if page.is_tiled else page.rowsperstrip)
    step = int(page.tilewidth) if is_tiled else width
    whole = np.zeros((height, width, 3), np.uint8)
    columns = -(-width // step)
    for place, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        page.parent.filehandle.seek(offset)
        data = page.parent.filehandle.read(count)
        data = data if decode is None else decode(data)
        top, left = place // columns * rows, place % columns * step
        kept = min(rows, height - top)
        if kept <= 0:
            break
        block = _unpacked(data, step, rows if is_tiled else kept, across, down)
        whole[top : top + kept, left : left + step] = block[:kept, : width - left]
    return _to_rgb(whole, page)


def is_packed(page: Any) -> bool:
    """Whether tifffile's page has uncompressed strips of 9 to 15 bits a sample, or of several 1-bit samples, with rows
    that begin at whole bytes."""
    packed = 8 < page.bitspersample < 16 or (page.bitspersample == 1 and page.samplesperpixel > 1)
    plain = page.compression == 1 and page.planarconfig == 1 and page.fillorder == 1 and not page.is_tiled
    return plain and packed and page.sampleformat == 1


def read_packed(page: Any) -> Array:
    """The page as uint16 [H, W, C]. Raises EOFError if it is truncated."""
    bits, channels, width = int(page.bitspersample), int(page.samplesperpixel), int(page.imagewidth)
    height, rows = int(page.imagelength), min(int(page.rowsperstrip), int(page.imagelength))
    row_bytes = -(-width * channels * bits // 8)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    whole = np.zeros((height, width, channels), np.uint16)
    for place, offset in enumerate(page.dataoffsets):
        top = place * rows
        page.parent.filehandle.seek(offset)
        for row in range(top, min(top + rows, height)):
            data = page.parent.filehandle.read(row_bytes)
            if len(data) < row_bytes:
                raise EOFError(f"{len(data)} bytes instead of {row_bytes}")
            single = np.unpackbits(np.frombuffer(data, np.uint8))[: width * channels * bits]
            whole[row] = (single.reshape(-1, bits) @ weights).reshape(width, channels)
    return whole


def _unpacked(data: bytes, width: int, height: int, across: int, down: int) -> Array:
    """Unpack units of ``across`` x ``down`` lightness samples, one Cb and one Cr."""
    columns, rows = -(-width // across), -(-height // down)
    unit = across * down + 2
    samples = np.frombuffer(data, np.uint8, count=-1)
    if len(samples) < columns * rows * unit:
        raise EOFError(f"{len(samples)} bytes instead of {columns * rows * unit}")
    units = samples[: columns * rows * unit].reshape(rows, columns, unit)
    light = units[..., :-2].reshape(rows, columns, down, across).swapaxes(1, 2).reshape(rows * down, columns * across)
    chroma = units[..., -2:].repeat(down, axis=0).repeat(across, axis=1)
    return np.concatenate([light[..., None], chroma], axis=2)[:height, :width]


def _to_rgb(samples: Array, page: Any) -> Array:
    red, green, blue = _numbers(page, _COEFFICIENTS, 3) or _USUAL_COEFFICIENTS
    low, high, *chroma = _numbers(page, _REFERENCE, 6) or (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
    light = (samples[..., 0].astype(np.float32) - low) * np.float32(255 / max(high - low, 1))
    cb = (samples[..., 1].astype(np.float32) - chroma[0]) * np.float32(127 / max(chroma[1] - chroma[0], 1))
    cr = (samples[..., 2].astype(np.float32) - chroma[2]) * np.float32(127 / max(chroma[3] - chroma[2], 1))
    r, b = light + cr * (2 - 2 * red), light + cb * (2 - 2 * blue)
    g = (light - blue * b - red * r) / max(green, 1e-3)
    return np.asarray(np.clip(np.stack([r, g, b], axis=-1) + 0.5, 0, 255), np.uint8)


def _pair(page: Any, tag: int, usual: tuple[int, int]) -> tuple[int, int]:
    value = page.tags.valueof(tag, usual)
    return (int(value[0]), int(value[1])) if isinstance(value, tuple) and len(value) == 2 else usual


def _numbers(page: Any, tag: int, count: int) -> tuple[float, ...]:
    """Rationals, which tifffile gives as numerators and denominators; () if absent or absurd."""
    value = page.tags.valueof(tag, ())
    if not isinstance(value, tuple) or len(value) != 2 * count or not all(value[1::2]):
        return ()
    return tuple(each / under for each, under in zip(value[::2], value[1::2], strict=True))
