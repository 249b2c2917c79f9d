"""A query, and a hint, in words for a person who sees a page: no names of the query language, no command lines."""

from __future__ import annotations

import re
from collections.abc import Callable

from imgsearch.errors import UsageError
from imgsearch.places import named_place
from imgsearch.search.query.parser import pieces_of

_SPOKEN = (
    (re.compile(r"ids are in `imgsearch search --json`"), "it was taken away, or another library is open here"),
    (re.compile(r'for example: imgsearch search "([^"]*)"'), r"for example: \1"),
    (re.compile(r"leave similar: and like: out"), "compare with one of them"),
    (re.compile(r" to compare with and like:, expected one"), " to compare with beside words, expected one"),
    (re.compile(r"^like:photo\.jpg at night$"), "leave one of them out"),
    (re.compile(r"^-similar: stands alone$"), "there is no picture to be like, only one to be less like"),
    (re.compile(r"[;,] --\w.*$"), ""),
)
"""What the engine says to somebody at a terminal, and what is said here."""

_COMMAND = re.compile(r"\bimgsearch [a-z]|(?:^|\s)--?[a-z]")
_PREPOSED = {
    "album": "in the album {}",
    "folder": "in {}",
    "name": "named {}",
    "camera": "taken with {}",
    "near": "near {}",
    "type": "{}",
}
_PLAIN = frozenset({"year", "is"})
_MARKED = {"favourite": "favourites", "favorite": "favourites", "hidden": "hidden ones"}
_COLLECTION = {"album": "{}", "favourites": "Favourites", "hidden ones": "Hidden pictures"}
"""Headings of a page that shows one album, or one mark, and nothing else."""


def spoken(text: str) -> str:
    """``text`` as a page says it; "" if it is of use at a terminal alone."""
    for pattern, words in _SPOKEN:
        text = pattern.sub(words, text)
    return text


_GONE = re.compile(r"^the library holds no picture with the id \d+$")


def about_a_query(text: str) -> str:
    """What is wrong with a query, as `on_a_page`, and without the number of the picture that it compares with."""
    return on_a_page(_GONE.sub("the picture that this compares with is not in the library any more", text))


def on_a_page(text: str) -> str:
    """``text`` without sentences that name a command: whoever looks at a page may have no terminal."""
    kept = [part for part in re.split(r"; |(?<=\.) ", spoken(text)) if not _COMMAND.search(part)]
    return "; ".join(kept)


def heading_of(text: str, name_of: Callable[[int], str | None] = lambda _: None) -> str:
    """What a query asks for, as a heading: its words, and its filters as a person would say them. ``name_of`` gives the
    name of the picture that it compares with. "" for an empty query, and for one that cannot be read."""
    words, said, alike, unlike = [], [], list[str](), 0
    try:
        pieces = pieces_of(text)
    except UsageError:
        return ""
    for piece, name, value, unwanted in pieces:
        if name in ("similar", "like"):
            shown = name_of(int(value)) if re.fullmatch(r"[0-9]{1,18}", value) and not alike else None
            alike += [] if unwanted else [shown or "this one"]
            unlike += unwanted
        elif name:
            said.append(_said(name, value, unwanted))
        else:
            words.append(piece)
    asked = " ".join(words)
    if alike:
        more = f" and {len(alike) - 1} more" if alike[1:] else ""
        less = f", less like {'another' if unlike == 1 else f'{unlike} others'}" if unlike else ""
        asked = f"Pictures like {alike[0]}{more}{less}" + (f", with “{asked}”" if asked else "")
    filters = ", ".join(said)
    if not asked and len(said) == 1 and not unwanted:
        value = value if name == "album" else ""
        if whole := _COLLECTION.get(name if name == "album" else said[0]):
            return whole.replace("{}", value)
    if not asked:
        return f"Pictures: {filters}" if filters else ""
    return f"{asked} ({filters})" if filters else asked


def _around(value: str) -> str:
    """Degrees and kilometres as a place with a name; "" for a value that names one itself."""
    try:
        north, east, *told = (float(part) for part in value.split(","))
    except ValueError:
        return ""
    if not (-90 <= north <= 90 and -180 <= east <= 180):
        return ""
    town = named_place(north, east)
    place = town["said"] if town else f"{north:.2f}, {east:.2f}"
    return f"within {told[0]:,.3g} km of {place}" if told and told[0] < 1000 else f"around {place}"


def _said(name: str, value: str, unwanted: bool) -> str:
    value = value.rstrip("/").rpartition("/")[2] or value if name == "folder" else value
    value = value.upper() if name == "type" else _MARKED.get(value.lower(), value) if name == "is" else value
    text = value if name in _PLAIN else _PREPOSED.get(name, f"{name} {{}}").replace("{}", value)
    text = (_around(value) if name == "near" else "") or text
    return f"not {text}" if unwanted else text
