"""Images for training the small model: drawn in chunks by worker processes, kept on disk, read back as arrays.

A chunk depends only on (seed, number), so an interrupted run continues where it stopped and a corpus can be enlarged
later. There are chunks of scenes (families of a scene and its three twins, and single ones), of moved scenes (one group
of things, drawn at every place), of varied scenes (one with another setting or another thing) and of sheets. Withheld
colour-object pairs never appear.
"""

from __future__ import annotations

import json
import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from imgsearch.files import drafted
from imgsearch.scenes.draw import SceneBox, draw_scene, draw_sheet
from imgsearch.scenes.graph import TWIN_KINDS, Domain, Scene, sample_family, sample_scene
from imgsearch.scenes.vocabulary import COLOURS, KINDS, POSITIONS, SETTINGS, UNSEEN_PAIRS

CHUNK_FAMILIES = 160
CHUNK_SINGLES = 360
FAMILY_SIZE = 1 + len(TWIN_KINDS)
CHUNK_SHEETS = 500
CHUNK_MOVED = 100  # groups in a chunk, each drawn at every place
CHUNK_VARIED = 100
VARIED_SETTINGS = 2
VARIED_KINDS = 2
VARIED_SIZE = 1 + VARIED_SETTINGS + VARIED_KINDS
CHUNK_IMAGES = CHUNK_FAMILIES * FAMILY_SIZE + CHUNK_SINGLES


@dataclass(frozen=True, slots=True)
class Corpus:
    """``pixels`` uint8 [N, S, S, 3]; ``scenes`` and ``boxes`` by image. ``families`` int64 [F, 4]: the images of each
    family, base first. ``singles`` int64 [S]. ``moved`` int64 [M, 5]: the images of one group at every place.
    ``varied`` int64 [V, 5]: a base scene, then the same with one thing changed."""

    pixels: NDArray[np.uint8]
    scenes: list[Scene]
    boxes: list[list[SceneBox]]
    families: NDArray[np.int64]
    singles: NDArray[np.int64]
    moved: NDArray[np.int64]
    varied: NDArray[np.int64]


