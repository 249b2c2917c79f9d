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
    value = _first(_get(exif, _ORIENTATION))
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def camera_facts(exif: Image.Exif) -> CameraFacts:
    """All that the catalog keeps of an EXIF block."""
    details, gps = _ifd(exif, _EXIF_IFD), _ifd(exif, _GPS_IFD)
    dates = (_get(details, _ORIGINAL), _get(details, _DIGITIZED), _get(exif, _DATETIME))
    latitude = _degrees(_get(gps, 2), _get(gps, 1), "S", 90.0)
    longitude = _degrees(_get(gps, 4), _get(gps, 3), "W", 180.0)
    # Cameras without a fix write zeros: nothing lies at 0 N 0 E but water.
    placed = latitude is not None and longitude is not None and (latitude, longitude) != (0.0, 0.0)
    return CameraFacts(
        taken_at=next((text for text in map(_iso_date, dates) if text), None),
        camera=_camera(_text(_get(exif, _MAKE)), _text(_get(exif, _MODEL))),
        latitude=latitude if placed else None,
        longitude=longitude if placed else None,
        orientation=orientation_of(exif),
    )


def _get(table: Mapping[int, Any] | Image.Exif, tag: int) -> Any:
    try:
        return table.get(tag)
    except Exception:  # noqa: BLE001  Pillow decodes a tag when it is asked for it
        return None


def _ifd(exif: Image.Exif, tag: int) -> Mapping[int, Any]:
    try:
        table = exif.get_ifd(tag)
    except Exception:  # noqa: BLE001  a sub-table may point anywhere
        return {}
    return table if isinstance(table, Mapping) else {}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple | list) and value else value


def _text(value: Any) -> str:
    value = _first(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    printable = "".join(char for char in value.split("\0")[0] if char.isprintable())
    return " ".join(printable.split())[:_MAX_TEXT]


def _camera(make: str, model: str) -> str | None:
    """ "Canon" and "Canon EOS R5" are one "Canon EOS R5"."""
    if model.lower().startswith(make.lower()):
        return model or None
    return f"{make} {model}".strip() or None


def _iso_date(value: Any) -> str | None:
    match = _DATE.search(_text(value))
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
    southern = _text(reference).upper().startswith(negative) or parts[0] < 0
    return -degrees if southern else degrees
