"""A Photoshop document without its merged image. psd-tools composes the layers, if they are simple enough that the
result is what Photoshop shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.containers.psd import Document
from imgsearch.media.limits import check_bytes
from imgsearch.media.opening import decoding
from imgsearch.media.wanted import DecodeRequest

_MERGED_BYTES = 120
"""Bytes a pixel of the document while psd-tools blends in float32. 85 were measured with three layers of 7
megapixels."""

_MOST_LAYERS = 500
_PLAIN_KINDS = frozenset(("pixel", "group", "type", "smartobject"))
"""Kinds of layers whose pixels are in the file. psd-tools silently leaves out adjustments."""

_LACKING = 'a Photoshop document without a merged picture (saved without "maximize compatibility")'


def merge_layers(wanted: DecodeRequest, document: Document) -> Image.Image:
    """RGBA in sRGB, as large as the document. Raises MediaError, which is transient without psd-tools."""
    try:
        from psd_tools import PSDImage
    except ImportError as exc:
        message = f"not supported: {_LACKING} needs psd-tools (pip install 'imgsearch[formats]')"
        raise MediaError(message, stage="open", transient=True) from exc
    size = document.width, document.height
    check_bytes(size, _MERGED_BYTES * size[0] * size[1] + 2 * wanted.size_bytes, wanted.limits)
    wanted.stream.seek(0)
    with decoding(wanted.kind):
        try:
            opened = PSDImage.open(wanted.stream)
        except Exception as exc:  # damaged layers raise a dozen kinds of exceptions
            raise MediaError(f"not supported: {_LACKING}, whose layers cannot be read", stage="open") from exc
        if reason := _unlike(opened):
            raise MediaError(f"not supported: {_LACKING}, whose layers {reason}", stage="open")
        try:
            merged = opened.composite(force=True)
        except (ImportError, NotImplementedError) as exc:
            raise MediaError(f"not supported: {_LACKING}, whose layers are not plain", stage="open") from exc
        if merged is None or merged.size != size:
            raise MediaError(f"not supported: {_LACKING}, whose layers hold no pixels", stage="open")
        image: Image.Image = merged.convert("RGBA")
        return image


def _unlike(opened: Any) -> str:
    """Why the layers cannot be shown as Photoshop shows them; "" if they can."""
    shown = list(_shown(opened))
    if not any(layer.kind != "group" and layer.width and layer.height for layer in shown):
        return "hold no pixels"
    if len(shown) > _MOST_LAYERS:
        return f"are more than {_MOST_LAYERS}"
    kinds = sorted({str(layer.kind) for layer in shown} - _PLAIN_KINDS)
    if kinds:
        return f"are not all pixels ({', '.join(kinds[:3])})"
    if any(layer.has_effects() for layer in shown):
        return "have styles (shadows, strokes ...)"
    sizes = sum(layer.width * layer.height for layer in shown if layer.kind != "group")
    whole = max(1, opened.width * opened.height)
    return "are far larger than the document" if sizes > 4 * _MOST_LAYERS * whole else ""


def _shown(group: Any) -> Iterator[Any]:
    for layer in group:
        if layer.visible:
            yield layer
            if layer.is_group():
                yield from _shown(layer)
