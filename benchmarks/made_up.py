"""Images for libraries that are too large to draw: vectors with the structure of really embedded scenes.

A number of scenes are drawn and embedded by the small model. A made-up image is v = A + u (B - A), every token to L2
norm 1, where A is one of them, B one of the eight whose mean token is nearest, and u is uniform in 0..1.5, which keeps
the variance (E[(1 - u)^2 + u^2] = 1). ``fit`` checks it: images made from one half of the real ones are compared with
the other half. Texts are captions of other scenes. In a library's catalog every image has a file in one of a thousand
folders, a camera and a date, so that filters keep known shares.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from results import markdown_table

from imgsearch.index.representatives import representative_tokens
from imgsearch.index.sweep import Sweep
from imgsearch.records import MediaFacts, ModelId, Word
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, open_store, writing

HELD_OUT_SEED, SCENE_SEED = 90_210, 777
T, D, SPREAD, NEAR = 32, 256, 1.5, 8
BATCH = 2048
FILTERS = {0.5: "year:2010-2019", 0.01: 'camera:"Maker 07"', 0.001: "folder:f0123"}
"""By the share of the images that they keep."""


def embedded(scratch: Path, real: int, texts: int) -> tuple[np.ndarray, np.ndarray]:
    """(tokens float16 [real, T, D] of drawn scenes, text vectors float32 [texts, D] of others' captions), kept in
    ``scratch``. 20,000 scenes take a few minutes."""
    tokens, captions = scratch / f"tokens-{real}.npy", scratch / f"texts-{texts}.npy"
    if not (tokens.exists() and captions.exists()):
        from imgsearch.model import load_model
        from imgsearch.scenes.dataset import make_set

        model = load_model("mini", device="cpu")
        spoken = [row.captions[0] for row in make_set(texts, HELD_OUT_SEED)]
        parts = [np.asarray(model.embed_texts(spoken[i : i + 100])) for i in range(0, texts, 100)]
        np.save(captions, np.concatenate(parts))
        vectors = []
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            jobs = [(seed, min(50, SCENE_SEED + real - seed), model.image_size) for seed in _starts(real)]
            for pixels in pool.imap(_drawn, jobs):
                vectors.append(np.asarray(model.embed_images(model.preprocess_arrays(pixels)), np.float16))
        np.save(tokens, np.concatenate(vectors))
    return np.load(tokens), np.load(captions)


def _starts(real: int) -> range:
    return range(SCENE_SEED, SCENE_SEED + real, 50)


def _drawn(job: tuple[int, int, int]) -> np.ndarray:
    from imgsearch.scenes.draw import draw_scene
    from imgsearch.scenes.graph import Domain, sample_scene

    first, count, size = job
    scenes = [sample_scene(random.Random(f"search:{seed}"), Domain()) for seed in range(first, first + count)]
    return np.stack([np.asarray(draw_scene(scene, size)[0].convert("RGB")) for scene in scenes])


def nearest(tokens: np.ndarray) -> np.ndarray:
    """int64 [n, NEAR]: the images whose mean token is nearest."""
    means = tokens.mean(axis=1, dtype=np.float32)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    found = np.empty((len(means), NEAR), np.int64)
    for first in range(0, len(means), 1000):
        likeness = means[first : first + 1000] @ means.T
        likeness[np.arange(len(likeness)), np.arange(first, first + len(likeness))] = -2
        found[first : first + 1000] = np.argpartition(-likeness, NEAR, axis=1)[:, :NEAR]
    return found


def made_up(tokens: np.ndarray, near: np.ndarray, count: int, seed: int) -> np.ndarray:
    """float32 [count, T, D] from ``tokens`` float32, see the module; a few at a time, to stay in the cache."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, len(tokens), count)
    other = near[one, rng.integers(0, NEAR, count)]
    share = rng.uniform(0, SPREAD, (count, 1, 1)).astype(np.float32)
    vectors = np.empty((count, T, D), np.float32)
    for first in range(0, count, 8):
        part = slice(first, first + 8)
        start = tokens[one[part]]
        mixed = tokens[other[part]]
        mixed -= start
        mixed *= share[part]
        mixed += start
        mixed /= np.sqrt(np.einsum("ntd,ntd->nt", mixed, mixed))[:, :, None]
        vectors[part] = mixed
    return vectors


def fit(real: np.ndarray, texts: np.ndarray) -> list[str]:
    """A table: real images next to as many that were made from the other half of them."""
    half = len(real) // 2
    made = made_up(real[:half].astype(np.float32), nearest(real[:half]), half, 1).astype(np.float16)
    places = {0: "1st", 9: "10th", 99: "100th", 999: "1000th"}
    rows = []
    for name, tokens in (("real", real[half:]), ("made up", made)):
        scores = Sweep(texts).score(tokens)
        ordered = -np.sort(-scores, axis=1)
        best = ordered[:, [place for place in places if place < half]].mean(axis=0)
        quantiles = np.percentile(scores, [1, 50, 99])
        kept = representative_tokens(tokens[:1000].astype(np.float32)).sum(axis=1).mean()
        by_mean = _top(texts @ unit_means(tokens, 1.0).T, 200)
        hit = np.mean([np.isin(top, mine).mean() for top, mine in zip(_top(scores, 10), by_mean, strict=True)])
        rows.append([name, *map(float, quantiles), *map(float, best), float(kept), float(hit)])
    names = [name for place, name in places.items() if place < half]
    head = [f"{half:,} images", "score 1 %", "50 %", "99 %", *names, "kept tokens", "recall@10 of 200 by mean"]
    return markdown_table(head, rows)


def _top(scores: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def unit_means(block: np.ndarray, scale: float) -> np.ndarray:
    """float32 [n, D], L2 norm 1: the mean of each image's tokens [n, T, D], stored with ``scale``."""
    means = block.mean(axis=1, dtype=np.float32) * np.float32(scale)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def new_library(folder: Path, dtype: str) -> Store:
    """An empty one."""
    return create_store(folder, ModelId("mini", "ab" * 32, "v1-112", "float32", T, D), dtype=dtype)


Entry = tuple[MediaFacts, list[FilePlace], tuple[Word, ...]]
"""What the catalog says of one image."""


def fill(folder: Path, blocks: Iterator[np.ndarray], entry: Callable[[int, int], Entry] | None = None) -> None:
    """Append images without pictures to a library: their vectors, [n, T, D] at a time, and what ``entry`` says of each
    by its number and the id of the root."""
    entry = entry or _entry
    with open_store(folder) as store, writing(store) as writer:
        root, first = writer.add_root(folder.parent / "pictures").root_id, store.view().slots
        for vectors in blocks:
            entries = [entry(number, root) for number in range(first, first + len(vectors))]
            with writer.transaction() as tx:
                facts, places, words = zip(*entries, strict=True)
                tx.add(EmbeddedBatch(facts, vectors, places, words=words))
                tx.commit()
            first += len(vectors)


def made_blocks(real: np.ndarray, first: int, stop: int, near: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Made-up images number ``first`` to before ``stop``, a batch at a time. ``near``: what `nearest` says, which takes
    some seconds."""
    near, known = nearest(real) if near is None else near, real.astype(np.float32)
    for start in range(first, stop, BATCH):
        yield made_up(known, near, min(BATCH, stop - start), 1000 + start)


def _entry(number: int, root: int) -> Entry:
    """What the catalog says of an image, by chance from its number, see ``FILTERS``."""
    rng = random.Random(number)
    taken = f"{rng.randrange(2000, 2020)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}T12:00:00"
    camera, folder = f"Maker {rng.randrange(100):02d}", f"f{rng.randrange(1000):04d}"
    facts = MediaFacts(f"{number:064x}", number, 640, 480, "JPEG", 1000, taken, camera)
    return facts, [FilePlace(root, f"{folder}/IMG_{number:07d}.jpg", 1000, 1)], ()
