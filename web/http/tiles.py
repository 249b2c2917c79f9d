"""How a template writes an image's tile: its ratio's class, its alternative text, its probability."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import Blueprint

from imgsearch.wording import describe_pace, describe_size

NARROWEST, WIDEST = 0.45, 3.2
"""Ratios of a tile: narrower or wider images lose their edges in the grid, and would otherwise be stripes."""

_STEP = math.log(1.02)
_FIRST = 40  # the class of a square

_WIDE = 16 / 9
_HEIGHTS = (100, 178, 220)
"""Of a tile in pixels, as css/search.css has it; a phone's 92 and their share of what is left of a row."""

_WORD_FIRST = re.compile("[a-z]+[ ,]")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def ratio_class(hit: Mapping[str, Any]) -> str:
    """The class in static/css/ratios.css with this image's width over height, to 1 %; static/js/grid.js has the same
    rule. A strict content policy allows no style on a tile."""
    ratio = min(WIDEST, max(NARROWEST, hit["width"] / max(1, hit["height"])))
    return f"a{math.floor(math.log(ratio) / _STEP + 0.5) + _FIRST}"


def tile_sizes(hit: Mapping[str, Any]) -> str:
    """How long the longer side of this image is in its tile, for ``sizes`` beside thumbnails by their longer side;
    static/js/grid.js has the same rule. On a plain screen of less than 2,000 px no tile asks for more than the small
    one; panoramas' are as high as those of 16 to 9."""
    longer = min(_WIDE, max(1, hit["width"] / max(1, hit["height"])))
    phone, screen, wide = (math.floor(height * longer + 0.5) for height in _HEIGHTS)
    return f"(max-width: 600px) {phone}px, (min-width: 2000px) {wide}px, {screen}px"


def alt_text(hit: Mapping[str, Any]) -> str:
    """What an image shows, where a caption says so for sure, else its name; and its day."""
    day, shown = long_day(hit["taken_at"]), hit.get("alt") or caption_text(hit.get("caption")) or str(hit["name"])
    return f"{shown}, taken {day}" if day else shown


def caption_text(caption: Mapping[str, Any] | None) -> str:
    """An image's caption as text; an unsure one says so. "" for none."""
    if caption is None:
        return ""
    return str(caption["text"]) if caption["sure"] or not caption["text"] else f"Perhaps {caption['text']}"


def long_day(taken_at: str | None) -> str:
    """ "2023-05-03T10:00:00" as "3 May 2023"; "" for None and for what is no date."""
    try:
        day = date.fromisoformat((taken_at or "")[:10])
    except ValueError:
        return ""
    return f"{day.day} {day:%B} {day.year}"


def short_day(taken_at: str | None) -> str:
    """ "2023-12-03T10:00:00" as "3 Dec 2023"; of what is no whole date all that it says."""
    day, month, year = (*long_day(taken_at).split(), "", "", "")[:3]
    return f"{day} {month[:3]} {year}" if day else taken_at or ""


def percent(share: float) -> str:
    """ "97 %"; never 100 for less than all."""
    return f"{99 if 0.995 < share < 1 else round(100 * share)} %"


def legible(name: str) -> str:
    """A name as it is stored: characters that turn others round are shown, as \\u202e, and turn nothing
    (static/js/dom.js has the same). A terminal is told more of them (`imgsearch.wording.one_line`): marks such as
    U+200E, which messengers put into names, are not seen on a page and turn nothing else."""
    return _TURNING.sub(lambda mark: f"\\u{ord(mark[0]):04x}", name)


def sentence(text: str) -> str:
    """``text`` with a capital letter first, unless that is a path's or a file's (static/js/dom.js has the same)."""
    return text[:1].upper() + text[1:] if _WORD_FIRST.match(text) else text


def install_tiles(blueprint: Blueprint) -> None:
    """Let templates use these as filters."""
    for function in (ratio_class, tile_sizes, alt_text, caption_text, long_day, short_day, percent, legible, sentence):
        blueprint.add_app_template_filter(function)
    blueprint.add_app_template_filter(describe_size, "file_size")
    blueprint.add_app_template_filter(describe_pace, "seconds_each")
