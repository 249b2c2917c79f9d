"""The merged image of a Photoshop document at any depth, PSB included. Pillow 13 reads only 8-bit PSD, and psd-tools
decodes all layers first.

Photoshop stores the merged image composed over white, so alpha that follows it is ignored. Other programs store bare
colours, whose transparent parts then show.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

import numpy as np
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.colour.ranges import Span
from imgsearch.media.colour.rows import Array, ArrayRows
from imgsearch.media.colour.small import DeepImage
from imgsearch.media.containers import psd
from imgsearch.media.containers.header import read_at
from imgsearch.media.formats.photoshop_layers import merge_layers
from imgsearch.media.limits import check_bytes
from imgsearch.media.wanted import DecodeRequest

_RAW, _PACKBITS, _DEFLATE, _DEFLATE_DELTA = range(4)
_TYPES = {8: ">u1", 16: ">u2", 32: ">f4"}


def read_psd(wanted: DecodeRequest) -> DeepImage:
    """The merged image. Raises MediaError."""
    try:
        document = psd.read_document(wanted.stream)
    except ValueError as exc:
        message = f"the file begins like {wanted.kind.description}, but is damaged or cut off ({exc})"
        raise MediaError(message, stage="open") from exc
    size = document.width, document.height
    if min(size) < 1 or document.depth not in (1, 8, 16, 32):
        raise MediaError(f"a Photoshop document of {size[0]} x {size[1]} pixels of {document.depth} bits", stage="open")
    if not document.has_composite:
        merged = np.asarray(merge_layers(wanted, document))
        return DeepImage(ArrayRows(merged, colours=3), (0.0, 255.0))
    row_bytes = -(-document.width * document.depth // 8)
    # The compressed and the unpacked bytes exist at the same time, then the samples of all channels.
    check_bytes(size, 3 * row_bytes * document.height * _channels(document), wanted.limits)
    planes = _planes(wanted.stream, document, row_bytes)
    return _image(document, planes)


def _channels(document: psd.Document) -> int:
    return document.colours + document.has_alpha


def _planes(stream: BinaryIO, document: psd.Document, row_bytes: int) -> Array:
    """uint8 [channels, H, row_bytes] of the colours and the alpha after them."""
    shape = _channels(document), document.height, row_bytes
    compression = int.from_bytes(read_at(stream, document.data, 2), "big")
    at, count = document.data + 2, _channels(document) * document.height * row_bytes
    if compression == _RAW:
        stream.seek(at)
        data = stream.read(count)
    elif compression == _PACKBITS:
        data = _unpacked(stream, document, at, row_bytes)
    elif compression == _DEFLATE or (compression == _DEFLATE_DELTA and document.depth < 32):
        stream.seek(at)
        data = zlib.decompressobj().decompress(stream.read(), count)
    else:
        raise MediaError(f"not supported: a Photoshop document of compression {compression}", stage="open")
    if len(data) < count:
        raise MediaError(
            f"a Photoshop document that is cut off: {len(data)} bytes of samples instead of {count}", stage="decode"
        )
    planes = np.frombuffer(data, np.uint8).reshape(shape)
    if compression == _DEFLATE_DELTA:
        steps = planes.view(_TYPES.get(document.depth, ">u1"))
        whole = np.cumsum(steps, axis=2, dtype=steps.dtype.newbyteorder("="))
        planes = np.ascontiguousarray(whole.astype(steps.dtype)).view(np.uint8)
    return planes


def _unpacked(stream: BinaryIO, document: psd.Document, at: int, row_bytes: int) -> bytes:
    """Undo PackBits row by row. A table of row lengths comes first."""
    wide = 4 if document.large else 2
    rows = document.channels * document.height
    stream.seek(at)
    counts = np.frombuffer(stream.read(rows * wide), f">u{wide}")
    if len(counts) < rows:
        return b""
    total = int(counts[: _channels(document) * document.height].sum(dtype=np.int64))
    data = stream.read(total)
    if len(data) < total:
        return b""
    try:
        return Image.frombytes("L", (row_bytes, _channels(document) * document.height), data, "packbits", "L").tobytes()
    except ValueError as exc:
        raise MediaError(f"a Photoshop document whose data are damaged ({exc})", stage="decode") from exc


def _image(document: psd.Document, planes: Array) -> DeepImage:
    mode, width = document.mode, document.width
    if document.depth == 1:  # a set bit is black
        bits = np.unpackbits(planes, axis=2)[..., :width]
        return DeepImage(ArrayRows(bits[0][..., None], colours=1), (0.0, 1.0), inverted=True)
    samples = np.moveaxis(planes.view(_TYPES[document.depth]), 0, -1)
    span: Span = (0.0, 1.0 if document.depth == 32 else float((1 << document.depth) - 1))
    if mode == psd.INDEXED and len(document.palette) >= 768:
        colours = np.frombuffer(document.palette[:768], np.uint8).reshape(3, 256).T
        return DeepImage(ArrayRows(colours[samples[..., 0]]), span, document.icc)
    if mode == psd.LAB and document.colours == 3:
        return DeepImage(ArrayRows(_lab(samples, document.depth), "LAB", 3), (0.0, 1.0))
    if mode == psd.CMYK and document.colours == 4:  # stored inverted: 0 is full ink
        return DeepImage(ArrayRows(samples, "CMYK", 4), span, document.icc, inverted=True)
    colours_count = 3 if mode == psd.RGB and document.colours == 3 else 1
    alpha = document.has_alpha and bool((samples[samples[..., colours_count] == 0][:, :colours_count] < span[1]).any())
    kept = samples[..., : colours_count + alpha]
    return DeepImage(ArrayRows(kept, colours=colours_count), span, document.icc)


def _lab(samples: Array, depth: int) -> Array:
    """Unsigned L*, a* and b* as float32. a* and b* are centred on half the range."""
    top, step = (255.0, 1.0) if depth == 8 else (65535.0, 256.0)
    light = samples[..., :1].astype(np.float32) * np.float32(100 / top)
    return np.concatenate([light, samples[..., 1:].astype(np.float32) / np.float32(step) - 128], axis=2)
