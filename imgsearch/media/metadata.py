"""What the camera wrote into a file: time, camera, place, orientation. Whatever the bytes, never an exception."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image

_ORIENTATION, _MAKE, _MODEL, _DATETIME = 0x0112, 0x010F, 0x0110, 0x0132
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_ORIGINAL, _DIGITIZED = 0x9003, 0x9004
_MAX_TEXT = 120
_DATE = re.compile(r"(\d{4})[:\-/.](\d{1,2})[:\-/.](\d{1,2})[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?")


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """Everything optional; the meanings are those of `records.MediaFacts`."""

    taken_at: str | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    orientation: int = 1


def exif_of(image: Image.Image) -> Image.Exif:
    """The picture's EXIF; an empty one where it is missing or damaged beyond reading."""
    try:
        return image.getexif()
    except Exception:  # noqa: BLE001  damaged EXIF raises a dozen kinds (struct, Syntax, Unicode, Overflow ...)
        return Image.Exif()


def orientation_of(exif: Image.Exif) -> int:
    """The EXIF orientation, 1-8; 1 where absent or absurd."""
    value = _first(tag_of(exif, _ORIENTATION))
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def camera_facts(exif: Image.Exif) -> CameraFacts:
    """All that the catalog keeps of an EXIF block."""
    if not exif:
        return CameraFacts()
    details, gps = table_of(exif, _EXIF_IFD), table_of(exif, _GPS_IFD)
    dates = (tag_of(details, _ORIGINAL), tag_of(details, _DIGITIZED), tag_of(exif, _DATETIME))
    latitude = _degrees(tag_of(gps, 2), tag_of(gps, 1), "S", 90.0)
    longitude = _degrees(tag_of(gps, 4), tag_of(gps, 3), "W", 180.0)
    # Cameras without a fix write zeros: nothing lies at 0 N 0 E but water.
    placed = latitude is not None and longitude is not None and (latitude, longitude) != (0.0, 0.0)
    return CameraFacts(
        taken_at=next((text for text in map(_iso_date, dates) if text), None),
        camera=camera_name(text_of(tag_of(exif, _MAKE)), text_of(tag_of(exif, _MODEL))),
        latitude=latitude if placed else None,
        longitude=longitude if placed else None,
        orientation=orientation_of(exif),
    )


def tag_of(table: Mapping[int, Any] | Image.Exif, tag: int) -> Any:
    """A tag's value as Pillow gives it; None where it is absent or damaged."""
    try:
        return table.get(tag)
    except Exception:  # noqa: BLE001  Pillow decodes a tag when it is asked for it
        return None


def table_of(exif: Image.Exif, tag: int) -> Mapping[int, Any]:
    """The table that a tag points at (EXIF, GPS ...); empty where it is absent or damaged."""
    try:
        table = exif.get_ifd(tag)
    except Exception:  # noqa: BLE001  a sub-table may point anywhere
        return {}
    return table if isinstance(table, Mapping) else {}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) and value else value


def text_of(value: Any) -> str:
    """A value as text in one line, at most 120 letters; "" for what is none."""
    value = _first(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    printable = "".join(char for char in value.split("\0")[0] if char.isprintable())
    return " ".join(printable.split())[:_MAX_TEXT]


def camera_name(make: str, model: str) -> str | None:
    """ "Canon" and "Canon EOS R5" are one "Canon EOS R5"."""
    if model.lower().startswith(make.lower()):
        return model or None
    return f"{make} {model}".strip() or None


def _iso_date(value: Any) -> str | None:
    match = _DATE.search(text_of(value))
    if match is None:
        return None
    try:
        taken = datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    return taken.isoformat() if taken.year >= 1826 else None  # the year of the first photograph


def _degrees(value: Any, reference: Any, negative: str, limit: float) -> float | None:
    """Degrees from (degrees, minutes, seconds); None where a part is missing, endless or out of range."""
    try:
        parts = [float(part) for part in value]
        if not 1 <= len(parts) <= 3:
            return None
        degrees = math.fsum(abs(part) / 60**power for power, part in enumerate(parts))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not math.isfinite(degrees) or degrees > limit:
        return None
    southern = text_of(reference).upper().startswith(negative) or parts[0] < 0
    return -degrees if southern else degrees
