"""Scenes for training the small generator: drawn in chunks by worker processes, with the frozen ViT's features.

A chunk depends on nothing but (seed, number) and the ViT, so an interrupted run goes on where it stopped, and training
may begin on the first chunks while the later ones are being drawn. The retrieval model withholds some colour-object
pairs (`imgsearch.scenes.vocabulary.UNSEEN_PAIRS`); the generator does not.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imgsearch.files import drafted
from imgsearch.media.preprocess import resize_to_model
from imgsearch.model import load_model
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, Scene, sample_scene
from imgsearch.training.build import normalise

CHUNK_SCENES = 500
_ENCODE = 50  # pictures that go through the ViT together
_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """``features`` float16 [N, tokens, W] of the ViT (after its last norm), ``scenes`` their graphs."""

    features: NDArray[np.float16]
    scenes: list[Scene]


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Which chunks: of what seed, encoded by which model's ViT, kept where."""

    folder: Path
    seed: int
    model: str

    def path(self, number: int) -> Path:
        return self.folder / f"features-{number:04d}.npz"


@contextmanager
def drawing(place: ChunkPlace, chunks: int, workers: int) -> Iterator[None]:
    """Worker processes draw the missing ones of the first ``chunks`` chunks while the block runs; they end with it."""
    place.folder.mkdir(parents=True, exist_ok=True)
    jobs = [(place, number) for number in range(chunks) if not place.path(number).exists()]
    if not jobs:
        yield
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pending = pool.map_async(draw_chunk, jobs, chunksize=1)
        yield
        if pending.ready():
            pending.get()


def wait_for(place: ChunkPlace, number: int, log: Callable[[str], None]) -> Chunk:
    """The chunk, as soon as a worker has it."""
    path = place.path(number)
    if not path.exists():
        log(f"waiting for chunk {number} to be drawn")
    while not path.exists():
        time.sleep(_WAIT_S)
    with np.load(path) as kept:
        return Chunk(kept["features"], [Scene.from_dict(row) for row in json.loads(str(kept["scenes"]))])


def chunk_scenes(seed: int, number: int) -> list[Scene]:
    """The scenes of a chunk, seven of ten with two groups."""
    rng = random.Random(f"generator:{seed}:{number}")
    return [sample_scene(rng, Domain()) for _ in range(CHUNK_SCENES)]


def draw_chunk(job: tuple[ChunkPlace, int]) -> None:
    """Draw one chunk, encode it and publish its file when whole."""
    place, number = job
    torch.set_num_threads(1)
    scenes = chunk_scenes(place.seed, number)
    features = encode_scenes(scenes, place.model)
    path = place.path(number)
    with drafted(path) as draft:
        np.savez(draft, features=features, scenes=np.array(json.dumps([scene.as_dict() for scene in scenes])))


@torch.inference_mode()
def encode_scenes(scenes: list[Scene], model: str) -> NDArray[np.float16]:
    """float16 [N, tokens, W]: the scenes drawn, at the model's size, through its ViT."""
    network = load_model(model, device="cpu", dtype="float32").network
    side = int(network.config.vision_config.image_size)
    parts = []
    for start in range(0, len(scenes), _ENCODE):
        drawn = [resize_to_model(draw_scene(scene)[0], side) for scene in scenes[start : start + _ENCODE]]
        seen = network.vision_model(normalise(torch.from_numpy(np.stack(drawn)))).last_hidden_state
        parts.append(seen.numpy().astype(np.float16))
    return np.concatenate(parts)