def draw_corpus(folder: Path, content: str, *, seed: int, chunks: int, image_size: int, workers: int) -> None:
    """Draw the chunks that are missing in ``folder``. ``content`` is "scenes", "moved", "varied" or "sheets"."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(chunks) if not _chunk_path(folder, n).exists()]
    draw = {"scenes": _draw_scenes, "moved": _draw_moved, "varied": _draw_varied, "sheets": _draw_sheets}[content]
    jobs = [(folder, seed, number, image_size) for number in missing]
    if not jobs:
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        drawn = pool.imap_unordered(draw, jobs)
        for _ in tqdm(drawn, total=len(jobs), desc=f"drawing {content}", unit="chunk", disable=None):
            pass


def read_scenes(folder: Path, chunks: int) -> Corpus:
    """The first ``chunks`` chunks of scenes as one corpus. Raises FileNotFoundError if one was not drawn."""
    pixels, scenes, boxes = _read_chunks(folder, chunks)
    numbers = np.arange(len(scenes)).reshape(chunks, CHUNK_IMAGES)
    in_families = CHUNK_FAMILIES * FAMILY_SIZE
    families = numbers[:, :in_families].reshape(-1, FAMILY_SIZE)
    singles = numbers[:, in_families:].reshape(-1)
    return Corpus(pixels, scenes, boxes, families, singles, _none(len(POSITIONS)), _none(VARIED_SIZE))


def read_moved(folder: Path, chunks: int) -> Corpus:
    """The first chunks of moved scenes, as `read_scenes`."""
    pixels, scenes, boxes = _read_chunks(folder, chunks)
    moved = np.arange(len(scenes)).reshape(-1, len(POSITIONS))
    return Corpus(pixels, scenes, boxes, _none(FAMILY_SIZE), np.empty(0, np.int64), moved, _none(VARIED_SIZE))


def read_varied(folder: Path, chunks: int) -> Corpus:
    """The first chunks of varied scenes, as `read_scenes`."""
    pixels, scenes, boxes = _read_chunks(folder, chunks)
    varied = np.arange(len(scenes)).reshape(-1, VARIED_SIZE)
    nothing = np.empty(0, np.int64)
    return Corpus(pixels, scenes, boxes, _none(FAMILY_SIZE), nothing, _none(len(POSITIONS)), varied)


def read_sheets(folder: Path, chunks: int) -> Corpus:
    """The first chunks of sheets, as `read_scenes`."""
    pixels, scenes, boxes = _read_chunks(folder, chunks)
    singles = np.arange(len(scenes))
    return Corpus(pixels, scenes, boxes, _none(FAMILY_SIZE), singles, _none(len(POSITIONS)), _none(VARIED_SIZE))


def join(first: Corpus, second: Corpus) -> Corpus:
    """Both corpora as one. The images of ``second`` are numbered after those of ``first``."""
    start = len(first.scenes)
    return Corpus(
        np.concatenate([first.pixels, second.pixels]),
        first.scenes + second.scenes,
        first.boxes + second.boxes,
        np.concatenate([first.families, start + second.families]),
        np.concatenate([first.singles, start + second.singles]),
        np.concatenate([first.moved, start + second.moved]),
        np.concatenate([first.varied, start + second.varied]),
    )


def _none(columns: int) -> NDArray[np.int64]:
    return np.empty((0, columns), dtype=np.int64)


def _read_chunks(folder: Path, chunks: int) -> tuple[NDArray[np.uint8], list[Scene], list[list[SceneBox]]]:
    parts = []
    scenes: list[Scene] = []
    boxes: list[list[SceneBox]] = []
    for number in range(chunks):
        pixels, more_scenes, more_boxes = _read_chunk(folder, number)
        parts.append(pixels)
        scenes += more_scenes
        boxes += more_boxes
    return np.concatenate(parts), scenes, boxes


def _read_chunk(folder: Path, number: int) -> tuple[NDArray[np.uint8], list[Scene], list[list[SceneBox]]]:
    with np.load(_chunk_path(folder, number)) as chunk:
        rows = json.loads(str(chunk["rows"]))
        boxes = [[SceneBox(*box) for box in row["boxes"]] for row in rows]
        return chunk["pixels"], [Scene.from_dict(row["scene"]) for row in rows], boxes


def _chunk_path(folder: Path, number: int) -> Path:
    return folder / f"chunk-{number:04d}.npz"


def _chunk_scenes(rng: random.Random) -> Iterator[Scene]:
    domain = Domain(pairs="trained")
    for _ in range(CHUNK_FAMILIES):
        yield from sample_family(rng, domain).values()
    for _ in range(CHUNK_SINGLES):
        yield sample_scene(rng, Domain(pairs="trained", two_groups=0.5))


def _draw_sheets(job: tuple[Path, int, int, int]) -> None:
    folder, seed, number, image_size = job
    rng = random.Random(f"sheets:{seed}:{number}")
    pairs = [(kind, colour) for kind in KINDS for colour in COLOURS if (kind, colour) not in UNSEEN_PAIRS]
    drawn = [draw_sheet(rng, rng.choices(pairs, k=rng.choice((9, 16, 16, 20)))) for _ in range(CHUNK_SHEETS)]
    pixels = np.stack([_at_size(image, image_size) for image, _, _ in drawn])
    _save_chunk(_chunk_path(folder, number), pixels, [(scene, boxes) for _, boxes, scene in drawn])


def _draw_scenes(job: tuple[Path, int, int, int]) -> None:
    _, seed, number, _ = job
    _draw(job, list(_chunk_scenes(random.Random(f"corpus:{seed}:{number}"))))


def _draw_moved(job: tuple[Path, int, int, int]) -> None:
    _, seed, number, _ = job
    rng = random.Random(f"moved:{seed}:{number}")
    bases = [sample_scene(rng, Domain(pairs="trained", two_groups=0.0)) for _ in range(CHUNK_MOVED)]
    _draw(job, [replace(base, groups=(replace(base.groups[0], position=p),)) for base in bases for p in POSITIONS])


def _draw_varied(job: tuple[Path, int, int, int]) -> None:
    _, seed, number, _ = job
    rng = random.Random(f"varied:{seed}:{number}")
    domain = Domain(pairs="trained", two_groups=0.5)
    _draw(job, [scene for _ in range(CHUNK_VARIED) for scene in _variations(rng, sample_scene(rng, domain))])


def _variations(rng: random.Random, base: Scene) -> list[Scene]:
    """The scene, then the same in other settings, then with another kind of thing in place of one."""
    settings = rng.sample([setting for setting in SETTINGS if setting != base.setting], VARIED_SETTINGS)
    taken = {group.kind for group in base.groups}
    others = []
    for _ in range(VARIED_KINDS):
        place = rng.randrange(len(base.groups))
        old = base.groups[place]
        fitting = [kind for kind in KINDS if kind not in taken and (kind, old.colour) not in UNSEEN_PAIRS]
        groups = list(base.groups)
        groups[place] = replace(old, kind=rng.choice(fitting))
        taken.add(groups[place].kind)
        others.append(replace(base, groups=tuple(groups)))
    return [base, *(replace(base, setting=setting) for setting in settings), *others]


def _draw(job: tuple[Path, int, int, int], scenes: list[Scene]) -> None:
    folder, _, number, image_size = job
    drawn = [draw_scene(scene) for scene in scenes]
    pixels = np.stack([_at_size(image, image_size) for image, _ in drawn])
    _save_chunk(_chunk_path(folder, number), pixels, [(s, boxes) for s, (_, boxes) in zip(scenes, drawn, strict=True)])


def _at_size(image: Image.Image, side: int) -> NDArray[np.uint8]:
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def _save_chunk(path: Path, pixels: NDArray[np.uint8], rows: list[tuple[Scene, list[SceneBox]]]) -> None:
    plain = [
        {"scene": scene.as_dict(), "boxes": [[b.group, b.x0, b.y0, b.x1, b.y1] for b in boxes]} for scene, boxes in rows
    ]
    with drafted(path) as draft:
        np.savez(draft, pixels=pixels, rows=np.array(json.dumps(plain)))
