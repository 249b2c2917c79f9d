"""The map and `near:` over a million made-up places: reading them from columns, clusters of several windows, names.

Places lie around 3,000 spots, as often as Zipf's law says, 20 km wide. The columns are made in memory: what is measured
is the work over them, not their file. Medians in milliseconds of CPU, one thread; counts are compared with places
counted one by one.

    python benchmarks/places.py [--places 1000000] [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from results import add_flags, markdown_table, write_section, writes

from imgsearch.places import Window, clusters_of, find_town, known_towns
from imgsearch.places.sphere import kilometres
from imgsearch.records import Filters
from imgsearch.search.query.parser import parse
from imgsearch.storage.columns.current import ColumnsAtHand, CurrentColumns
from imgsearch.storage.columns.tables import Columns
from imgsearch.storage.reads.places import Placed, _by_columns

ROUNDS = 9
WINDOWS = (
    ("the world, zoom 1", Window(), 1),
    ("the world, zoom 3", Window(), 3),
    ("a continent, zoom 4", Window(30, -20, 70, 40), 4),
    ("a country, zoom 7", Window(42, -5, 51, 8), 7),
    ("on both sides of 180 degrees, zoom 4", Window(-60, 160, 60, -160), 4),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=1_000_000)
    add_flags(parser)
    arguments = parser.parse_args()
    number = 20_000 if arguments.quick else arguments.places
    lines = markdown_table(("what", "found", "CPU ms"), rows(number))
    print("\n".join(lines))
    if writes(arguments):
        write_section(f"The map of {number:,} places (benchmarks/places.py)", lines)


def rows(number: int) -> list[list[object]]:
    towns = named()  # first: once a process they are opened
    north, east = made_places(number)
    columns = as_columns(north, east)
    found: list[list[object]] = []
    for name, text in (
        ("reading all places from columns", ""),
        ("reading those of `near:Paris,500`", "near:Paris,500"),
    ):
        filters = parse(text).filters if text else Filters()
        placed, milliseconds = timed(lambda filters=filters: _by_columns(columns, filters))
        found.append([name, f"{len(placed):,} places", milliseconds])
    for text in ("near:Lisbon", "near:48.86,2.35,2000", "near:-10,120,4000"):
        filters = parse(text).filters
        mask, milliseconds = timed(lambda filters=filters: columns.matching(filters))
        value = filters.clauses[0].value
        assert int(mask.sum()) == int((kilometres(north, east, *value[:2]) <= value[2]).sum()), text
        found.append([f"filter `{text}`", f"{int(mask.sum()):,} images", milliseconds])
    return [*found, *clustered(_by_columns(columns, Filters())), *towns]


def clustered(placed: Placed) -> list[list[object]]:
    found = []
    for name, window, zoom in WINDOWS:
        clusters, milliseconds = timed(
            lambda window=window, zoom=zoom: clusters_of(
                placed.image_ids, placed.latitude, placed.longitude, window, zoom
            )
        )
        across = (placed.longitude - window.west) % 360 <= window.width
        inside = (placed.latitude >= window.south) & (placed.latitude <= window.north) & across
        assert clusters.count >= int(inside.sum()) and (window != Window() or clusters.count == len(placed)), name
        told = f"{len(clusters.found):,} clusters of {clusters.count:,}"
        found.append([f"clusters: {name}", told, milliseconds])
    return found


def named() -> list[list[object]]:
    begun = time.process_time()
    towns = known_towns()
    opened = 1000 * (time.process_time() - begun)
    begun = time.process_time()
    find_town("Porto")
    first = 1000 * (time.process_time() - begun)
    random = np.random.default_rng(2)
    places = list(zip(random.uniform(-60, 70, 300), random.uniform(-180, 180, 300), strict=True))
    _, around = timed(lambda: [towns.around(*place) for place in places])
    _, name = timed(lambda: (find_town.cache_clear(), find_town("München")))
    return [
        ["towns: opened, once a process", f"{len(towns):,} towns", round(opened, 1)],
        ["towns: the first name of a process", "Porto", round(first, 1)],
        ["towns: the name of 300 places anywhere", "", around],
        ["towns: a town by its name", "München", name],
    ]


def made_places(number: int) -> tuple[np.ndarray, np.ndarray]:
    """float64 [n]: degrees north and east."""
    random = np.random.default_rng(1)
    spots = np.stack([random.uniform(-60, 70, 3000), random.uniform(-180, 180, 3000)], 1)
    chosen = spots[random.zipf(1.3, number) % len(spots)]
    north = np.clip(chosen[:, 0] + random.normal(0, 0.1, number), -90, 90)
    return north, (chosen[:, 1] + random.normal(0, 0.15, number) + 180) % 360 - 180


def as_columns(north: np.ndarray, east: np.ndarray) -> ColumnsAtHand:
    """Columns that hold places alone."""

    def table(n: int) -> Columns:
        arrays: dict[str, Any] = {"image_id": np.arange(1, n + 1), "latitude": north[:n], "longitude": east[:n]}
        return Columns(arrays.__getitem__)

    current = CurrentColumns(1, table(len(north)), np.ones(len(north), np.bool_), table(0))
    return ColumnsAtHand(current, None, ())  # type: ignore[arg-type]  # nothing is asked of the catalog


def timed(task: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the median of its milliseconds of CPU."""
    found, taken = task(), []
    for _ in range(ROUNDS):
        begun = time.process_time()
        task()
        taken.append(1000 * (time.process_time() - begun))
    return found, round(statistics.median(taken), 1)


if __name__ == "__main__":
    main()
