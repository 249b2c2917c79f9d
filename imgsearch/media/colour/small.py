"""Samples of any depth and range -> a small sRGB image. It does for samples at full depth what `srgb.shrink` and
`srgb.to_srgb` do for Pillow's 8-bit images.

**Range.** The file says which samples become black and white (SMinSampleValue and SMaxSampleValue, or the bits a
sample). Where it says nothing, floats and 32-bit integers have no agreed range, and `usual_range` estimates it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from imgsearch.media.colour.code_points import CodePoints, encode_srgb, to_srgb_samples
from imgsearch.media.colour.ranges import Span, usual_range
from imgsearch.media.colour.rows import Array, SampleRows
from imgsearch.media.colour.srgb import to_srgb

_BAND_SAMPLES = 3_000_000  # samples converted to float32 at a time: 12 MB


@dataclass(frozen=True, slots=True)
class DeepImage:
    """Upright samples and their meaning. ``span`` is None where it must be estimated from the samples."""

    rows: SampleRows
    span: Span | None = None
    icc: bytes = b""
    codes: CodePoints | None = None
    premultiplied: bool = False
    inverted: bool = False


def small_srgb(image: DeepImage, smallest: tuple[int, int]) -> Image.Image:
    """The image as 8-bit sRGB, transparency on white. It is box-averaged by whole factors to no less than three times
    ``smallest`` (width, height), and read in bands. 30 ns a sample."""
    samples = _reduced(image, smallest)  # float32 [h, w, C] from 0 to 1
    space = image.rows.space.split(" ")[0]
    if space == "LAB":
        return Image.fromarray(_lab_to_srgb(samples))
    if space == "CMYK":
        return to_srgb(Image.fromarray(_bytes(samples[..., :4]), "CMYK"), image.icc)
    if image.codes is not None and not image.codes.is_srgb:
        colour = samples[..., :3] if samples.shape[2] >= 3 else np.repeat(samples[..., :1], 3, axis=2)
        return Image.fromarray(to_srgb_samples(colour, image.codes))
    grey = samples.shape[2] < 3
    eight_bits = Image.fromarray(_bytes(samples[..., 0] if grey else samples[..., :3]))
    return to_srgb(eight_bits, None if image.codes is not None else image.icc)


def reduced_size(size: tuple[int, int], smallest: tuple[int, int]) -> tuple[int, int]:
    """Width and height that `small_srgb` and `srgb.shrink` make of an image of ``size``."""
    across, down = max(1, size[0] // (3 * smallest[0])), max(1, size[1] // (3 * smallest[1]))
    return -(-size[0] // across), -(-size[1] // down)


def _bands(rows: SampleRows, down: int) -> list[tuple[int, int]]:
    width, height = rows.size
    step = max(1, _BAND_SAMPLES // max(1, 4 * width) // down) * down
    return [(top, min(top + step, height)) for top in range(0, height, step)]


def _reduced(image: DeepImage, smallest: tuple[int, int]) -> Array:
    rows = image.rows
    width, height = rows.size
    across, down = max(1, width // (3 * smallest[0])), max(1, height // (3 * smallest[1]))
    span = image.span or usual_range(rows)
    bands = []
    for top, bottom in _bands(rows, down):
        colour, alpha = rows.read(top, bottom)
        bands.append(_box_mean(_scaled(colour, alpha, span, image), across, down))
    return np.concatenate(bands)


def _scaled(colour: Array, alpha: Array | None, span: Span, image: DeepImage) -> Array:
    """float32 samples from 0 to 1, composed over white."""
    low, high = span
    scaled: Array = np.asarray(colour, np.float32)
    if colour.dtype.kind == "f":
        scaled = np.nan_to_num(scaled, nan=low, posinf=high, neginf=low)
    if image.rows.space.startswith("LAB"):
        return scaled
    scaled = np.clip((scaled - np.float32(low)) * np.float32(1.0 / (high - low)), 0, 1)
    if image.inverted:
        scaled = 1 - scaled
    if alpha is None:
        return scaled
    full = float(np.iinfo(alpha.dtype).max) if alpha.dtype.kind in "iu" else 1.0
    full = high if alpha.dtype == colour.dtype and alpha.dtype.kind != "f" and low <= 0 else full
    cover = np.clip(np.asarray(alpha, np.float32) / np.float32(full), 0, 1)[..., None]
    paper = np.float32(0.0 if image.rows.space.startswith("CMYK") else 1.0)
    shown: Array = scaled * (1 if image.premultiplied else cover) + paper * (1 - cover)
    return shown


def _box_mean(samples: Array, across: int, down: int) -> Array:
    """Means over boxes of ``down`` x ``across`` samples. What is left over at the right and lower edges forms smaller
    boxes, as in Pillow's `reduce`."""
    height, width = samples.shape[:2]
    if across > 1:
        starts = np.arange(0, width, across)
        counts = np.minimum(across, width - starts).astype(np.float32)
        samples = np.add.reduceat(samples, starts, axis=1) / counts[None, :, None]
    if down > 1:
        starts = np.arange(0, height, down)
        counts = np.minimum(down, height - starts).astype(np.float32)
        samples = np.add.reduceat(samples, starts, axis=0) / counts[:, None, None]
    return samples


def _bytes(samples: Array) -> Array:
    return np.asarray(np.clip(samples * 255 + 0.5, 0, 255), np.uint8)


_D50 = np.array([0.9642, 1.0, 0.8249], np.float32)
_D50_TO_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]],
    np.float32,
)  # Bradford-adapted (brucelindbloom.com)


def _lab_to_srgb(lab: Array) -> Array:
    """CIE L* (0 to 100), a*, b* under D50, float32 [h, w, 3] -> sRGB uint8 [h, w, 3]."""
    middle = (lab[..., 0] + 16) / 116
    parts = np.stack([middle + lab[..., 1] / 500, middle, middle - lab[..., 2] / 200], axis=-1)
    steep = parts > 6 / 29
    xyz = np.where(steep, parts**3, (parts - 4 / 29) * (3 * (6 / 29) ** 2)) * _D50
    return encode_srgb(xyz @ _D50_TO_SRGB.T)
