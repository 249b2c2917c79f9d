"""Dates that programs write into file names in their own spelling, rewritten as "2019-07-14 15.30.12" for `names`.

Sources: names that Photo Booth, iOS's mail and upload programs, Picsart and scanner apps give.
"""

from __future__ import annotations

import re
from collections.abc import Callable

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
# A day and a time as they are written in Chinese, Japanese and Korean.
_EAST_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日号號일]?")
_EAST_TIME = re.compile(r"(\d{1,2}) ?[时時点點시] ?(\d{1,2}) ?[分분] ?(\d{1,2}) ?[秒초]?")


def plain_dates(stem: str) -> str:
    """The name with such dates as numbers. 2 microseconds."""
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
)
_EAST_RULES: tuple[_Rule, ...] = (
    (_EAST_DAY, lambda found: _iso(found[1], found[2], found[3]) + " "),
    (_EAST_TIME, lambda found: ".".join(f"{int(part):02}" for part in found.groups())),
)
