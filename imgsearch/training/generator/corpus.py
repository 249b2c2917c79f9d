"""Scenes for training the small generator, drawn in chunks by worker processes.

A chunk depends on nothing but (seed, number), so an interrupted run goes on where it stopped. The retrieval model
withholds some colour-object pairs (`imgsearch.scenes.vocabulary.UNSEEN_PAIRS`); the generator does not.
"""

from __future__ import annotations

import json
import multiprocessing
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgsearch.files import drafted
from imgsearch.media.preprocess import resize_to_model
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, Scene, sample_scene

CHUNK_SCENES = 500


@dataclass(frozen=True, slots=True)
class Chunk:
    """``pixels`` uint8 [N, side, side, 3], ``scenes`` their graphs."""

    pixels: NDArray[np.uint8]
    scenes: list[Scene]


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Which chunks: of what seed, of how many pixels a side, kept where."""

    folder: Path
    seed: int
    side: int

    def path(self, number: int) -> Path:
        return self.folder / f"scenes-{self.side}-{self.seed}-{number:04d}.npz"


def draw_chunks(place: ChunkPlace, chunks: int, workers: int, log: Callable[[str], None]) -> list[Chunk]:
    """The first ``chunks`` chunks; the missing ones are drawn first, by so many processes (5 ms of CPU a picture)."""
    place.folder.mkdir(parents=True, exist_ok=True)
    jobs = [(place, number) for number in range(chunks) if not place.path(number).exists()]
    if jobs:
        log(f"drawing {len(jobs) * CHUNK_SCENES:,} pictures")
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            pool.map(draw_chunk, jobs, chunksize=1)
    return [read_chunk(place, number) for number in range(chunks)]


def read_chunk(place: ChunkPlace, number: int) -> Chunk:
    """A chunk that was drawn."""
    with np.load(place.path(number)) as kept:
        return Chunk(kept["pixels"], [Scene.from_dict(row) for row in json.loads(str(kept["scenes"]))])


def chunk_scenes(seed: int, number: int) -> list[Scene]:
    """The scenes of a chunk, seven of ten with two groups."""
    rng = random.Random(f"generator:{seed}:{number}")
    return [sample_scene(rng, Domain()) for _ in range(CHUNK_SCENES)]


def draw_chunk(job: tuple[ChunkPlace, int]) -> None:
    """Draw one chunk and publish its file when whole."""
    place, number = job
    scenes = chunk_scenes(place.seed, number)
    with drafted(place.path(number)) as draft:
        graphs = json.dumps([scene.as_dict() for scene in scenes])
        np.savez(draft, pixels=draw_pixels(scenes, place.side), scenes=np.array(graphs))


def draw_pixels(scenes: list[Scene], side: int) -> NDArray[np.uint8]:
    """uint8 [N, side, side, 3]: the scenes drawn, at the model's size."""
    return np.stack([resize_to_model(draw_scene(scene)[0], side) for scene in scenes])
