"""Recognises frames of one camera before any look: by the time of the shots, or as a crowd of similar frames in one
folder.

Frames of a crowd are compared with its keeper, and each with the frames most similar to it, not all with all.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from imgsearch.dedup.tiers.candidates import Alike
from imgsearch.records import MediaFacts

CROWD = 24
"""Numbered images of one size in one folder from which similar ones form a crowd: frames of a series."""

LEAST_NEIGHBOURS = 10
"""Similar images of its kind that put an image in a crowd: of 426 frames of a belt nine in ten have 12 and more.
Numbered copies of one image are usually fewer, and signatures recognise those of its size."""

_MOST_LIKE = 1  # candidates with which each frame of a crowd is compared, beside the keeper
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Shot:
    """The facts of an image that are known without looking at it."""

    folder: str
    pattern: str  # the name with its last number as "#"
    size: tuple[int, int]
    taken_at: str | None
    camera: str | None

    def is_beside(self, other: Shot) -> bool:
        """Whether the two differ only in a number of their names, like frames of one series."""
        mine, others = (self.folder, self.pattern, self.size), (other.folder, other.pattern, other.size)
        return "#" in self.pattern and mine == others


@dataclass(frozen=True, slots=True)
class Looks:
    """``looked_at``: pairs to compare; ``series``: pairs of frames of one numbered series that are not compared;
    ``crowd_of``: the crowd, named by its keeper's row, of each row that is in one."""

    looked_at: list[Alike]
    series: list[Alike]
    crowd_of: Mapping[int, int]


def shot_of(path: str, facts: MediaFacts) -> Shot:
    """The shot of an image's file and facts."""
    name = PurePath(path)
    numbers = list(_NUMBER.finditer(name.stem))
    pattern = name.stem
    if numbers:
        pattern = name.stem[: numbers[-1].start()] + "#" + name.stem[numbers[-1].end() :]
    size = facts.width, facts.height
    return Shot(str(name.parent), pattern + name.suffix, size, facts.taken_at, facts.camera)


def seconds_between(first: Shot | None, second: Shot | None) -> float | None:
    """Seconds between two shots of one camera; None if the camera or a time is unknown."""
    if first is None or second is None or not (first.taken_at and second.taken_at) or first.camera != second.camera:
        return None
    try:
        apart = datetime.fromisoformat(first.taken_at) - datetime.fromisoformat(second.taken_at)
    except (ValueError, TypeError):
        return None
    return abs(apart.total_seconds())


def chosen_looks(candidates: Sequence[Alike], shots: Mapping[int, Shot]) -> Looks:
    """The candidates that deserve a look, by row of the inventory. A crowd's keeper is its first image (all have one
    size) and is compared with every frame of its crowd."""
    crowd_of = _crowds(candidates, shots)
    if not crowd_of:
        return Looks(list(candidates), [], {})
    keeper = {crowd: min(rows) for crowd, rows in _members(crowd_of).items()}
    most_like = _most_like(candidates, crowd_of)
    looked_at, series, joined = [], [], set()
    for pair in candidates:
        crowd = crowd_of.get(pair.first)
        if crowd is None or crowd_of.get(pair.second) != crowd:
            looked_at.append(pair)
        elif keeper[crowd] in (pair.first, pair.second):
            looked_at.append(pair)
            joined.add((pair.first, pair.second))
        elif (pair.first, pair.second) in most_like:
            looked_at.append(pair)
        else:
            series.append(pair)
    for row, crowd in crowd_of.items():
        key = keeper[crowd], row
        if row != keeper[crowd] and key not in joined:
            looked_at.append(Alike(*key))
    return Looks(sorted(looked_at, key=lambda pair: (pair.first, pair.second)), series, crowd_of)


def _crowds(candidates: Sequence[Alike], shots: Mapping[int, Shot]) -> dict[int, int]:
    """The crowd, named by its lowest row, of each row that is in one."""
    near: dict[int, set[int]] = defaultdict(set)
    for pair in candidates:
        first, second = shots.get(pair.first), shots.get(pair.second)
        if first and second and first.is_beside(second):
            near[pair.first].add(pair.second)
            near[pair.second].add(pair.first)
    core = {row for row, others in near.items() if len(others) >= LEAST_NEIGHBOURS}
    crowd_of: dict[int, int] = {}
    for start in sorted(core):
        if start in crowd_of:
            continue
        rows, waiting = {start}, [start]
        while waiting:
            fresh = (near[waiting.pop()] & core) - rows
            rows |= fresh
            waiting.extend(fresh)
        crowd_of.update(dict.fromkeys(rows, start))
    sizes = {crowd: len(rows) for crowd, rows in _members(crowd_of).items()}
    return {row: crowd for row, crowd in crowd_of.items() if sizes[crowd] >= CROWD}


def _members(crowd_of: Mapping[int, int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for row, crowd in crowd_of.items():
        found[crowd].append(row)
    return found


def _most_like(candidates: Sequence[Alike], crowd_of: Mapping[int, int]) -> set[tuple[int, int]]:
    """For each row of a crowd, its `_MOST_LIKE` most similar candidates within it."""
    best: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
    for pair in candidates:
        if pair.first in crowd_of and crowd_of.get(pair.second) == crowd_of[pair.first]:
            for row in (pair.first, pair.second):
                best[row].append((-pair.correlation, pair.first, pair.second))
    return {(first, second) for found in best.values() for _, first, second in sorted(found)[:_MOST_LIKE]}
