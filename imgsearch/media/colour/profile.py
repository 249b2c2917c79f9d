"""A short name for a colour space: "" for plain sRGB and its equals, "Display P3 ..." for a profile, "cicp 9-16" for
code points.

Two profiles with the same primaries and curve get the same name, whatever program wrote them. A profile that cannot be
read, or that belongs to another kind of image, gets no name, because viewers ignore it. Sources: ICC.1:2022, ITU-T
H.273.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

_SPACES = {b"RGB ": "RGB", b"GRAY": "GRAY", b"CMYK": "CMYK", b"Lab ": "Lab"}
_MAX_TAGS = 100
_MAX_NAME = 40

_UNSPECIFIED, _BT709, _P3, _SRGB_CURVE = 2, 1, 12, 13
_CURVE_STEPS = (0.25, 0.5, 0.75)
_CURVE_TOLERANCE = 0.012
"""Largest difference at `_CURVE_STEPS` at which two curves count as one. Gamma 2.2 differs from sRGB's curve by at most
.006, gamma 2.4 by .02 and gamma 1.8 by .05."""

_PRIMARY_TOLERANCE = 0.01
"""Largest difference in XYZ under D50 at which two primaries count as one. Programs write sRGB's with differences of up
to .003; Rec. 601's are .02 away."""

_Primaries = tuple[tuple[float, float, float], ...]
_KNOWN: tuple[tuple[str, _Primaries], ...] = (
    ("sRGB", ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))),
    ("Display P3", ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))),
    ("Adobe RGB", ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))),
    ("ProPhoto RGB", ((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249))),
    ("BT.2020", ((0.6735, 0.2790, -0.0019), (0.1657, 0.6753, 0.0300), (0.1251, 0.0456, 0.7969))),
)


@dataclass(frozen=True, slots=True)
class _Profile:
    space: str
    description: str
    primaries: _Primaries = ()
    curve: tuple[float, ...] = ()  # the light at `_CURVE_STEPS`; empty for profiles of tables


def profile_name(icc: bytes, cicp: tuple[int, int] | None, space: str, gamma: float = 0.0) -> str:
    """The name of the colour space of an image of ``space`` ("RGB", "GRAY", "CMYK", "Lab"). Code points win over a
    profile, and a profile wins over ``gamma`` (a PNG's gAMA chunk). A new profile takes 50 us, a known one 1 us."""
    if cicp is not None:
        return _name_of_codes(*cicp)
    profile = _parse(icc) if icc else None
    if profile is not None and (profile.space == space or (space == "GRAY" and profile.space == "RGB")):
        return _name_of(profile, icc)
    if gamma and not 0.43 < gamma < 0.47 and space in ("RGB", "GRAY"):
        return f"gamma {1 / gamma:.2f}"
    return ""


def adobe_rgb() -> str:
    """The name of Adobe RGB, also for cameras that declare it without a profile (DCF's option file, "R03")."""
    return _with_hash("Adobe RGB", b"Adobe RGB")


def _name_of_codes(primaries: int, transfer: int) -> str:
    plain = primaries in (_BT709, _UNSPECIFIED) and transfer in (_SRGB_CURVE, _UNSPECIFIED)
    if plain:
        return ""
    if (primaries, transfer) == (_P3, _SRGB_CURVE):
        return _with_hash("Display P3", b"Display P3")
    return f"cicp {primaries}-{transfer}"


def _name_of(profile: _Profile, icc: bytes) -> str:
    is_srgb_curve = _near_curve(profile.curve, _srgb_light)
    if profile.space == "GRAY" and is_srgb_curve:
        return ""
    known = next((name for name, primaries in _KNOWN if _near(profile.primaries, primaries)), "")
    if known == "sRGB" and is_srgb_curve:
        return ""
    if known and _near_curve(profile.curve, _srgb_light if known != "ProPhoto RGB" else lambda x: x**1.8):
        return _with_hash(known, known.encode())
    if not profile.primaries and profile.space == "RGB" and profile.description.startswith("sRGB"):
        return ""  # a profile made of tables, such as "sRGB v4 ICC preference"
    return _with_hash(profile.description or profile.space, icc)


def _with_hash(name: str, content: bytes) -> str:
    return f"{name} {hashlib.sha256(content).hexdigest()[:8]}"


def _srgb_light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _near_curve(curve: tuple[float, ...], law: Callable[[float], float]) -> bool:
    return bool(curve) and all(
        abs(light - law(step)) <= _CURVE_TOLERANCE for light, step in zip(curve, _CURVE_STEPS, strict=True)
    )


