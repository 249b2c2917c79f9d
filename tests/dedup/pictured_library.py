"""Libraries of files that are on a disk, without a model: made-up vectors, true hashes and signatures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from imgsearch.media.decode import decode_file
from imgsearch.records import ModelId
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, writing

SIDE = 64
MODEL = ModelId("mini", "ab" * 32, f"v1-{SIDE}", "float32", 2, 4)


def picture(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """Soft blotches of many colours; two seeds have nothing in common."""
    parts = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(parts).resize(size, Image.Resampling.BICUBIC)


class PicturedLibrary:
    """A library over ``photos``; ``index`` takes the files in the order given, so that ids follow it."""

    def __init__(self, folder: Path) -> None:
        self.photos = folder / "photos"
        self.photos.mkdir(parents=True)
        self.store: Store = create_store(folder / "library", MODEL)

    def save(self, image: Image.Image, name: str, **options: object) -> Path:
        image.save(self.photos / name, **options)
        return self.photos / name

    def index(self, names: Iterable[str], *, sign: bool = True) -> None:
        with writing(self.store) as writer:
            root_id = writer.add_root(self.photos).root_id
            with writer.transaction() as transaction:
                for name in names:
                    one = decode_file(self.photos / name, SIDE)
                    place = FilePlace(root_id, name, one.facts.size_bytes, one.mtime_ns)
                    signatures = [one.signature] if sign else ()
                    vectors = np.full((1, 2, 4), 0.5, np.float32)
                    transaction.add(EmbeddedBatch([one.facts], vectors, [[place]], signatures))
                transaction.commit()

    def remove(self, names: Iterable[str]) -> None:
        with writing(self.store) as writer:
            root_id = writer.add_root(self.photos).root_id
            with writer.transaction() as transaction:
                transaction.remove_files(root_id, names)
                transaction.commit()

    @property
    def ids(self) -> np.ndarray:
        return self.store.inventory().image_ids

    def names(self) -> dict[int, str]:
        """The name of the first file of each image."""
        return {image_id: Path(files[0].path).name for image_id, files in self.store.copies(self.ids).items()}

    def id_of(self, name: str) -> int:
        return next(image_id for image_id, own in self.names().items() if own == name)

    def named(self, pairs: Iterable[object]) -> set[frozenset[str]]:
        """Pairs by name; each may come once only."""
        names = self.names()
        found = [frozenset((names[pair.first], names[pair.second])) for pair in pairs]  # type: ignore[attr-defined]
        assert len(found) == len(set(found)) and all(len(pair) == 2 for pair in found)
        return set(found)
