"""What a page offers where the filters of a search leave nothing: the nearest values that the library has."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.records import Filters
from imgsearch.search.query.parser import parse, pieces_of
from imgsearch.storage import Store
from imgsearch.storage.reads.collected import read_albums
from imgsearch.storage.reads.facets import Facets

OFFERED = 6
_LIKE = 0.5  # least ratio of difflib for a name that may have been meant: "Hollyday" and "Holiday 2023" have 0.7
_LOOK_S = 1.0
"""How long folders' names are collected: 200,000 files. Of a larger library those seen by then are offered."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A search that finds something: ``text`` says it, ``search`` asks it, ``count`` images fit its filters."""

    text: str
    search: str
    count: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"text": self.text, "search": self.search, "count": self.count}


Counting = Callable[[Filters], Facets]


def offers(store: Store, text: str, counting: Counting) -> list[Offer]:
    """The nearest searches to ``text`` (readable) whose filters leave something: for each of its filters the values
    beside the one that it names, with the other filters or, where these leave nothing, without them; then the search
    without each filter. Raises UsageError for a text that cannot be read."""
    pieces = pieces_of(text)
    filters = [at for at, (_, name, _, unwanted) in enumerate(pieces) if name and not unwanted]
    words = " ".join(piece for at, (piece, *_) in enumerate(pieces) if at not in filters)
    rests = {at: " ".join(piece for place, (piece, *_) in enumerate(pieces) if place != at) for at in filters}
    nearest = [one for at in filters for one in _nearest(store, rests[at], pieces[at], counting)]
    if not nearest and len(filters) > 1:
        nearest = [one for at in filters for one in _nearest(store, words, pieces[at], counting)]
    without = [
        Offer(f"without {pieces[at][1]} {pieces[at][2]}", rests[at])
        for at in filters
        if len(filters) > 1 and len(store.matching_images(parse(rests[at]).filters))
    ]
    return [*nearest[:OFFERED], *without[:OFFERED]]


def _nearest(store: Store, rest: str, piece: tuple[str, str, str, bool], counting: Counting) -> Iterator[Offer]:
    _, name, value, _ = piece
    if name not in _NEAREST:
        return
    for shown, meant, count in _NEAREST[name](value, counting(parse(rest).filters), store):
        search = f"{rest} {_term(name, meant)}".strip()
        found = len(store.matching_images(parse(search).filters)) if count is None else count
        if found:
            yield Offer(shown, search, found)


Values = Iterator[tuple[str, str, int | None]]  # as shown, as the query has it, how many


def _years(value: str, found: Facets, _: Store) -> Values:
    """The nearest year before and after, and with them those that begin alike."""
    digits = re.findall(r"\d+", value)
    wanted = int(digits[0]) if digits else 0
    counts = dict(found.years)
    for year in sorted(counts, key=lambda year: (abs(year - wanted), year))[:3]:
        yield str(year), str(year), counts[year]


def _cameras(value: str, found: Facets, _: Store) -> Values:
    yield from _closest(value, ((name, name, count) for name, count in found.cameras), others=2)


def _types(value: str, found: Facets, _: Store) -> Values:
    names = {"JPEG": "jpg", "HEIF": "heic"}
    yield from _closest(
        value, ((kind, names.get(kind, kind.lower()), count) for kind, count in found.formats), others=3
    )


def _folders(value: str, found: Facets, store: Store) -> Values:
    asked = Path(value).name or value
    known = [(path.name or str(path), str(path), count) for path, count in found.folders]
    seen = {meant for _, meant, _ in known}
    deeper = ((path.name, str(path), None) for path in _folders_of(store) if str(path) not in seen)
    yield from _closest(asked, [*known, *deeper], others=3)


def _albums(value: str, _: Facets, store: Store) -> Values:
    known = ((album.name, album.name, None) for album in read_albums(store) if album.images)
    yield from _closest(value.rstrip("*"), known, others=3)


_NEAREST: dict[str, Callable[[str, Facets, Store], Values]] = {
    "album": _albums,
    "year": _years,
    "camera": _cameras,
    "type": _types,
    "folder": _folders,
}


def _closest(value: str, known: Iterable[tuple[str, str, int | None]], others: int) -> Values:
    """Those whose names are spelt alike; where there is none, the first ``others``."""
    rows = list(known)
    names = {row[0].casefold(): row for row in reversed(rows)}
    alike = difflib.get_close_matches(value.casefold(), list(names), 3, _LIKE)
    yield from (names[name] for name in alike) if alike else rows[:others]


def _folders_of(store: Store) -> list[Path]:
    until = time.monotonic() + _LOOK_S
    found: dict[Path, None] = {}
    for root in store.roots():
        for number, state in enumerate(store.files(root.root_id)):
            if number % 1000 == 0 and time.monotonic() > until:
                return list(found)
            folder = Path(state.relative_path).parent
            for above in (folder, *folder.parents)[:-1] if folder.parts else ():
                found.setdefault(root.path / above)
    return list(found)


def _term(name: str, value: str) -> str:
    plain = value.replace('"', "")
    return f'{name}:"{plain}"' if any(letter.isspace() for letter in plain) else f"{name}:{plain}"