def _near(found: _Primaries, wanted: _Primaries) -> bool:
    return len(found) == 3 and all(
        abs(a - b) <= _PRIMARY_TOLERANCE for x, y in zip(found, wanted, strict=True) for a, b in zip(x, y, strict=True)
    )


@lru_cache(maxsize=64)
def _parse(icc: bytes) -> _Profile | None:
    """The profile's curve and primaries, or None for bytes that are no profile of a colour space that images use
    here."""
    space = _SPACES.get(icc[16:20])
    if icc[36:40] != b"acsp" or space is None or len(icc) < 132:
        return None
    tags: dict[bytes, bytes] = {}
    for at in range(132, 132 + 12 * min(int.from_bytes(icc[128:132], "big"), _MAX_TAGS), 12):
        place, length = int.from_bytes(icc[at + 4 : at + 8], "big"), int.from_bytes(icc[at + 8 : at + 12], "big")
        tags[icc[at : at + 4]] = icc[place : place + length]
    colours = [_xyz(tags.get(name, b"")) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    primaries = tuple(each for each in colours if each is not None)
    is_table = b"A2B0" in tags and space != "GRAY"
    curves = [_curve(tags.get(name, b"")) for name in ((b"kTRC",) if space == "GRAY" else (b"rTRC", b"gTRC", b"bTRC"))]
    alike = all(curves) and all(_near_curve(each, lambda x: _at(curves[0], x)) for each in curves)
    usable = alike and not is_table
    return _Profile(
        space, _description(tags.get(b"desc", b"")), primaries if usable else (), curves[0] if usable else ()
    )


def _at(curve: tuple[float, ...], step: float) -> float:
    return curve[_CURVE_STEPS.index(step)]


def _fixed(data: bytes) -> float:
    return int.from_bytes(data, "big", signed=True) / 65536


def _xyz(data: bytes) -> tuple[float, float, float] | None:
    if data[:4] != b"XYZ " or len(data) < 20:
        return None
    return _fixed(data[8:12]), _fixed(data[12:16]), _fixed(data[16:20])


def _curve(data: bytes) -> tuple[float, ...]:
    """The light that a tone curve gives at `_CURVE_STEPS`; empty where it cannot be read."""
    if data[:4] == b"curv" and len(data) >= 12:
        count = int.from_bytes(data[8:12], "big")
        if count == 0:
            return _CURVE_STEPS
        if count == 1:
            power = int.from_bytes(data[12:14], "big") / 256
            return tuple(step**power for step in _CURVE_STEPS)
        if len(data) >= 12 + 2 * count:
            places = [12 + 2 * round(step * (count - 1)) for step in _CURVE_STEPS]
            return tuple(int.from_bytes(data[at : at + 2], "big") / 65535 for at in places)
    if data[:4] == b"para" and len(data) >= 16:
        return _parametric(data)
    return ()


def _parametric(data: bytes) -> tuple[float, ...]:
    """The light of a parametric curve (ICC.1:2022, 10.18) at `_CURVE_STEPS`. Only y = (a x + b) ** g (+ c) is needed,
    because the steps lie above every d in use."""
    kind = int.from_bytes(data[8:10], "big")
    values = [_fixed(data[at : at + 4]) for at in range(12, min(len(data), 40) - 3, 4)]
    if kind > 4 or len(values) < (1, 3, 4, 5, 7)[kind]:
        return ()
    power, a, b = values[0], values[1] if kind else 1.0, values[2] if kind else 0.0
    plus = {2: values[3] if kind == 2 else 0.0, 4: values[5] if kind == 4 else 0.0}.get(kind, 0.0)
    try:
        return tuple(float(max(a * step + b, 0.0) ** power) + plus for step in _CURVE_STEPS)
    except (OverflowError, ZeroDivisionError):
        return ()


def _description(data: bytes) -> str:
    text = ""
    if data[:4] == b"desc":
        text = data[12 : 12 + int.from_bytes(data[8:12], "big")].decode("latin-1")
    elif data[:4] == b"mluc" and len(data) >= 28:
        length, place = int.from_bytes(data[20:24], "big"), int.from_bytes(data[24:28], "big")
        text = data[place : place + length].decode("utf-16-be", "replace")
    printable = "".join(char for char in text.split("\0")[0] if char.isprintable())
    return " ".join(printable.split())[:_MAX_NAME]
