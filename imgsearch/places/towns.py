"""170,000 towns of GeoNames (CC BY 4.0), packed by ``data/places/make.py``: what a place is called."""

from __future__ import annotations

import io
import lzma
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.errors import LibraryError
from imgsearch.places.sphere import DEGREE_KM, kilometres

FARTHEST_KM = 200.0
"""Beyond, a place is said to be near no town: at sea, in a desert, on the ice."""

_FIRST_BELT = 0.3
"""Degrees to both sides in which the nearest town is looked for first; in populated parts it is there."""


_LARGEST_REACH = 0.5
"""Degrees: `reach_km` of 30 million people, more than any town has."""


def reach_km(population: NDArray[np.int32]) -> NDArray[np.float64]:
    """float64 [n]: how far from its middle a town goes, in kilometres: 1.4 for 20,000 people, 7 for 500,000, 31 for 10
    million, near to half of the way to the edge of the built-up land of Lisbon, Paris and Tokyo. Without it the name of
    a quarter would stand where a person thinks of the city."""
    found: NDArray[np.float64] = np.sqrt(np.maximum(population, 0)) / 100
    return found


@dataclass(frozen=True, slots=True)
class Town:
    """``country``: its English name; ``code``: ISO 3166-1. ``state`` is told for the United States alone."""

    name: str
    country: str
    code: str
    state: str
    latitude: float
    longitude: float
    population: int

    @property
    def whole_name(self) -> str:
        """ "Lisbon, Portugal"; "Paris, Texas, United States"."""
        return ", ".join(dict.fromkeys(part for part in (self.name, self.state, self.country) if part))


@dataclass(frozen=True, slots=True)
class Nearby:
    """A town, how far its middle is, and whether a place counts as in it."""

    town: Town
    kilometres: float
    inside: bool

    @property
    def said(self) -> str:
        """ "Lisbon, Portugal", or "23 km from Lisbon, Portugal"."""
        if self.inside or self.kilometres < 5:
            return self.town.whole_name
        return f"{self.kilometres:,.0f} km from {self.town.whole_name}"

    def as_dict(self) -> dict[str, Any]:
        """As it is told in JSON: ``said``, ``name``, ``country``, ``country_code``, ``state`` and ``km``."""
        town = self.town
        told = {"said": self.said, "name": town.name, "country": town.country, "country_code": town.code}
        return {**told, "state": town.state or None, "km": round(self.kilometres, 1)}


