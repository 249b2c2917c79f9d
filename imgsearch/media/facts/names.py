"""Dates in file names, as phones, cameras and messengers write them ("PXL_20210102_030405678", "WhatsApp Image
2019-07-14 at 15.30.12", "mmexport1563117012345"), and the time of a file's last change.

A number counts as a date only if it stands by itself and its parts form a day of the calendar between 1990 and next
year. Sources: names that these programs give, as found in users' libraries and in the importers of Google Photos,
PhotoPrism and immich.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from imgsearch.media.facts.dates import Clock, offset_text, written

_FIRST_YEAR = 1990
_DAY = r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<mark>[-_. ]?)(?P<month>\d\d)(?P<second_mark>[-_. ]?)(?P<day>\d\d)"
# The time may follow the day directly: six digits after at most one separator, and perhaps milliseconds.
_ZONE = r"(?:Z\b|[ _]?UTC(?![^\W_]))|\+\d\d:?\d\d(?!\d)"  # a minus may begin a counter
_CLOSE = (
    r"(?:[-_ T.]?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?P<part>\d{2,3})?)(?!\d)"
    rf"(?P<close_zone>{_ZONE})?"
)
# Or as three numbers with separators, perhaps after a word or a half of the day ("at", "um", "a las", "PM").
_AFTER_NOON = r"p\.?[ ]?m|μ\.?μ|م|下午|午後|오후|晚上|中午"
_BEFORE_NOON = r"a\.?[ ]?m|π\.?μ|ص|上午|午前|오전|凌晨|早上"
_APART = (
    r"(?:[-_ T.,]{1,3}(?:[^\W\d_]{1,4}(?:\(s\))?\.?[ _-]){0,2}?"
    rf"(?:(?P<early_half>{_BEFORE_NOON}|{_AFTER_NOON})[ _]?)?"
    r"(?P<far_hour>\d{1,2})(?P<far_mark>[-_.: h])(?P<far_minute>\d\d)"
    r"(?:(?P=far_mark)|m)(?P<far_second>\d\d)(?:[-_.](?P<far_part>\d{3}))?(?!\d)"
    rf"(?:[ _]?(?P<half>{_BEFORE_NOON}|{_AFTER_NOON})(?![^\W\d_])|(?P<far_zone>{_ZONE}))?)"
)
# Or hours and minutes alone, where a word or an "h" says that they are a time.
_MINUTES = re.compile(
    r"(?:,? (?:at|um|om|kl\.?|alle|ore|a las|à|às|в|o) (?P<hour>\d{1,2})[.:h](?P<minute>\d\d)"
    r"|[T _-](?P<h_hour>\d\d?)h(?P<h_minute>\d\d))(?![\d.:m])"
    rf"(?: ?(?P<half>{_BEFORE_NOON}|{_AFTER_NOON})(?![^\W\d_]))?",
    re.IGNORECASE,
)
_NAME = re.compile(f"{_DAY}(?:{_CLOSE}|{_APART}|(?!\\d))", re.IGNORECASE)
_DAY_FIRST = re.compile(
    r"(?<!\d)(?P<day>\d{1,2})(?P<mark>[-._])(?P<month>\d{1,2})(?P=mark)(?P<year>(?:19|20)\d\d)"
    + f"(?:{_APART}|(?!\\d))",
    re.IGNORECASE,
)
# Milliseconds since 1970, after a prefix of the programs that write them, or alone: no article number (EAN) begins
# with 14 to 19. Android's emulators write seconds.
_EPOCH = re.compile(
    r"(?:^|[^a-z])(?:fb_img|mmexport|wx_camera|microMsg|line|faceapp|img|image|photo|pic|picsart|screenshot|camera|"
    r"collage)[-_. ]?(\d{13})(?!\d)|^(1[4-9]\d{11})(?![\da-z])|^screenshot_(\d{10})(?!\d)",
    re.IGNORECASE,
)
_BLANKS = str.maketrans("\u00a0\u202f\u2009", "   ")  # macOS writes a narrow no-break space before "PM"
_DIGITS = re.compile(r"\d")
_NUMBERED = re.compile(r"\d{4}|\d[.-]\d\d?[.-]\d\d")
# Behind two more digits Epson's scanners write hundredths, and the Nintendo Switch a counter.
_HUNDREDTHS = re.compile(r"img\d", re.IGNORECASE)
_NO_TIME = re.compile(r"line_album_", re.IGNORECASE)  # LINE_ALBUM_20190714_190714_1: the second number is a day too
_UTC = re.compile(r"pxl_", re.IGNORECASE)  # Pixel phones write UTC into their names
_RUN = re.compile(r"[a-z0-9]*", re.IGNORECASE)


def name_date(name: str) -> str | None:
    """The date in a file's ``name`` as ISO 8601, as precise as it is given; None if there is none. 2 microseconds."""
    stem = name.rpartition(".")[0] or name
    if not stem.isascii():
        stem = unicodedata.normalize("NFC", stem).translate(_BLANKS)
        stem = _DIGITS.sub(lambda digit: str(int(digit[0])), stem)
    if not _NUMBERED.search(stem):
        return None
    stem = plain_dates(stem)
    for match in _NAME.finditer(stem):
        if found := _checked(stem, match):
            return found
    epoch = _EPOCH.search(stem)
    if epoch is not None:
        when = epoch_date(int(epoch[3]) if epoch[3] else int(epoch[1] or epoch[2]) // 1000)
        if when:
            return when
    for match in _DAY_FIRST.finditer(stem):
        day, month = int(match["day"]), int(match["month"])
        if match["mark"] == "_" and not match["far_hour"]:
            continue  # three numbers; with a time the Xbox Game Bar wrote them
        if match["mark"] != "." and month > 12:  # the American order
            day, month = month, day
        is_sure = day > 12 or match["mark"] == "." or day == month  # otherwise day and month cannot be told apart
        if is_sure and (found := _written(match, month, day, "")):
            return found
    return None


def file_date(mtime_ns: int) -> str | None:
    """The time of a file's last change by this machine's clock; None for a time that no clock showed."""
    try:
        changed = datetime.fromtimestamp(mtime_ns // 1_000_000_000)
    except (ValueError, OverflowError, OSError):
        return None
    return changed.isoformat(timespec="seconds") if _plausible(changed.year) else None


def date_of_file(name: str, mtime_ns: int) -> tuple[str | None, str | None]:
    """(date, source) of a file whose content has no date: from its "name", or else from the "file" system."""
    found = name_date(name)
    if found:
        return found, "name"
    found = file_date(mtime_ns)
    return found, "file" if found else None


def epoch_date(seconds: float, first_year: int = _FIRST_YEAR) -> str | None:
    """ISO 8601 of seconds since 1970, UTC; None for a time at which no photograph was taken."""
    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None
    return when.isoformat(timespec="seconds") if first_year <= when.year <= date.today().year + 1 else None


def _checked(stem: str, match: re.Match[str]) -> str:
    """The date that a year, a month and a day form, unless they look like part of a longer number."""
    marks = match["mark"], match["second_mark"]
    if marks not in (("", ""), ("-", "-"), ("_", "_"), (".", "."), (" ", " "), ("_", "")):
        return ""
    before = _RUN.match(stem[match.start() - 1 :: -1] if match.start() else "")
    after = _RUN.match(stem, match.end())
    left, right = before[0] if before else "", after[0] if after else ""
    is_hexadecimal = re.fullmatch("[0-9a-f]+", left, re.IGNORECASE) is not None
    if is_hexadecimal or (right and any(map(str.isdigit, right)) and re.fullmatch("[0-9a-f]+", right, re.IGNORECASE)):
        return ""
    found = _written(match, int(match["month"]), int(match["day"]), "+00:00" if _UTC.match(stem) else "")
    if _NO_TIME.match(stem):
        return found[:10]
    return found[:19] if len(match["part"] or "") == 2 and not _HUNDREDTHS.match(stem) else found


def _written(match: re.Match[str], month: int, day: int, offset: str) -> str:
    groups = match.groupdict()
    year = int(groups["year"])
    if not (_plausible(year) and 1 <= month <= 12 and 1 <= day <= 31):
        return ""
    parts = [groups.get(name) or groups.get(f"far_{name}") for name in ("hour", "minute", "second")]
    if parts[0] is None and (short := _MINUTES.match(match.string, match.end())):
        groups = short.groupdict()
        parts = [groups["hour"] or groups["h_hour"], groups["minute"] or groups["h_minute"], None]
    hour, minute, second = (int(part) if part else None for part in parts)
    hour = _of_day(hour, (groups.get("early_half") or groups.get("half") or "").lower())
    zone = groups.get("close_zone") or groups.get("far_zone")
    offset = offset_text(zone.strip(" _").upper()) if zone else offset
    if hour is None or hour > 24 or (minute or 0) > 59 or (second or 0) > 59:
        return written(Clock(year, month, day))
    part = groups.get("part") or groups.get("far_part") or ""
    return written(Clock(year, month, day, hour, minute, second, part, offset))


def _of_day(hour: int | None, half: str) -> int | None:
    """The hour from 0 to 23, from one that is counted from noon or midnight."""
    if hour is None or not half or hour > 12:
        return hour
    return hour % 12 + (12 if re.fullmatch(_AFTER_NOON, half) else 0)


def _plausible(year: int) -> bool:
    return _FIRST_YEAR <= year <= date.today().year + 1


# Dates in spellings of their own, as Photo Booth, iOS's mail and upload programs, Picsart and scanner apps write them.
_MONTH_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"((?:19|20)\d\d)(?!\d)"
_NAMED = re.compile(
    rf"(?<![^\W_])(?:(\d{{1,2}})(?:st|nd|rd|th)?[ ._-]{{0,2}}{_MONTH}[ .,_-]{{0,2}}"
    rf"|{_MONTH}[ ._-]{{0,2}}(\d{{1,2}})(?:st|nd|rd|th)?[ ,._-]{{1,2}}){_YEAR}",
    re.IGNORECASE,
)
# "2019-7-4", but neither an address nor a version of four numbers.
_UNPADDED = re.compile(r"(?<![\d.-])((?:19|20)\d\d)([-.])(\d{1,2})\2(\d{1,2})(?!\d|\.\d)")
# iOS: "Foto 14.07.19, 15 30 12". Photo Booth: "Photo on 7-14-19 at 3.30 PM".
_SHORT_YEAR = re.compile(r"^([^\W\d_]{3,8} (?:on |am |le )?)(\d{1,2})([.-])(\d{1,2})\3(\d\d)(?=,? (?:\w{1,3} )?\d)")
_PICSART = re.compile(r"^picsart_(\d\d)-(\d\d)-(\d\d)_", re.IGNORECASE)
_DASHCAM = re.compile(r"^(?:file|emer|event|norm|park)_?(\d\d)(\d\d)(\d\d)-(?=\d{6}(?!\d))", re.IGNORECASE)
# A day and a time as they are written in Chinese, Japanese and Korean.
_EAST_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日号號일]?")
_EAST_TIME = re.compile(r"(\d{1,2}) ?[时時点點시] ?(\d{1,2}) ?[分분] ?(\d{1,2}) ?[秒초]?")


def plain_dates(stem: str) -> str:
    """The name with dates in such spellings as "2019-07-14 15.30.12". 2 microseconds."""
    rules = _RULES if stem.isascii() else (*_EAST_RULES, *_RULES)
    for pattern, rewrite in rules:
        stem = pattern.sub(rewrite, stem)
    return stem


def _iso(year: str | int, month: str | int, day: str | int) -> str:
    return f"{int(year):04}-{int(month):02}-{int(day):02}"


def _named(found: re.Match[str]) -> str:
    month = _MONTH_NAMES.index((found[2] or found[3])[:3].lower()) + 1
    return _iso(found[5], month, found[1] or found[4])


def _short_year(found: re.Match[str]) -> str:
    """Dots stand behind the day. With dashes, day and month count only if one of them cannot be a month."""
    first, second = int(found[2]), int(found[4])
    day, month = (first, second) if found[3] == "." or first > 12 else (second, first)
    if found[3] == "-" and first <= 12 and second <= 12 and first != second:
        return found[0]
    return found[1] + _iso(2000 + int(found[5]), month, day)


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]
_RULES: tuple[_Rule, ...] = (
    (_NAMED, _named),
    (_UNPADDED, lambda found: _iso(found[1], found[3], found[4])),
    (_SHORT_YEAR, _short_year),
    (_PICSART, lambda found: _iso(f"20{found[1]}", found[2], found[3]) + "_"),
    (_DASHCAM, lambda found: _iso(f"20{found[1]}", found[2], found[3]) + "_"),
)
_EAST_RULES: tuple[_Rule, ...] = (
    (_EAST_DAY, lambda found: _iso(found[1], found[2], found[3]) + " "),
    (_EAST_TIME, lambda found: ".".join(f"{int(part):02}" for part in found.groups())),
)
