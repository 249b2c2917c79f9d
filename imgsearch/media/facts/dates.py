"""Dates as cameras, programs and people write them -> ISO 8601, as precise as they are known. No text raises an
exception.

"2015-08-22T00:08:19.25+02:00", "2015-08-22", "1998-07" and "1998" are all dates here. Parts that are blank, zero or
impossible are left out with all behind them ("2019:02:30 10:00:00" is "2019-02"), and nothing is made up. Sources:
EXIF 3.0, XMP (ISO 16684-1), IPTC-IIM 4.2, PNG third edition, and files of phones that write the time in their language
("下午", "오후", Arabic digits).
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from email.utils import parsedate_tz
from typing import NamedTuple

FIRST_YEAR = 1826  # the year of the first photograph
_BEFORE_NOON = "a\\.?m\\.?|上午|午前|오전|凌晨|早上"
_AFTER_NOON = "p\\.?m\\.?|下午|午後|오후|晚上|中午"
_ZONE = r"Z|(?:(?:UTC|GMT)\s*)?[+-]\d{1,2}(?::?\d{2})?(?!\d)|(?:UTC|GMT)\b"
# Parts may be blank: EXIF writes a year alone as "1998:  :     :  :  ".
_DATE = re.compile(r"\s*(\d{4})(?:\s*[-:/.,年년]\s*(\d{0,2})\s*(?:[-:/.,月월]\s*(\d{0,2})\s*[日일.]?)?)?(?=\D|\d\d:|$)")
_SPACED = re.compile(r"\s*(\d{4}) (\d{1,2}) (\d{1,2})(?=\D|$)")
_COMPACT = re.compile(r"\s*(\d{4})(\d{2})(\d{2})(?:[ T_-]?(?=\d{4,6}(?:\D|$)))?(?=\D|\d{4,6}(?:\D|$)|$)")
_DAY_FIRST = re.compile(r"\s*(\d{1,2})([./])(\d{1,2})\2(\d{4})(?=\D|$)")
_TIME = re.compile(
    rf"(?:-(?=\d\d)|[\sT,_]*(?:-\s+)?)(?P<before>{_BEFORE_NOON}|{_AFTER_NOON})?\s*(?P<hour>\d{{1,2}})"
    r"(?:\s*(?P<mark>[:.\-時时시h])\s*(?P<minute>\d{0,2})"
    r"(?:\s*(?:(?P=mark)|[分분m])\s*(?P<second>\d{0,2})\s*[秒초]?(?:[.,](?P<part>\d+))?)?)?"
    rf"\s*(?P<after>{_BEFORE_NOON}|{_AFTER_NOON})?\s*(?P<zone>{_ZONE})?",
    re.IGNORECASE,
)
_COMPACT_TIME = re.compile(rf"[\sT_-]*(?P<hour>\d{{2}})(?P<minute>\d{{2}})(?P<second>\d{{2}})?\s*(?P<zone>{_ZONE})?")
_SIX_DIGITS = re.compile(r"[\sT]\d{6}(?!\d)")
_OFFSET = re.compile(r"(Z|UTC|GMT)|(?:(?:UTC|GMT)\s*)?([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
_HALF = re.compile(r"\s*\b([ap])\.?m\b\.?", re.IGNORECASE)
_MAIL_ZONE = re.compile(r"\d\s+(?!-0000)(?:[+-]\d{4}|[A-Za-z]{1,4})\s*(?:\(.*\))?\s*$")
_WIDE = str.maketrans("：．／－−，　\u00a0\u202f", ":./--,   ")
_DIGITS = re.compile(r"\d")


class Clock(NamedTuple):
    """The parts of a date as they were read; None where a part is blank."""

    year: int
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    part: str = ""  # decimals of the second
    offset: str = ""


def parse_date(text: str, part: str = "", offset: str = "") -> str:
    """ISO 8601 of a date from EXIF, XMP or a person; "" if there is none. ``part`` and ``offset`` are EXIF's SubSecTime
    and OffsetTime, used where the text itself has neither."""
    text = _plain(text)
    found = _DAY_FIRST.match(text)
    if found is not None:
        return _day_first(text, found, part, offset)
    spaced = _SPACED.match(text)
    match = spaced or _DATE.match(text) or _COMPACT.match(text)
    if match is None:
        return ""
    numbers = [int(group) if group else None for group in match.groups()]
    return _joined(numbers, text[match.end() :], part, offset, compact=match.re is _COMPACT)


def iptc_date(day: str, time: str = "") -> str:
    """ISO 8601 of IPTC-IIM's "CCYYMMDD", where unknown parts are zeros, and "HHMMSS+HHMM"."""
    match = re.match(r"(\d{4})(\d{2})(\d{2})$", day.strip()) or re.match(r"(\d{4})\D(\d{2})\D(\d{2})$", day.strip())
    if match is None:
        return parse_date(f"{day} {time}".strip())
    return _joined([int(group) for group in match.groups()], time, "", "", compact=True)


def gps_date(day: str, time: tuple[float, float, float] | None) -> str:
    """ISO 8601 of the GPS clock, which runs in UTC; the day alone if the time is unknown."""
    found = parse_date(day)
    if len(found) < 10 or time is None:
        return found[:10]
    hour, minute, second = time
    whole = int(second)
    part = f"{second - whole:.3f}"[2:] if second != whole else ""
    year, month, date_ = map(int, found[:10].split("-"))
    return written(Clock(year, month, date_, int(hour), int(minute), whole, part, "+00:00"))


