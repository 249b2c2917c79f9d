"""Sets of captioned images in which every caption is true of exactly one image, as the graphs prove."""

from __future__ import annotations

import json
import multiprocessing
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.errors import StorageFull, UsageError
from imgsearch.scenes.captions import SceneStatement, any_statement, full_statement, say, things_statement
from imgsearch.scenes.draw import DEFAULT_SIZE, draw_scene
from imgsearch.scenes.graph import TWIN_KINDS, Domain, Scene, sample_family, sample_scene

CAPTIONS_PER_PICTURE = 2
FAMILY_SHARE = 0.9  # of the images of a set with twins; the rest are single scenes
_TRIES = 30


@dataclass(frozen=True, slots=True)
class Row:
    """One image of a set: its scene, the statements and texts of its captions, and the row whose twin it is."""

    scene: Scene
    statements: tuple[SceneStatement, ...]
    captions: tuple[str, ...]
    twin_of: int | None = None
    twin_kind: str | None = None


class _Truth:
    """Counts the images for which a statement is true, without checking every image."""

    def __init__(self, scenes: Iterable[Scene]) -> None:
        self._by_kind: dict[str, list[Scene]] = defaultdict(list)
        for scene in scenes:
            for group in scene.groups:
                self._by_kind[group.kind].append(scene)

    def is_unique(self, statement: SceneStatement) -> bool:
        true_of = (scene for scene in self._by_kind[statement.mentions[0].kind] if statement.holds_of(scene))
        return next(true_of, None) is not None and next(true_of, None) is None


def make_set(count: int, seed: int, *, twins: bool = False, domain: Domain | None = None) -> list[Row]:
    """``count`` rows, the same for the same arguments. With ``twins``, nine tenths of the images come in families of
    four: a scene and its colour, count and relation twins, captioned with the same words in another order.

    Raises UsageError if the domain is too small for so many different images."""
    rng = random.Random(f"set:{seed}:{count}:{twins}")
    domain = domain or Domain()
    family_size = 1 + len(TWIN_KINDS)
    families = int(count * FAMILY_SHARE) // family_size if twins else 0
    blocks = [_Block(rng, domain, family=number < families) for number in range(families)]
    blocks += [_Block(rng, domain, family=False) for _ in range(count - family_size * families)]
    for _ in range(_TRIES):
        truth = _Truth(scene for block in blocks for scene in block.scenes)
        unclear = [block for block in blocks if not block.describe(truth)]
        if not unclear:
            return [row for start, block in _with_starts(blocks) for row in block.rows(start)]
        for block in unclear:
            block.draw_again()
    raise UsageError(
        f"no set of {count} pictures in which every caption fits one picture was found",
        "ask for fewer pictures",
    )


class _Block:
    """A family or a single scene in the making: it can describe itself, or be drawn again."""

    def __init__(self, rng: random.Random, domain: Domain, *, family: bool) -> None:
        self._rng, self._domain, self._family = rng, domain, family
        self.draw_again()

    def draw_again(self) -> None:
        self._statements: list[tuple[SceneStatement, ...]] = []
        self._seeds: list[int] = []
        if self._family:
            family = sample_family(self._rng, self._domain)
            self.scenes = [family["base"], *(family[kind] for kind in TWIN_KINDS)]
        else:
            self.scenes = [sample_scene(self._rng, self._domain)]

    def describe(self, truth: _Truth) -> bool:
        """Find statements that are each true of one image; keeps existing ones while they still are."""
        if self._statements and all(truth.is_unique(s) for statements in self._statements for s in statements):
            return True
        found: list[tuple[SceneStatement, ...]] = []
        for _ in range(_TRIES):
            choice = self._rng.getrandbits(32)
            loose = things_statement if self._domain.things_only else any_statement
            make = full_statement if self._family else loose
            # The same random state for every member, so that the same kinds of words distinguish the twins.
            statements = tuple(make(scene, random.Random(choice)) for scene in self.scenes)
            if statements not in found and all(truth.is_unique(statement) for statement in statements):
                found.append(statements)
            if len(found) == CAPTIONS_PER_PICTURE:
                break
        self._statements = found
        self._seeds = [self._rng.getrandbits(32) for _ in found]
        return bool(found)

    def rows(self, start: int) -> Iterator[Row]:
        for number, scene in enumerate(self.scenes):
            statements = tuple(group[number] for group in self._statements)
            captions = tuple(say(s, seed) for s, seed in zip(statements, self._seeds, strict=True))
            twin = number > 0
            yield Row(scene, statements, captions, start if twin else None, TWIN_KINDS[number - 1] if twin else None)


def _with_starts(blocks: list[_Block]) -> Iterator[tuple[int, _Block]]:
    start = 0
    for block in blocks:
        yield start, block
        start += len(block.scenes)


def write_set(rows: list[Row], folder: Path, *, size: int = DEFAULT_SIZE, workers: int = 2) -> Path:
    """Draw the rows as PNG files into ``folder``/images and describe them in ``folder``/pairs.jsonl, which is written
    last and whose path is returned. Raises UsageError if the folder is not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder", "name a new folder")
    try:
        (folder / "images").mkdir(parents=True)
        jobs = [(folder / _image_name(number), row.scene, size) for number, row in enumerate(rows)]
        boxes = _draw_all(jobs, workers)
        text = "".join(json.dumps(_as_json(row, number, boxes[number])) + "\n" for number, row in enumerate(rows))
        path = folder / "pairs.jsonl"
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise StorageFull(f"{folder} cannot be written: {exc.strerror}", "choose another folder or free space") from exc
    return path


def _image_name(number: int) -> str:
    return f"images/{number:06d}.png"


def _as_json(row: Row, number: int, boxes: list[list[float]]) -> dict[str, Any]:
    graph = row.scene.as_dict()
    for index, group in enumerate(graph["groups"]):
        group["boxes"] = [box[1:] for box in boxes if box[0] == index]
    return {
        "image": _image_name(number),
        "captions": list(row.captions),
        "graph": graph,
        "twin_of": None if row.twin_of is None else _image_name(row.twin_of),
        "twin_kind": row.twin_kind,
    }


def _draw_all(jobs: list[tuple[Path, Scene, int]], workers: int) -> list[list[list[float]]]:
    if workers <= 1 or len(jobs) < 200:
        return [_draw_job(job) for job in jobs]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return pool.map(_draw_job, jobs, chunksize=50)


def _draw_job(job: tuple[Path, Scene, int]) -> list[list[float]]:
    path, scene, size = job
    picture, boxes = draw_scene(scene, size)
    picture.save(path, compress_level=2)  # 6 ms for 21, and 5 % larger; the drawing takes 11
    return [[box.group, *(round(edge, 4) for edge in (box.x0, box.y0, box.x1, box.y1))] for box in boxes]
