"""A library of made-up vectors, and servers that fail on demand."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.errors import IndexServerError
from imgsearch.records import MediaFacts, ModelId
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, writing

T, D = 4, 16


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


class Shelf:
    """A library of images with random vectors; number 7 lies in "7.jpg"."""

    def __init__(self, folder: Path, seed: int = 3) -> None:
        self.folder, self.photos = folder / "library", folder / "photos"
        self.photos.mkdir(parents=True, exist_ok=True)
        self.store: Store = create_store(self.folder, ModelId("m", "ab" * 32, "v1-32", "float32", T, D))
        self.count, self._rng = 0, np.random.default_rng(seed)

    def add(self, count: int) -> None:
        self.add_vectors(unit(self._rng.standard_normal((count, T, D))))

    def add_vectors(self, vectors: np.ndarray) -> None:
        facts = [MediaFacts(hashlib.sha256(one.tobytes()).hexdigest(), 1, 10, 10, "PNG", 1) for one in vectors]
        numbers = range(self.count, self.count + len(vectors))
        with writing(self.store) as writer:
            root = writer.add_root(self.photos).root_id
            with writer.transaction() as tx:
                tx.add(EmbeddedBatch(facts, vectors, [[FilePlace(root, f"{n}.jpg", 1, 1)] for n in numbers]))
                tx.commit()
        self.count += len(vectors)

    def remove(self, numbers: range) -> None:
        with writing(self.store) as writer:
            root = writer.add_root(self.photos).root_id
            with writer.transaction() as tx:
                tx.remove_files(root, [f"{number}.jpg" for number in numbers])
                tx.commit()

    def restore(self, number: int, content: str) -> None:
        with writing(self.store) as writer:
            root = writer.add_root(self.photos).root_id
            with writer.transaction() as tx:
                tx.place_files([(FilePlace(root, f"{number}.jpg", 1, 1), content)])
                tx.commit()


def texts(count: int = 5) -> np.ndarray:
    return unit(np.random.default_rng(4).standard_normal((count, D)))


def local_points(name: str = "c") -> Any:
    """A collection in the client's local mode, which says at each search that it compares everything."""
    from qdrant_client import QdrantClient

    from imgsearch.index.qdrant.client import ServerPoints

    warnings.filterwarnings("ignore", message="Local mode performs exact")
    return ServerPoints(QdrantClient(":memory:"), name)


class Troubled:
    """`Points` that ask ``trouble`` before every request, which may raise or note."""

    def __init__(self, points: Any, trouble: Callable[[str], None]) -> None:
        self._points, self.trouble = points, trouble

    @property
    def name(self) -> str:
        return str(self._points.name)

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._points, method)

        def asked(*arguments: Any) -> Any:
            self.trouble(method)
            return real(*arguments)

        return asked


def away(method: str) -> None:
    raise IndexServerError(f"no answer to {method}")
