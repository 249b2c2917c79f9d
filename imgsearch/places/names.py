"""Finds a town by its name in any language: ``Lisbon``, ``Lisboa``, ``Лиссабон``, ``Paris, Texas``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from imgsearch.errors import UsageError
from imgsearch.places.folding import folded
from imgsearch.places.towns import Town, Towns, known_towns

_ALIASES = {"usa": "US", "america": "US", "uk": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "holland": "NL"}
"""Names of countries that GeoNames' table does not have."""

_NAMESAKE = 15_000
"""Inhabitants from which a town with its country's name is meant (Singapore, Luxembourg); else the country is."""

_ALIKE = 0.75  # of difflib; "Lisbonn" and "Lisbon" are .92 alike, "Rome" and "Rouen" .67


@dataclass(frozen=True, slots=True)
class Found:
    """The ``town`` that is meant by a name, and the ``others``, the likelier ones first."""

    town: Town
    others: tuple[Town, ...] = ()

    def note(self, name: str) -> str | None:
        """What to tell a person who may have meant another one; None if there is no other."""
        if not self.others:
            return None
        other, more = self.others[0], len(self.others) - 1
        there = f"there is also {other.whole_name}" if not more else f"{more + 1} more, such as {other.whole_name}"
        return f'"{name}" is taken as {self.town.whole_name}; {there}: near:{self._named(other)}'

    def _named(self, other: Town) -> str:
        if other.code != self.town.code:
            return f'"{other.name}, {other.country}"'
        if other.state and other.state != self.town.state:
            return f'"{other.name}, {other.state}"'
        return f"{other.latitude:.2f},{other.longitude:.2f}"


@lru_cache(maxsize=256)
def find_town(text: str) -> Found:
    """The town of a name in any language and spelling of case, accents and hyphens; behind a comma may stand a country
    or a state of the US, as a name or a code. Raises UsageError for a name that no town has, with those like it. 5 ms;
    the first one of a process 0.6 s."""
    name, *limits = (part.strip() for part in text.split(","))
    towns = known_towns()
    form = folded(name)
    rows, codes = _rows_named(towns, form), _codes(towns, form)
    limiting = [_codes(towns, folded(limit)) for limit in limits if limit]
    found = [town for town in map(towns.town, rows) if all(_lies_in(town, codes) for codes in limiting)]
    if codes and not limits:
        found = [town for town in found if _lies_in(town, codes) and town.population >= _NAMESAKE]
    if not found:
        raise _unknown(towns, text, name, bool(codes and not limits), [towns.town(row) for row in rows])
    found.sort(key=lambda town: _likelihood(town, form), reverse=True)
    return Found(found[0], tuple(found[1:]))


def _likelihood(town: Town, form: str) -> float:
    """By inhabitants; a name in another language or of former times counts a tenth, or "Neustadt" would be Baia Mare in
    Romania and none of the towns that are called so, and "Cologne" still has to be Köln and not one in Italy."""
    return town.population if folded(town.name) == form else town.population / 10


@lru_cache(maxsize=256)
def weight_of(name: str) -> float:
    """How likely a name means a town: the inhabitants of the likeliest one, 0 for no town. 5 ms."""
    towns, form = known_towns(), folded(name)
    return max((_likelihood(towns.town(row), form) for row in _rows_named(towns, form)), default=0.0)


def radius_of(_: Town) -> float:
    """Kilometres around a town's middle that ``near:NAME`` covers: most cities with what belongs to them."""
    return 20.0


def _rows_named(towns: Towns, form: str) -> list[int]:
    if not form:
        return []
    own = _lines_with(towns.forms, form)
    other = towns.other_rows[_lines_with(towns.other_forms, form)]
    return sorted({*own, *other.tolist()})


def _lines_with(text: str, form: str) -> list[int]:
    """The numbers of the lines that hold a form between tabs."""
    found, line, place = [], 0, 0
    wanted = f"\t{form}\t"
    while (at := text.find(wanted, place)) >= 0:
        line += text.count("\n", place, at)
        found.append(line)
        place = at + len(wanted) - 1
    return found


def _codes(towns: Towns, form: str) -> set[str]:
    """ISO codes of the countries, and ``US.TX`` of the states, that a name or a code means."""
    found = {code for code, (name, iso3) in towns.countries.items() if form in _forms_of(code, name, iso3)}
    return found | ({_ALIASES[form]} if form in _ALIASES else set())


def _forms_of(code: str, name: str, iso3: str) -> Iterator[str]:
    return (folded(text) for text in (code.removeprefix("US."), name, iso3) if text)


def _lies_in(town: Town, codes: set[str]) -> bool:
    state = known_towns().countries
    return town.code in codes or any(code.startswith("US.") and state[code][0] == town.state for code in codes)


def _unknown(towns: Towns, text: str, name: str, country: bool, elsewhere: Sequence[Town]) -> UsageError:
    if country:
        return UsageError(
            f"near:{text[:60]} names a country or a state, expected a town, or degrees north and east",
            'for example near:Lisbon, near:"Paris, Texas" or near:48.86,2.35,5',
        )
    if elsewhere:
        largest = max(elsewhere, key=lambda town: town.population)
        return UsageError(f"no place is called {text[:60]!r}", f'there is near:"{largest.name}, {largest.country}"')
    alike = _alike(towns, folded(name))
    meant = f"; did you mean {' or '.join(alike)}?" if alike else ""
    return UsageError(
        f"no place is called {text[:60]!r}{meant}",
        'names of several words stand in quotes, near:"New York"; villages are found by degrees: near:48.86,2.35,5',
    )


def _alike(towns: Towns, form: str) -> list[str]:
    """Up to two towns of `_NAMESAKE` people and more with a name that looks like ``form``."""
    large, known = towns.other_rows.tolist(), dict[str, int]()
    own, others = towns.forms.split("\n"), towns.other_forms.split("\n")
    for row, line in sorted(zip(large, others, strict=True), key=lambda one: int(towns.population[one[0]])):
        for name in (own[row] + line).split("\t"):
            if name[:1] == form[:1] and abs(len(name) - len(form)) <= 2:
                known[name] = row  # of one name the largest
    found = difflib.get_close_matches(form, known, 2, _ALIKE)
    return list(dict.fromkeys(towns.names[known[name]] for name in found))
