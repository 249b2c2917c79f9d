"""A folder of pictures, a library beside it, and `index` in this process: decoding in line, the model loaded once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imgsearch.errors import MediaError

LAVIS = Path(__file__).parents[1] / "golden" / "lavis"
MODEL = str(LAVIS / "blip2_tiny.pth")


class InlinePool:
    """The decode pool's contract without processes: starting those takes longer than all else in these tests."""

    def __init__(self, size: int, *, pixels: bool = True, **more: Any) -> None:
        self.size, self.pixels = size, pixels

    def run(self, jobs: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        from imgsearch.media.decode import decode_file

        for job in jobs:
            try:
                known, told = job.known_hashes, job.told
                yield job, decode_file(job.path, self.size, known_hashes=known, pixels=self.pixels, told=told)
            except MediaError as error:
                yield job, error

    def close(self) -> None:
        pass


class Desk:
    """``photos`` with the twelve golden scenes, and ``index()`` into ``library``."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.photos, self.library = folder, folder / "photos", folder / "library"
        self.embedded: list[int] = []  # sizes of the batches that the model was given
        self._monkeypatch = monkeypatch
        self.photos.mkdir()
        for picture in (LAVIS / "images").iterdir():
            shutil.copyfile(picture, self.photos / picture.name)

    def index(self, *paths: Path, stop: Callable[[], bool] = lambda: False, **settings: Any) -> Any:
        from imgsearch.settings import Settings
        from indexer.index_run import IndexRequest, run_index

        if not self.library.exists():
            settings.setdefault("model", MODEL)
        request = IndexRequest(
            tuple(map(str, paths or (self.photos,))), Settings(self.library, device="cpu", **settings)
        )
        summary = run_index(request, stop=stop)
        assert summary.remaining >= 0
        return summary

    def recheck(self) -> Any:
        """`index --recheck` of ``photos``."""
        from imgsearch.settings import Settings
        from indexer.index_run import IndexRequest, run_index

        return run_index(IndexRequest((str(self.photos),), Settings(self.library, device="cpu"), recheck=True))

    def rows(self) -> dict[str, str]:
        """Path -> content hash of every file in the catalog."""
        from imgsearch.storage import open_store

        with open_store(self.library) as store:
            found = {}
            for image in store.iter_images():
                for path in store.all_paths([image.image_id])[image.image_id]:
                    found[os.path.relpath(path, self.folder)] = image.facts.content_hash
        return found

    def files(self) -> dict[str, str]:
        """The same, told by the disk."""
        import hashlib

        return {
            os.path.relpath(path, self.folder): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.photos.rglob("*.png")
            if path.is_file()
        }


@pytest.fixture
def desk(tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> Desk:
    import indexer.index_run

    made = Desk(tmp_path, monkeypatch)

    class Counting:
        model_id, profile = tiny.model_id, tiny.profile

        def preprocess_arrays(self, arrays: Any) -> Any:
            return tiny.preprocess_arrays(arrays)

        def encode_images(self, pixels: Any) -> Any:
            made.embedded.append(len(pixels))
            return tiny.encode_images(pixels)

        def embed_features(self, features: Any) -> Any:
            return tiny.embed_features(features)

    monkeypatch.setattr(indexer.index_run, "DecodePool", InlinePool)
    monkeypatch.setattr(indexer.index_run.library, "open_model", lambda settings, made_with: Counting())
    return made
