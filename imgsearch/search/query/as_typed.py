"""What people type in place of a filter's name or value as it is written here."""

from __future__ import annotations

import unicodedata

NAMES = ("folder", "name", "camera", "tag", "caption", "text", "album", "similar", "like")
"""Filters whose values are names and words, taken as they are typed."""
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")


def plain_value(name: str, value: str) -> str:
    """A value as the readers of numbers, dates and choices expect it: digits of any script and full-width signs as
    those of ASCII, every dash a minus. Names stay as typed."""
    if name in NAMES:
        return value
    plain = unicodedata.normalize("NFKC", value).translate(_DASHES)
    return "".join(str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in plain)


def _meant(sentence: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), sentence)


MEANT: dict[str, str] = {
    **_meant("did you mean 'year', 'after' or 'before'?", "date month day taken time when since until created"),
    **_meant("did you mean 'type'?", "ext extension format filetype mime kind"),
    **_meant("did you mean 'folder'?", "path dir directory in"),
    **_meant("did you mean 'name'?", "file filename"),
    **_meant("did you mean 'tag'?", "person people face who keyword keywords label subject"),
    **_meant("did you mean 'near'?", "place location city country geo gps where"),
    **_meant("did you mean 'rating'?", "star stars"),
    **_meant("did you mean 'camera'?", "make model"),
    **_meant("did you mean 'text'?", "ocr words"),
    **_meant("did you mean 'width' or 'height'?", "size resolution megapixels"),
    **_meant("did you mean 'is:landscape' or 'is:portrait'?", "orientation shape"),
    **_meant("did you mean 'caption'?", "title description alt comment"),
    **_meant("did you mean 'is:favourite'?", "favourite favorite fav"),
    **_meant("", "iso lens color colour"),  # nothing of ours, though spelled like something
}
"""Filters of other programs, and what comes next to each here; "" for nothing."""
