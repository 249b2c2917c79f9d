"""EXIF as Pillow parses it, tag by tag. No bytes raise an exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

_ORIENTATION = 0x0112
_X_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x0128
_MAX_TEXT = 120


def exif_of(image: Image.Image) -> Image.Exif:
    """The image's EXIF; empty if it is missing or damaged."""
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001  damaged EXIF raises a dozen kinds (struct, Syntax, Unicode, Overflow ...)
        return Image.Exif()


def orientation_of(exif: Image.Exif) -> int:
    """The EXIF orientation, 1-8; 1 if it is missing or invalid."""
    return own_orientation(exif) or 1


def own_orientation(exif: Image.Exif) -> int:
    """The EXIF orientation, 1-8; 0 if the file has none."""
    value = _first(tag_of(exif, _ORIENTATION))
    return value if isinstance(value, int) and 1 <= value <= 8 else 0


def exif_density(exif: Image.Exif) -> float:
    """Pixels an inch; 0 if they are unknown."""
    value = _first(tag_of(exif, _X_RESOLUTION))
    unit = _first(tag_of(exif, _RESOLUTION_UNIT))
    try:
        return float(value) * {1: 0.0, 3: 2.54}.get(unit, 1.0) if 1 < float(value) < 100_000 else 0.0
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return 0.0


def tag_of(table: Mapping[int, Any] | Image.Exif, tag: int) -> Any:
    """A tag's value as Pillow gives it; None if it is missing or damaged."""
    try:
        return table.get(tag)
    except Exception:  # noqa: BLE001  Pillow decodes a tag only when it is asked for it
        return None


def table_of(exif: Image.Exif, tag: int) -> Mapping[int, Any]:
    """The table that a tag points at (EXIF, GPS ...); empty if it is missing or damaged."""
    try:
        table = exif.get_ifd(tag)
    except Exception:  # noqa: BLE001  a sub-table may point anywhere
        return {}
    return table if isinstance(table, Mapping) else {}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) and value else value


def text_of(value: Any) -> str:
    """A value as one line of text, at most 120 characters; "" if it is no text."""
    value = _first(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    printable = "".join(char for char in value.split("\0")[0] if char.isprintable())
    return " ".join(printable.split())[:_MAX_TEXT]


def camera_name(make: str, model: str) -> str | None:
    """Maker and model as one name: "Canon" and "Canon EOS R5" become "Canon EOS R5"."""
    if model.lower().startswith(make.lower()):
        return model or None
    return f"{make} {model}".strip() or None
