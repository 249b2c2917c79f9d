"""JPEG XR (`.jxr .wdp .hdp`) through imagecodecs: photographs from Windows programs, and screenshots of games, whose
floats are linear light that may exceed white."""

from __future__ import annotations

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.colour.code_points import REFERENCE_WHITE, CodePoints
from imgsearch.media.colour.ranges import Span
from imgsearch.media.colour.rows import Array, ArrayRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers import jxr
from imgsearch.media.formats.other_readers import imagecodecs_for, read_all
from imgsearch.media.limits import check_bytes
from imgsearch.media.metadata.exif import own_orientation
from imgsearch.media.opening import decoding
from imgsearch.media.orientation import orient_array
from imgsearch.media.wanted import DecodeRequest

_LINEAR, _BT709 = 8, 1
_CODEC_BYTES = 8
"""Bytes a pixel besides the samples, measured with libjxr 2019 on 24 megapixels."""

_SCRGB_WHITE = REFERENCE_WHITE / 80.0
"""scRGB's 1.0 is 80 cd/m2 (IEC 61966-2-2). Brighter images are shown as PQ images are."""


def read_jxr(wanted: DecodeRequest) -> tuple[DeepImage, int]:
    """The first image and its EXIF orientation (0 for none). Raises MediaError."""
    codecs = imagecodecs_for("a JPEG XR picture")
    with decoding(wanted.kind):
        try:
            header, form = jxr.read_header(wanted.stream), jxr.format_of(wanted.stream)
        except ValueError as exc:
            message = f"the file begins like {wanted.kind.description}, but is damaged or cut off ({exc})"
            raise MediaError(message, stage="open") from None
    if form.cmyk or form.fixed_point:
        kind = "CMYK" if form.cmyk else "fixed-point samples"
        raise MediaError(f"not supported: a JPEG XR picture of {kind}", stage="open")
    samples_bytes = 4 * header.depth // 8 * header.extent[0] * header.extent[1]
    needed = 2 * samples_bytes + _CODEC_BYTES * header.extent[0] * header.extent[1] + wanted.size_bytes
    check_bytes(header.extent, needed, wanted.limits)
    with decoding(wanted.kind):
        samples = np.asarray(codecs.jpegxr_decode(read_all(wanted)))
    orientation = own_orientation(header.exif)
    samples = orient_array(samples if samples.ndim == 3 else samples[..., None], orientation or 1)
    return _image(samples, form, header.icc), orientation


def _image(samples: Array, form: jxr.JxrFormat, icc: bytes) -> DeepImage:
    colours = 3 if samples.shape[2] >= 3 else 1
    kept = samples[..., : colours + (form.alpha and samples.shape[2] > colours)]
    span: Span = (0.0, 1.0)
    codes = None
    if kept.dtype.kind == "b":
        kept = kept.astype(np.uint8)
    elif kept.dtype.kind == "u":
        span = (0.0, float(np.iinfo(kept.dtype).max))
    elif kept.dtype.kind == "f":
        kept, span = _kept_hue(np.nan_to_num(kept.astype(np.float32), posinf=0.0, neginf=0.0), colours)
        codes = CodePoints(_BT709, _LINEAR)
    return DeepImage(ArrayRows(kept, colours=colours), span, icc, codes, premultiplied=form.premultiplied)


def _kept_hue(samples: Array, colours: int) -> tuple[Array, Span]:
    """Linear light and its white. A colour beyond white keeps its hue: all channels are divided by the largest."""
    white = np.float32(_SCRGB_WHITE if samples[..., :colours].max(initial=0.0) > 1.0 else 1.0)
    excess = np.maximum(samples[..., :colours].max(axis=-1, keepdims=True) / white, 1.0)
    colour = np.maximum(samples[..., :colours], 0.0) / excess / white
    return np.concatenate([colour, samples[..., colours:]], axis=2), (0.0, 1.0)