def mail_date(text: str) -> str:
    """ISO 8601 of an RFC 1123 date, which PNG asks for in "Creation Time": "Sun, 14 Jul 2019 15:30:12 +0200", also with
    a half of the day ("Jul 14, 2019, 3:30:12 PM") or without a time; "" if there is none."""
    half = _HALF.search(text)
    text = _HALF.sub("", text) if half else text
    try:
        found = parsedate_tz(text)
        whole_day = None if found else parsedate_tz(f"{text.strip()} 00:00:00")  # "14 Jul 2019"
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
    if whole_day is not None and whole_day[0] >= FIRST_YEAR:
        return written(possible(Clock(*whole_day[:3])))
    if found is None or found[0] < FIRST_YEAR:
        return ""
    year, month, day, hour, minute, second, *_, zone = found
    clock_hour = _of_day(hour, f"{half[1].lower()}m") if half else hour
    offset = _offset_of(zone or 0) if _MAIL_ZONE.search(text) else ""
    return written(possible(Clock(year, month, day, clock_hour, minute, second, "", offset)))


def any_date(text: str) -> str:
    """ISO 8601 of a text in either form, `parse_date`'s or `mail_date`'s."""
    return parse_date(text) or mail_date(text)


def possible(clock: Clock) -> Clock:
    """The parts before the first that no calendar has: February 30 is a month, month 13 a year. Fillers such as
    "9999:99:99" are no date: of a damaged one the year must not lie in the future."""
    try:
        date(clock.year, clock.month or 1, clock.day or 1)
    except ValueError:
        year = clock.year if clock.year <= date.today().year + 1 else 0
        return Clock(year, clock.month if 1 <= (clock.month or 0) <= 12 else None)
    return clock


def written(clock: Clock) -> str:
    """ISO 8601 up to the first unknown part; "" if the day does not exist. Hour 24 becomes hour 0 of the same day,
    because phones of three makers write the first hour so. Second 60 becomes 59. Minute 60 and impossible times are
    left out."""
    if not FIRST_YEAR <= clock.year <= 9999:
        return ""
    if not clock.month:
        return f"{clock.year:04}" if clock.month is None or not clock.day else ""
    if not clock.day:
        return f"{clock.year:04}-{clock.month:02}" if clock.month <= 12 else ""
    try:
        text = date(clock.year, clock.month, clock.day).isoformat()
    except ValueError:
        return ""
    if clock.hour is None or clock.hour > 24 or (clock.minute or 0) > 60:
        return text
    text += f"T{clock.hour % 24:02}"
    if clock.minute is None or clock.minute == 60:
        return text
    text += f":{clock.minute:02}"
    if clock.second is not None and clock.second <= 60:
        fraction = clock.part[:9].rstrip("0") or clock.part[:1]  # ".0" stays: it sorts before ".4" in a burst
        text += f":{min(clock.second, 59):02}" + (f".{fraction}" if fraction else "")
    return text + clock.offset


def offset_text(text: str) -> str:
    """ "+02:00" from "+02:00", "+0200" or "+2", "+00:00" from "Z"; "" if there is no offset."""
    match = _OFFSET.fullmatch(_plain(text).strip("\0 \r\n\t"))
    if match is None:
        return ""
    if match[1]:
        return "+00:00"
    hours, minutes = int(match[3]), int(match[4] or 0)
    within = timedelta(hours=hours, minutes=minutes) <= timedelta(hours=14) and minutes < 60
    return f"{match[2]}{hours:02}:{minutes:02}" if within else ""


def has_time(text: str) -> bool:
    """Whether a date of this module includes the seconds."""
    return len(text) >= 19


def _offset_of(seconds: int) -> str:
    minutes = abs(seconds) // 60
    return offset_text(f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}")


def _plain(text: str) -> str:
    """The text with ASCII digits and marks, whatever script it was written in."""
    text = text.translate(_WIDE)
    return text if text.isascii() else _DIGITS.sub(lambda match: str(int(match[0])), text)


def _day_first(text: str, found: re.Match[str], part: str, offset: str) -> str:
    """A date such as "14.07.2019", "14/07/2019" or "07/14/2019". With slashes, day and month count only if one of the
    numbers cannot be a month."""
    first, mark, second, year = int(found[1]), found[2], int(found[3]), int(found[4])
    day, month = (first, second) if mark == "." or first > 12 else (second, first)
    if mark == "/" and first <= 12 and second <= 12 and first != second:
        return f"{year:04}" if year >= FIRST_YEAR else ""
    return _joined([year, month, day], text[found.end() :], part, offset)


def _joined(numbers: list[int | None], rest: str, part: str, offset: str, *, compact: bool = False) -> str:
    year, month, day = (*numbers, None, None)[:3]
    if year is None:
        return ""
    clock = possible(Clock(year, month or None, (month or None) and (day or None)))
    if not (clock.month and clock.day):
        return written(clock)
    match = (_COMPACT_TIME.match(rest) if compact or _SIX_DIGITS.match(rest) else None) or _TIME.match(rest)
    if match is None:
        return written(clock)
    groups = match.groupdict()
    hour, minute, second = (int(groups[name]) if groups.get(name) else None for name in ("hour", "minute", "second"))
    digits = re.match(r"\d*", part.strip())
    fraction = groups.get("part") or (digits[0] if digits else "")
    zone = offset_text(groups.get("zone") or "") or offset_text(offset)
    hour = _of_day(hour, (groups.get("before") or groups.get("after") or "").lower())
    return written(Clock(year, month, day, hour, minute, second, fraction, zone))


def _of_day(hour: int | None, half: str) -> int | None:
    """The hour from 0 to 23, from one that is counted from noon or midnight."""
    if hour is None or not half or hour > 12:
        return hour
    if re.fullmatch(_AFTER_NOON, half):
        return hour % 12 + 12
    return hour % 12
