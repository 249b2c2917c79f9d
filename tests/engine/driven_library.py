"""A real library on disk, its files and its open searcher, and the dictionary that stands beside it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arithmetic_model import ArithmeticModel, content
from brute_force import Picture, Place

from imgsearch.index import SnapshotIndex, construction, first_stage, opening
from imgsearch.index.first_stage import FaissFirstStage
from imgsearch.progress import Silence
from imgsearch.search.calibration import Calibration
from imgsearch.search.engine import Searcher
from imgsearch.storage import EmbeddedBatch, FeatureStore, FilePlace, compact, create_store, open_store, writing
from imgsearch.storage.vectors import segment_store
from indexer.snapshot import build_snapshot

Where = tuple[str, str]
"""(name of the root, relative path)."""

ROOTS = ["photos", "archive"]


@cache
def _empty_library(dtype: str) -> Path:
    """Made once: creating the tables takes longer than all the rest of an example."""
    folder = Path(tempfile.mkdtemp(prefix="engine-empty-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    create_store(folder / "library", ArithmeticModel.model_id, dtype=dtype).close()
    return folder / "library"


class DrivenLibrary:
    """``files``: where each file lies -> number of the picture that it holds; ``embedded``: numbers that have vectors.
    ``by_snapshot`` counts the searches that asked a snapshot for candidates. Six pictures fill a segment, a snapshot
    names ``candidates``, and no filter is narrow enough to be answered without it."""

    def __init__(self, dtype: str, candidates: int, calibration: Calibration | None, kept: bool) -> None:
        self.dtype, self.candidates, self.calibration, self.kept = dtype, candidates, calibration, kept
        self.files: dict[Where, int] = {}
        self.embedded: set[int] = set()
        self.offline: set[str] = set()
        self.by_snapshot = 0
        self.opened_snapshot = ""
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(segment_store, "MAX_SLOTS", 6)
        self._patch.setattr(construction, "LIST_ROWS", 20)
        self._patch.setattr(opening, "_with_snapshot", self._index)
        self._patch.setattr(first_stage, "FaissFirstStage", self._first_stage)
        self.folder = Path(tempfile.mkdtemp(prefix="engine-"))
        self.model = ArithmeticModel()
        shutil.copytree(_empty_library(dtype), self.folder / "library")
        self.store = open_store(self.folder / "library")
        for name in ROOTS:
            (self.folder / name).mkdir()
        with writing(self.store) as writer:
            self.root_ids = {name: writer.add_root(self.folder / name).root_id for name in ROOTS}
        self.searcher = self._searcher()

    def close(self) -> None:
        self.searcher.close()
        self.store.close()
        self._patch.undo()
        shutil.rmtree(self.folder)

    def reopen(self) -> None:
        self.searcher.close()
        self.searcher = self._searcher()

    def fresh_searcher(self) -> Searcher:
        """Another one, that keeps no features and has no calibration."""
        return Searcher(open_store(self.folder / "library"), self.model)

    @property
    def gone(self) -> set[int]:
        """Numbers that have vectors and no file."""
        return self.embedded - set(self.files.values())

    def put(self, files: dict[Where, int]) -> None:
        """Write and index these files."""
        for place, number in files.items():
            self._path(place).parent.mkdir(parents=True, exist_ok=True)
            self._path(place).write_bytes(content(number).data)
        contents = [content(number) for number in files.values()]
        rows = [[self._row(place)] for place in files]
        batch = EmbeddedBatch([one.facts for one in contents], np.stack([one.tokens for one in contents]), rows)
        with writing(self.store) as writer, writer.transaction() as transaction:
            transaction.add(batch)
            done = transaction.commit()
        assert done.images == len(set(files.values()) - self.embedded)
        self.files |= files
        self.embedded |= set(files.values())

    def move_or_copy(self, before: Where, place: Where, stays: bool) -> None:
        """Rename a file, or give its picture a second one; what lay there is gone."""
        self._path(place).parent.mkdir(parents=True, exist_ok=True)
        number = self.files[before]
        if stays:
            shutil.copyfile(self._path(before), self._path(place))
        else:
            os.replace(self._path(before), self._path(place))  # noqa: PTH105 - over what is there
            del self.files[before]
        with writing(self.store) as writer, writer.transaction() as transaction:
            if not stays:
                transaction.remove_files(self.root_ids[before[0]], [before[1]])
            transaction.place_files([(self._row(place), content(number).facts.content_hash)])
            assert transaction.commit().slots is None
        self.files[place] = number

    def delete(self, places: Iterable[Where]) -> None:
        with writing(self.store) as writer, writer.transaction() as transaction:
            for root, relative in places:
                transaction.remove_files(self.root_ids[root], [relative])
            transaction.commit()
        for place in places:
            self._path(place).unlink()
            del self.files[place]

    def unplug_or_plug(self, root: str) -> None:
        self.offline ^= {root}
        with writing(self.store) as writer:
            writer.set_root_offline(self.root_ids[root], root in self.offline)

    def build(self) -> None:
        build_snapshot(self.store, Silence())

    def merge(self) -> None:
        """Rewrite every segment that holds a deleted picture."""
        gone = self.gone
        assert compact(self.store).images_removed == len(gone)
        self.embedded -= gone

    def pictures(self) -> dict[int, Picture]:
        """The dictionary's living pictures by image id."""
        ids = self.store.known_contents(content(number).facts.content_hash for number in self.embedded)
        assert len(ids) == len(self.embedded)
        places: dict[int, list[Place]] = {}
        for (root, relative), number in self.files.items():
            place = Place(self.root_ids[root], self.folder / root, relative, root not in self.offline)
            places.setdefault(ids[content(number).facts.content_hash], []).append(place)
        contents = {ids[one.facts.content_hash]: one for one in map(content, set(self.files.values()))}
        stored = {key: one.tokens.astype(self.dtype).astype(np.float32) for key, one in contents.items()}
        return {key: Picture(key, contents[key], stored[key], found) for key, found in places.items()}

    def _searcher(self) -> Searcher:
        store = open_store(self.folder / "library")
        kept = FeatureStore(store.layout.features, store.model, None) if self.kept else None
        return Searcher(store, self.model, features=kept, calibration=self.calibration)

    def _index(self, *arguments: Any) -> SnapshotIndex:
        return SnapshotIndex(*arguments, candidates=self.candidates, exact_more=0)

    def _first_stage(self, path: Path, stop: int) -> Any:
        stage: Any = FaissFirstStage(path, stop)
        named = stage.candidates

        def counted(*arguments: Any) -> Any:
            self.by_snapshot += 1
            return named(*arguments)

        stage.candidates = counted
        self.opened_snapshot = path.name
        return stage

    def _path(self, place: Where) -> Path:
        return self.folder / place[0] / place[1]

    def _row(self, place: Where) -> FilePlace:
        status = self._path(place).stat()
        return FilePlace(self.root_ids[place[0]], place[1], status.st_size, status.st_mtime_ns)
