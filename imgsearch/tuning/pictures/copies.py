"""Which of many pictures are copies of one another, and which cannot be read, as `imgsearch dedup leaks` finds both:
in a library without a model that is kept beside the run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgsearch.app import open_store
from imgsearch.datasets.leaks import LEAKING, find_leaks
from imgsearch.dedup.evidence.records import Pair
from imgsearch.dedup.find import compare, read_pairs
from imgsearch.dedup.groups.components import components
from imgsearch.errors import StorageFull
from imgsearch.progress import Progress
from imgsearch.records import MODEL_FREE, Int64
from imgsearch.settings import load_settings
from indexer.index_run import IndexRequest, run_index


@dataclass(frozen=True, slots=True)
class PictureGroups:
    """``images`` int64 [I]: the library's id of each picture, the same for equal files, -1 for one that cannot be read;
    ``reasons`` says why, by place. ``pairs`` are the copies among them."""

    images: Int64
    reasons: dict[int, str]
    pairs: tuple[Pair, ...]

    def groups(self) -> Int64:
        """A number for each picture, int64 [I]: the same for copies of copies, in the order of their first places.
        Image ids follow the order in which decoders finish, so numbers by them would split the same pictures another
        way."""
        first = np.array([pair.first for pair in self.pairs], np.int64)
        second = np.array([pair.second for pair in self.pairs], np.int64)
        component, images = components(first, second, self.images[self.images >= 0])
        found = np.full(len(self.images), -1, np.int64)
        there = self.images >= 0
        found[there] = component[np.searchsorted(images, self.images[there])]
        return _by_first_place(found)

    def leaks(self, train: Int64, test: Int64) -> int:
        """How many of the pictures ``test`` have a copy among ``train``; both are places."""
        return sum(1 for _ in find_leaks(self.images[train], self.images[test], self.pairs))


def _by_first_place(groups: Int64) -> Int64:
    """The same groups numbered from 0 in the order in which they come; -1 stays."""
    known, first = np.unique(groups[groups >= 0], return_index=True)
    number = np.empty(len(known), np.int64)
    number[np.argsort(first)] = np.arange(len(known))
    found = groups.copy()
    found[groups >= 0] = number[np.searchsorted(known, groups[groups >= 0])]
    return found


def find_groups(paths: Sequence[Path], folder: Path, progress: Progress) -> PictureGroups:
    """Read every picture and compare it with all others. ``folder``: where links to them and the library lie; what was
    read before is not read again. About 35 ms of CPU time a picture. Raises StorageFull and what an index run
    raises."""
    links = _link(paths, folder / "linked")
    settings = load_settings({"library": folder / "library", "model": MODEL_FREE, "features": "none"})
    run_index(IndexRequest((str(links),), settings), progress)
    with open_store(settings) as store:
        inventory = store.inventory()
        place: dict[str, int] = {}
        for image_id, files in store.all_paths(np.asarray(inventory.image_ids).tolist()).items():
            place |= {file.name: image_id for file in files}
        reasons = {Path(failure.path).name: failure.reason for failure in store.failures()}
        evidence = store.evidence()
        with evidence.running():
            compare(store, evidence, LEAKING, progress)
        pairs = tuple(read_pairs(evidence, LEAKING))
    names = [_name(number, path) for number, path in enumerate(paths)]
    images = np.array([place.get(name, -1) for name in names], np.int64)
    unread = {
        number: reasons.get(name, "it is not a picture that can be read")
        for number, name in enumerate(names)
        if name not in place
    }
    return PictureGroups(images, unread, pairs)


def _name(number: int, path: Path) -> str:
    return f"{number:08d}{path.suffix}"


def _link(paths: Sequence[Path], folder: Path) -> Path:
    """A folder with a link to each picture, named after its place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {_name(number, path): os.fspath(path.absolute()) for number, path in enumerate(paths)}
        for entry in folder.iterdir():
            if entry.name not in wanted or os.fspath(entry.readlink()) != wanted[entry.name]:
                entry.unlink()
        for name, target in wanted.items():
            link = folder / name
            if not link.is_symlink():
                link.symlink_to(target)
    except OSError as exc:
        raise StorageFull(f"{folder} cannot be written: {exc.strerror}", "name another --output") from exc
    return folder