class Towns:
    """The towns of a packed file. Safe between threads. Opening: 0.3 s of CPU and 20 MB; the forms of names, which a
    search by name needs, 0.1 s and 25 MB more."""

    def __init__(self, folder: Path) -> None:
        """``folder`` holds ``towns.npz.xz`` and ``countries.tsv``. Raises LibraryError where they cannot be read."""
        try:
            packed = np.load(io.BytesIO(lzma.decompress((folder / "towns.npz.xz").read_bytes())), allow_pickle=False)
            arrays = {name: packed[name] for name in packed.files}
            lines = (folder / "countries.tsv").read_text("utf-8").splitlines()
        except (OSError, ValueError, KeyError, lzma.LZMAError, EOFError) as exc:
            raise LibraryError(
                f"the names of places in {folder} cannot be read ({exc}), expected those that came with imgsearch",
                "install imgsearch again",
            ) from exc
        self._arrays: dict[str, NDArray[Any]] = arrays
        self.countries = {code: (name, iso3) for code, name, iso3 in (line.split("\t") for line in lines)}
        self.latitude: NDArray[np.float64] = arrays["latitude"] / 1e4
        self.longitude: NDArray[np.float64] = arrays["longitude"] / 1e4
        self.population: NDArray[np.int32] = arrays["population"]
        self._northward = np.argsort(self.latitude, kind="stable")
        self._latitudes = self.latitude[self._northward]
        self._reach = reach_km(self.population)

    def __len__(self) -> int:
        return len(self.latitude)

    @cached_property
    def names(self) -> list[str]:
        """As GeoNames writes them."""
        return self._arrays["names"].tobytes().decode("utf-8").split("\n")

    @cached_property
    def forms(self) -> str:
        """The names as `folding.folded` writes them, one town a line; each line begins and ends with a tab."""
        told = self._arrays["forms"].tobytes().decode("utf-8").split("\n")
        return "\n".join(f"\t{form or name.lower()}\t" for name, form in zip(self.names, told, strict=True))

    @cached_property
    def other_forms(self) -> str:
        """The folded names in other languages of the towns `other_rows`, in the same way."""
        text = self._arrays["others"].tobytes().decode("utf-8")
        return "\t" + text.replace("\n", "\t\n\t") + "\t"

    @property
    def other_rows(self) -> NDArray[np.int32]:
        """int32 [M]: the rows of the lines of `other_forms`."""
        rows: NDArray[np.int32] = self._arrays["other_rows"]
        return rows

    def town(self, row: int) -> Town:
        """The town of a row."""
        code, state = self._arrays["country"][row].decode(), self._arrays["state"][row].decode()
        country = self.countries.get(code, (code, ""))[0]
        state = self.countries.get(f"US.{state}", (state, ""))[0] if state else ""
        place = float(self.latitude[row]), float(self.longitude[row])
        return Town(self.names[row], country, code, state, *place, int(self.population[row]))

    def around(self, north: float, east: float) -> Nearby | None:
        """The town that a person would name for a place in degrees: the most populous of those whose reach
        (`reach_km`) holds it, else the nearest by the great circle, else None: the next is `FARTHEST_KM` away or more.
        0.2 ms where people live, 1 ms elsewhere."""
        first = int(np.searchsorted(self._latitudes, north - _LARGEST_REACH))
        last = int(np.searchsorted(self._latitudes, north + _LARGEST_REACH, side="right"))
        rows = self._northward[first:last]
        rows = rows[self._reach[rows] >= np.abs(self.latitude[rows] - north) * DEGREE_KM]
        distances = kilometres(self.latitude[rows], self.longitude[rows], north, east)
        holding = np.flatnonzero(distances <= self._reach[rows])
        if not len(holding):
            return self.nearest(north, east)
        best = int(holding[self.population[rows[holding]].argmax()])
        return Nearby(self.town(int(rows[best])), float(distances[best]), inside=True)

    def nearest(self, north: float, east: float) -> Nearby | None:
        """The town nearest to a place in degrees, by the great circle; None as `around` says it."""
        belt = _FIRST_BELT
        while True:
            first = int(np.searchsorted(self._latitudes, north - belt))
            last = int(np.searchsorted(self._latitudes, north + belt, side="right"))
            rows = self._northward[first:last]
            if len(rows):
                distances = kilometres(self.latitude[rows], self.longitude[rows], north, east)
                best = int(distances.argmin())
                if distances[best] <= belt * DEGREE_KM:  # nothing outside of the belt is nearer
                    far = float(distances[best])
                    return Nearby(self.town(int(rows[best])), far, inside=False) if far <= FARTHEST_KM else None
            if belt * DEGREE_KM > FARTHEST_KM:
                return None
            belt *= 2.5

    def largest_in(self, south: float, north: float, west: float, width: float, most: int) -> list[Town]:
        """The ``most`` most populous between two latitudes and ``width`` degrees eastward from ``west``, the largest
        first. 2 ms for the whole world."""
        first = int(np.searchsorted(self._latitudes, south))
        last = int(np.searchsorted(self._latitudes, north, side="right"))
        rows = self._northward[first:last]
        rows = rows[(self.longitude[rows] - west) % 360 <= width]
        order = np.argsort(-self.population[rows], kind="stable")[:most]
        return [self.town(row) for row in rows[order].tolist()]


@lru_cache(maxsize=1)
def known_towns() -> Towns:
    """The towns that ship with imgsearch. Opened once a process."""
    return Towns(_shipped())


def named_place(latitude: float | None, longitude: float | None) -> dict[str, Any] | None:
    """The town of a place in degrees, as `Nearby.as_dict` tells it; None where the place is unknown or far from any."""
    if latitude is None or longitude is None:
        return None
    found = known_towns().around(latitude, longitude)
    return None if found is None else found.as_dict()


def _shipped() -> Path:
    """Beside the models that ship: in the package when installed, in ``data`` of a checkout."""
    here = Path(__file__).resolve().parents[1]
    installed = here / "data" / "places"
    return installed if installed.is_dir() else here.parent / "data" / "places"
