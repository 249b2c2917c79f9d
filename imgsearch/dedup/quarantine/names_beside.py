"""Free names beside a name that is taken, and matching names for the companions of that file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_BESIDE = 10_000
_LONGEST_NAME = 255  # bytes
_MARK = " (restored"


def names_beside(name: str) -> Iterator[str]:
    """The name, then "NAME (restored).EXT", "NAME (restored 2).EXT" ..., cut to what file systems hold."""
    yield name
    stem, ending = _split(name)
    for number in range(1, _MOST_BESIDE):
        yield _shortened(stem, f"{_MARK}{f' {number}' if number > 1 else ''}){ending}")


@dataclass(frozen=True, slots=True)
class Followed:
    """The image that a companion follows: its former name, and the one of `names_beside` under which it came back."""

    name: str
    given: str

    def name_of(self, companion: str) -> str:
        """The new name of a companion: it gets the image's mark, behind the image's name if it begins with that. If
        "a.jpg" is back as "a (restored).jpg", "a.jpg.xmp" becomes "a (restored).jpg.xmp", "A.xmp" becomes
        "A (restored).xmp", "sound.wav" becomes "sound (restored).wav"."""
        if self.name == self.given:
            return companion
        stem, given = _split(self.name)[0], _split(self.given)[0]
        kept = given[: given.rfind(_MARK)]
        mark = given[len(kept) :]
        if companion[: len(stem)].casefold() == stem.casefold():
            return _shortened(companion[: len(kept)], mark + companion[len(stem) :])
        own, ending = _split(companion)
        return _shortened(own, mark + ending)


def _split(name: str) -> tuple[str, str]:
    """ "a.tar.gz" -> "a.tar", ".gz"; a name that only begins with a point has no extension."""
    stem, dot, extension = name.rpartition(".") if "." in name[1:] else (name, "", "")
    return stem, dot + extension


def _shortened(stem: str, ending: str) -> str:
    kept = os.fsencode(ending)
    return os.fsdecode(os.fsencode(stem)[: _LONGEST_NAME - len(kept)] + kept)
