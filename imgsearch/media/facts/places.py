"""Where an image was taken: degrees from EXIF's fractions and XMP's text. No value raises an exception."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from PIL import Image

from imgsearch.media.metadata.exif import tag_of, text_of
from imgsearch.media.metadata.xmp import Xmp

_LATITUDE, _LONGITUDE = 90.0, 180.0
_NUMBER = r"[+-]?\d+(?:[.,]\d+)?"
_XMP_DEGREES = re.compile(r"([+-]?[\d.]+)(?:,([\d.]+))?(?:,([\d.]+))?\s*([NSEW])?", re.IGNORECASE)


class Coordinates(NamedTuple):
    """Degrees, north and east positive."""

    latitude: float
    longitude: float


def exif_place(gps: Mapping[int, Any] | Image.Exif) -> Coordinates | None:
    """The place in EXIF's GPS table; None if a part is missing or impossible, or has no hemisphere."""
    latitude = _exif_degrees(tag_of(gps, 2), tag_of(gps, 1), "NS", _LATITUDE)
    longitude = _exif_degrees(tag_of(gps, 4), tag_of(gps, 3), "EW", _LONGITUDE)
    return _place(latitude, longitude)


def xmp_place(xmp: Xmp) -> Coordinates | None:
    """The place in exif:GPSLatitude and exif:GPSLongitude: "48,51.5N", "48,51,30N", or decimal degrees, as some
    programs write; or else in those of IPTC's location where the image was made."""
    return _xmp_place(xmp, "exif:") or _xmp_place(xmp, "Iptc4xmpExt:LocationCreated/exif:")


def _xmp_place(xmp: Xmp, prefix: str) -> Coordinates | None:
    told = [(xmp.first(prefix + name), xmp.first(f"{prefix}{name}Ref")) for name in ("GPSLatitude", "GPSLongitude")]
    return _place(_xmp_degrees(*told[0], "S", _LATITUDE), _xmp_degrees(*told[1], "W", _LONGITUDE))


def decimal_place(latitude: Any, longitude: Any) -> Coordinates | None:
    """The place from numbers in JSON; None for anything else."""
    if not (isinstance(latitude, int | float) and isinstance(longitude, int | float)):
        return None
    if not (abs(latitude) <= _LATITUDE and abs(longitude) <= _LONGITUDE):  # the comparison is false for NaN
        return None
    return _place(float(latitude), float(longitude))


def _place(latitude: float | None, longitude: float | None) -> Coordinates | None:
    # Cameras without a fix write zeros. At 0 N 0 E there is only water.
    if latitude is None or longitude is None or (latitude == 0.0 and longitude == 0.0):
        return None
    return Coordinates(latitude, longitude)


def _exif_degrees(value: Any, reference: Any, hemispheres: str, limit: float) -> float | None:
    parts = value if isinstance(value, tuple | list) else re.findall(_NUMBER, text_of(value)) or (value,)
    if not 1 <= len(parts) <= 3:
        return None
    numbers = [_number(part, needed=place == 0) for place, part in enumerate(parts)]
    if None in numbers:
        return None
    degrees = math.fsum(abs(part or 0.0) / 60**power for power, part in enumerate(numbers))
    if not math.isfinite(degrees) or degrees > limit:
        return None
    negative = any(part is not None and math.copysign(1.0, part) < 0 for part in numbers)
    letter = text_of(reference)[:1].upper()
    if letter not in hemispheres or not letter:
        return -degrees if negative else None  # a guessed hemisphere would be worse than no place
    return -degrees if negative or letter == hemispheres[1] else degrees


def _number(part: Any, *, needed: bool) -> float | None:
    """A fraction as a float that keeps its sign at zero. Minutes and seconds of 0/0 count as 0."""
    try:
        above, below = getattr(part, "numerator", None), getattr(part, "denominator", None)
        if isinstance(above, int) and isinstance(below, int):
            if below == 0:
                return None if needed or above else 0.0
            return above / below
        number = float(part.replace(",", ".")) if isinstance(part, str) else float(part)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if math.isnan(number):
        return None if needed else 0.0
    return number


def _xmp_degrees(text: str, reference: str, negative: str, limit: float) -> float | None:
    match = _XMP_DEGREES.fullmatch(text.strip())
    if match is None:
        return None
    try:
        parts = [float(group) for group in match.groups()[:3] if group]
        if len(parts) == 2 and parts[1] > 60:  # degrees with a comma for their decimals
            parts = [float(f"{match[1]}.{match[2]}")]
    except ValueError:  # "1.2.3"
        return None
    degrees = math.fsum(abs(part) / 60**power for power, part in enumerate(parts))
    if degrees > limit:
        return None
    letter = (match[4] or reference.strip()[:1]).upper()
    return -degrees if letter == negative or match[1].startswith("-") else degrees
