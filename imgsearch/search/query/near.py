"""The value of ``near:``: a town, or degrees, with the kilometres around it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

from imgsearch.errors import UsageError

NEAR_KM = 5.0
"""Around degrees without kilometres behind them."""

EXAMPLE = "near:48.86,2.35,5"

_KILOMETRES = re.compile(r"\s*,\s*(\d{1,5}(?:\.\d{1,9})?)\s*(?:km)?\s*$", re.ASCII | re.IGNORECASE)
_RATHER = 10
"""A longer name counts unless the shorter one has so many times its people: "near:Los Angeles" is no Lagos, which is
Los in some languages, but "near:Lisbon falls" is not the village of Lisbon Falls."""

_NUMBER = r"(\d{1,2}(?:\.\d+)?)"
_ANGLE = rf"(\d{{1,3}}(?:\.\d+)?)\s*[°ºo]?\s*(?:{_NUMBER}\s*['′’]\s*)?(?:{_NUMBER}\s*(?:[\"″”]|['′’]{{2}})\s*)?"
_BEHIND = re.compile(rf"{_ANGLE}([NS])[\s,;]*{_ANGLE}([EW])", re.IGNORECASE)
_BEFORE = re.compile(rf"([NS])\s*{_ANGLE}[\s,;]*([EW])\s*{_ANGLE}", re.IGNORECASE)


def read_near(value: str) -> tuple[float, float, float]:
    """(degrees north, degrees east, kilometres): of a town (``Lisbon``, ``Paris, Texas``, ``Lisbon, 3 km``), or as they
    stand there (``48.86,2.35,5``, ``48°51'N 2°21'E``). Raises UsageError."""
    town, kilometres = _named_place(value)
    try:
        if town:
            from imgsearch import places  # 3 MB of names: opened for those who name a place

            found = places.find_town(town).town
            north, east = found.latitude, found.longitude
            kilometres = places.radius_of(found) if kilometres is None else kilometres
        else:
            north, east, kilometres = _degrees(value)
        if not (-90 <= north <= 90 and -180 <= east <= 180 and 0 < kilometres < 30_000):
            raise ValueError
    except ValueError as exc:
        raise UsageError(
            f"near:{value[:40]} is not understood, expected a town, or degrees north, degrees east and kilometres",
            f"for example {EXAMPLE}",
        ) from exc
    return north, east, kilometres


def near_notes(value: str) -> tuple[str, ...]:
    """Which town of a name was taken, if there are several."""
    town, _ = _named_place(value)
    if not town:
        return ()
    from imgsearch import places

    note = places.find_town(town).note(town)
    return () if note is None else (note,)


def require_whole_name(value: str, following: Sequence[str]) -> None:
    """Raise UsageError where a name goes on in the words behind it: ``near:San Francisco`` would be San alone."""
    town, kilometres = _named_place(value)
    if not town or "," in town or " " in town or kilometres is not None:
        return
    from imgsearch import places

    known = places.weight_of(town)
    for longer in accumulate([town, *following[:3]], lambda begun, word: f"{begun} {word}"):
        if longer != town and places.weight_of(longer) * _RATHER >= max(known, 1):
            raise UsageError(f"near:{longer} has a name of several words", f'put it in quotes: near:"{longer}"')


def _named_place(value: str) -> tuple[str, float | None]:
    """The name of a town in a value, "" for none, and the kilometres behind it."""
    bare = _KILOMETRES.sub("", value)
    if _is_number(value.partition(",")[0]) or _spelled_out(bare) or not any(letter.isalpha() for letter in bare):
        return "", None
    match = _KILOMETRES.search(value)
    return (bare, float(match[1])) if match else (value, None)


def _degrees(value: str) -> tuple[float, float, float]:
    """Raises ValueError."""
    bare, match = _KILOMETRES.sub("", value), _KILOMETRES.search(value)
    if place := _spelled_out(bare):
        return *place, float(match[1]) if match else NEAR_KM
    numbers = re.sub(r"(?i)(?<=[\d\s])km\s*$", "", value)
    north, east, *told = (float(part) for part in numbers.split(","))
    (kilometres,) = told or [NEAR_KM]
    return north, east, kilometres


def _spelled_out(text: str) -> tuple[float, float] | None:
    """Degrees with N, S, E or W, and perhaps minutes and seconds."""
    if match := _BEHIND.fullmatch(text.strip()):
        north, south, east, west = match.groups()[:3], match[4], match.groups()[4:7], match[8]
    elif match := _BEFORE.fullmatch(text.strip()):
        north, south, east, west = match.groups()[1:4], match[1], match.groups()[5:8], match[5]
    else:
        return None
    signs = (-1 if south in "sS" else 1, -1 if west in "wW" else 1)
    return signs[0] * _angle(north), signs[1] * _angle(east)


def _angle(parts: Sequence[str | None]) -> float:
    return sum((float(part or 0) / (1, 60, 3600)[place] for place, part in enumerate(parts)), 0.0)


def _is_number(text: str) -> bool:
    """Whether `float` reads it: "nan" is no town."""
    try:
        float(text)
    except ValueError:
        return False
    return True
