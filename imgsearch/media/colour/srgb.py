"""Any mode and colour space that Pillow decodes -> a small sRGB image, without a second full-size copy."""

from __future__ import annotations

import hashlib
import io
import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, ImageFile

from imgsearch.media.colour.code_points import CodePoints, to_srgb_samples
from imgsearch.media.colour.croppable import Croppable
from imgsearch.media.colour.ranges import usual_range
from imgsearch.media.colour.rows import PillowRows

_BAND_PIXELS = 2_000_000  # pixels converted at a time: 8 MB of RGB
_MAX_PROFILE_BYTES = 16 * 1024 * 1024
_LEAST_WHITE = 128  # what a usable profile makes of white at least, of 255; those in use give 250 and more
_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def shrink(image: Croppable, smallest: tuple[int, int]) -> Image.Image:
    """Flatten a decoded image (transparency on white, 8 bits, no palette) and box-average it by whole factors to no
    less than three times ``smallest`` (width, height). With a factor of three, as Pillow's reducing_gap advises, the
    final bicubic resize loses nothing. Returns mode L, RGB, CMYK or LAB in the file's own colour space.

    It works in bands: an image of 100 megapixels costs its own memory and a few megabytes.
    """
    width, height = image.size
    across = max(1, width // (3 * smallest[0]))
    down = max(1, height // (3 * smallest[1]))
    scale = _sample_scale(image)
    rows = max(1, _BAND_PIXELS // max(1, width) // down) * down
    if rows >= height:
        flat = _flatten(image if isinstance(image, Image.Image) else image.crop((0, 0, width, height)), scale)
        return flat if across == down == 1 else flat.reduce((across, down))
    small: Image.Image | None = None
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        piece = _flatten(band, scale).reduce((across, down))
        if small is None:
            small = Image.new(piece.mode, (math.ceil(width / across), math.ceil(height / down)))
        small.paste(piece if piece.mode == small.mode else piece.convert(small.mode), (0, top // down))
    assert small is not None
    return small


def to_srgb(image: Image.Image, profile: bytes | None, codes: CodePoints | None = None) -> Image.Image:
    """An image of mode L, RGB, CMYK or LAB with its embedded ICC ``profile`` -> RGB in sRGB, which may be the same
    object. ``codes`` win over the profile. A profile that is broken or belongs to another kind of image is ignored, as
    viewers do."""
    if codes is not None and image.mode in ("L", "RGB"):
        if codes.is_srgb:
            return _rgb(image)
        return Image.fromarray(to_srgb_samples(np.asarray(image.convert("RGB")), codes))
    if profile and len(profile) <= _MAX_PROFILE_BYTES:
        for candidate in _profile_inputs(image):
            transform = _transform(_Profile(profile), candidate.mode)
            if transform is not None:
                converted = ImageCms.applyTransform(candidate, transform)
                if converted is not None:
                    return converted
    if image.mode == "LAB":
        transform = _lab_transform()
        converted = ImageCms.applyTransform(image, transform)
        if converted is not None:
            return converted
    return _rgb(image)


def _rgb(image: Image.Image) -> Image.Image:
    """The image in RGB: itself if it is RGB already and loaded like any other, where Pillow would copy it."""
    loaded = type(image).load in (Image.Image.load, ImageFile.ImageFile.load) and not getattr(image, "tile", None)
    return image if image.mode == "RGB" and loaded else image.convert("RGB")


def _profile_inputs(image: Image.Image) -> list[Image.Image]:
    """The image itself. A grey image is also tried as RGB, because a grey JPEG often carries an RGB profile."""
    return [image, image.convert("RGB")] if image.mode == "L" else [image]


class _Profile:
    """ICC bytes as a cache key: hashed once, compared by content."""

    __slots__ = ("data", "key")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.key = hashlib.sha1(data, usedforsecurity=False).digest()

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Profile) and other.key == self.key


@lru_cache(maxsize=32)
def _transform(profile: _Profile, mode: str) -> ImageCms.ImageCmsTransform | None:
    """A relative colorimetric transform with black point compensation, as browsers and photo viewers use; None for a
    profile that cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile.data))
        space = str(source.profile.xcolor_space).strip()
        if _MODE_OF_SPACE.get(space) != mode:
            return None
        transform = ImageCms.buildTransform(
            source,
            _srgb(),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return transform if mode not in ("L", "RGB") or _keeps_white(transform, mode) else None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, MemoryError):
        return None


def _keeps_white(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether white stays bright. Only profiles with empty tables, whose output is noise, fail this."""
    white = ImageCms.applyTransform(Image.new(mode, (1, 1), "white"), transform)
    return white is not None and min(white.tobytes()) >= _LEAST_WHITE


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), _srgb(), "LAB", "RGB")


def _flatten(band: Image.Image, scale: tuple[float, float]) -> Image.Image:
    """One band as L, RGB, CMYK or LAB of 8 bits, with transparency composed over white."""
    mode = band.mode
    if mode in ("I", "F") or mode.startswith("I;16"):
        return _eight_bits(band, scale)
    if mode == "P":
        palette = getattr(band.palette, "mode", "RGB")
        clear = "transparency" in band.info or palette != "RGB"
        return _on_white(band.convert("RGBA")) if clear else band.convert("RGB")
    if mode in ("LA", "La"):
        return _on_white(band if mode == "LA" else band.convert("LA"))
    if mode in ("RGBA", "RGBa", "PA"):
        return _on_white(band if mode == "RGBA" else band.convert("RGBA"))
    if mode == "1":
        return band.convert("L")
    if mode in ("L", "RGB") and band.info.get("transparency") is not None:
        return _on_white(band.convert("LA" if mode == "L" else "RGBA"))
    return band if mode in ("L", "RGB", "CMYK", "LAB") else band.convert("RGB")


def _on_white(band: Image.Image) -> Image.Image:
    """LA -> L and RGBA -> RGB over white."""
    alpha = band.getchannel("A")
    opaque = band.convert("L" if band.mode == "LA" else "RGB")
    if alpha.getextrema() == (255, 255):
        return opaque
    white = Image.new(opaque.mode, band.size, "white")
    white.paste(opaque, mask=alpha)
    return white


def _sample_scale(image: Croppable) -> tuple[float, float]:
    """(lowest, highest): the samples that become black and white. 16-bit samples run to 65535; for 32-bit and float
    samples see `usual_range`."""
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    if image.mode not in ("I", "F") or not isinstance(image, Image.Image):
        return 0.0, 255.0
    return (0.0, 65535.0) if image.format == "PPM" and image.mode == "I" else usual_range(PillowRows(image))


def _eight_bits(band: Image.Image, scale: tuple[float, float]) -> Image.Image:
    low, high = scale
    samples = np.asarray(band, dtype=np.float32)
    if band.mode == "F":
        samples = np.nan_to_num(samples, nan=low, posinf=high, neginf=low)
    grey = np.clip((samples - low) * (255.0 / (high - low)) + 0.5, 0, 255)
    return Image.fromarray(grey.astype(np.uint8), "L" if grey.ndim == 2 else None)
