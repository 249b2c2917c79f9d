"""JPEG 2000 whose components differ in size (4:2:0, 4:1:1, a smaller alpha ...). Pillow 13 shears those of odd sizes
and refuses grey ones, and imagecodecs refuses most. pylibjpeg-openjpeg enlarges the smaller components, as viewers
do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.colour.rows import Array, ArrayRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers import plain
from imgsearch.media.containers.boxes import file_boxes, inner_boxes, read_box
from imgsearch.media.containers.header import Header, read_at, stream_size
from imgsearch.media.limits import check_bytes
from imgsearch.media.opening import decoding
from imgsearch.media.wanted import DecodeRequest

_SYCC, _SRGB, _GREY = 18, 16, 17
_CONVERTED = ([(1, 1)] * 3, [(1, 1), (2, 1), (2, 1)], [(1, 1), (2, 2), (2, 2)])
"""Samplings that OpenJPEG converts to RGB itself. YCbCr of other samplings stays YCbCr."""

_COMPONENT_BYTES = 12  # int32 as stored, int32 enlarged, and the resulting samples


@dataclass(frozen=True, slots=True)
class Sampling:
    """Width and height of the image, and for each component how many pixels across and down share a sample, and its
    bits."""

    size: tuple[int, int]
    steps: tuple[tuple[int, int], ...]
    bits: tuple[int, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Whether any component is smaller than the image."""
        return any(step != (1, 1) for step in self.steps)

    @property
    def suits_pillow(self) -> bool:
        """Whether Pillow reads it correctly: three components of even size, starting at (0, 0), two of them halved."""
        halved = list(self.steps) in _CONVERTED[1:]
        return halved and not any(length % 2 for length in self.size)


def read_sampling(stream: BinaryIO) -> Sampling:
    """The sampling of the first codestream (SIZ); no steps if there is none."""
    at = 0
    if read_at(stream, 0, 4) != b"\xff\x4f\xff\x51":
        boxes = file_boxes(stream, 0, stream_size(stream))
        at = next((box.start for box in boxes if box.name == b"jp2c"), -1)
    data = read_at(stream, at, 42 + 3 * 64) if at >= 0 else b""
    if len(data) < 45 or data[:4] != b"\xff\x4f\xff\x51":
        return Sampling((0, 0), ())
    right, bottom, left, top = (int.from_bytes(data[place : place + 4], "big") for place in (8, 12, 16, 20))
    count = min(int.from_bytes(data[40:42], "big"), 64)
    told = [data[place : place + 3] for place in range(42, min(42 + 3 * count, len(data) - 2), 3)]
    steps, bits = tuple((each[1], each[2]) for each in told), tuple((each[0] & 0x7F) + 1 for each in told)
    return Sampling((right - left, bottom - top), steps, bits)


def at_full_range(image: Image.Image, bits: tuple[int, ...]) -> Image.Image:
    """A decoded image with components of less than 8 bits at their full range. Pillow 13 only shifts them: the white of
    one bit is 128, and a mask of one bit is half transparent."""
    if image.mode not in ("L", "LA", "RGB", "RGBA") or min(bits, default=8) >= 8 or len(bits) < len(image.mode):
        return image
    tops = [256 - (1 << max(0, 8 - each)) for each in bits[: len(image.mode)]]
    return image.point([min(255, (510 * value + top) // (2 * top)) for top in tops for value in range(256)])


def read_shared_jpeg2000(wanted: DecodeRequest, header: Header, sampling: Sampling) -> DeepImage:
    """The samples. Raises MediaError, which is transient if the decoder is not installed."""
    try:
        import openjpeg
    except ImportError as exc:
        what = "a JPEG 2000 picture whose components have unlike sizes"
        message = f"not supported: {what} needs pylibjpeg-openjpeg (pip install 'imgsearch[formats]')"
        raise MediaError(message, stage="open", transient=True) from exc
    width, height = sampling.size
    if min(sampling.size) < 1 or len(sampling.steps) > 5 or min(min(step) for step in sampling.steps) < 1:
        raise MediaError("the file begins like a JPEG 2000 picture, but its header is damaged", stage="open")
    needed = _COMPONENT_BYTES * width * height * len(sampling.steps) + 2 * wanted.size_bytes
    check_bytes(sampling.size, needed, wanted.limits)
    wanted.stream.seek(0)
    with decoding(wanted.kind):
        samples = np.asarray(openjpeg.decode(wanted.stream.read()))
    samples = samples if samples.ndim == 3 else samples[..., None]
    if samples.shape[:2] != (height, width):
        raise MediaError("a JPEG 2000 picture whose components do not fit together", stage="decode")
    highest = float((1 << plain.read_jpeg2000_bits(wanted.stream)) - 1)
    colours = 3 if samples.shape[2] >= 3 else 1
    kept = samples[..., : colours + (samples.shape[2] in (2, 4))]
    if colours == 3 and _is_left_in_ycc(_space(wanted.stream), sampling):
        kept = np.concatenate([_to_rgb(kept[..., :3], highest), kept[..., 3:]], axis=2)
    return DeepImage(ArrayRows(kept, colours=colours), (0.0, highest), header.icc)


def _space(stream: BinaryIO) -> int:
    """The number of the colour space (ISO/IEC 15444-1, I.5.3.3); 0 if none is given."""
    for box in file_boxes(stream, 0, stream_size(stream)):
        if box.name == b"jp2h":
            data = read_box(stream, box)
            for inner in inner_boxes(data):
                if inner.name == b"colr" and data[inner.start] == 1:
                    return int.from_bytes(data[inner.start + 3 : inner.start + 7], "big")
    return 0


def _is_left_in_ycc(space: int, sampling: Sampling) -> bool:
    """Whether OpenJPEG leaves YCbCr, which is declared, or implied by halved components without a colour space."""
    first, *others = sampling.steps[:3]
    ycc = space == _SYCC or (space not in (_SRGB, _GREY) and first == (1, 1) and all(step != (1, 1) for step in others))
    return ycc and list(sampling.steps[:3]) not in _CONVERTED


def _to_rgb(ycc: Array, highest: float) -> Array:
    """Full-range YCbCr of BT.601, which sYCC is, as RGB of the same dtype."""
    light, blue, red = (ycc[..., each].astype(np.float32) for each in range(3))
    middle = np.float32((highest + 1) / 2)
    parts: list[Any] = [
        light + np.float32(1.402) * (red - middle),
        light - np.float32(0.344136) * (blue - middle) - np.float32(0.714136) * (red - middle),
        light + np.float32(1.772) * (blue - middle),
    ]
    return np.stack([np.clip(each + 0.5, 0, highest).astype(ycc.dtype) for each in parts], axis=-1)
