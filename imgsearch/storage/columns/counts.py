"""Counts over columns: how many images each year, camera, type and folder has among those that filters leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsearch.records import Filters, Int64
from imgsearch.storage.columns.conditions import Mask, files_matching
from imgsearch.storage.columns.current import ColumnsAtHand
from imgsearch.storage.columns.tables import SINGLE, Columns


@dataclass(frozen=True)
class _Files:
    """Those files of one part of the columns that the filters leave: ``rows`` int64 [n], their ``images`` [n] and
    places among the ``folders`` [n]."""

    columns: Columns
    rows: Int64
    images: NDArray[Any]
    folders: NDArray[Any]

    def images_of(self, groups: Int64, count: int) -> Int64:
        """int64 [count]: how many images have a file in a folder of each group; ``groups`` [K] of each folder, -1 for
        none. An image with several files in a group counts once."""
        found = groups[self.folders]
        counted = np.bincount(found[found >= 0], minlength=count)
        repeated = np.zeros(len(self.columns.file_ids), np.bool_)
        repeated[self.columns.get("repeated")] = True
        several = repeated[self.rows] & (found >= 0)
        pairs = found[several] + count * self.images[several].astype(np.int64)
        counted -= np.bincount(found[several], minlength=count)
        return counted + np.bincount(np.unique(pairs) % count, minlength=count)


class ColumnCounts:
    """The counts of `imgsearch.storage.reads.facets` by columns; what each set of filters leaves is found once."""

    def __init__(self, at_hand: ColumnsAtHand) -> None:
        self._at_hand = at_hand
        self._known: dict[Filters, Mask] = {}

    def facts(self, filters: Filters) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """The number of images by the first four letters of the date, by camera, by format."""
        years, cameras, formats = Counter[str](), Counter[str](), Counter[str]()
        for part, mask in self._parts(filters):
            for name, counts, values in (
                ("day", years, [day[:4].decode() for day in part.get("days").tolist()]),
                ("camera", cameras, part.cameras),
                ("kind", formats, part.kinds),
            ):
                found = np.bincount(part.get(name)[mask], minlength=len(values)).tolist()
                if name == "camera":
                    found[0] = 0  # those without one
                for value, count in zip(values, found, strict=True):
                    counts[value] += count
        del years[""]
        return years + Counter(), cameras + Counter(), formats + Counter()

    def folders(self, filters: Filters) -> dict[tuple[int, bytes], int]:
        """The number of images in each folder, by root and path, directly below the one that holds all that is left;
        or in each root, by b"", where several hold something."""
        parts = list(self._files(filters))
        held = [part.columns.folders[code] for part in parts for code in np.unique(part.folders).tolist()]
        roots = {root_id for root_id, _ in held}
        if len(roots) > 1:
            keys = {folder: (folder[0], b"") for folder in held if folder[1] != SINGLE}
        else:
            above = _common_folder([path for _, path in held])
            below = ((folder, folder[1][len(above) :].partition(b"/")) for folder in held)
            keys = {folder: (folder[0], above + child) for folder, (child, slash, _) in below if slash}
        return self._counted(parts, keys)

    def _counted(
        self, parts: list[_Files], keys: dict[tuple[int, bytes], tuple[int, bytes]]
    ) -> dict[tuple[int, bytes], int]:
        listed = sorted(set(keys.values()))
        numbers = {key: number for number, key in enumerate(listed)}
        counts = np.zeros(len(listed), np.int64)
        for part in parts if listed else ():
            groups = [numbers.get(keys.get(folder, (-1, b"")), -1) for folder in part.columns.folders]
            counts += part.images_of(np.array(groups, np.int64), len(listed))
        return dict(zip(listed, counts.tolist(), strict=True))

    def _parts(self, filters: Filters) -> Iterator[tuple[Columns, Mask]]:
        """Each part of the columns, with a mask of its images."""
        if filters not in self._known:
            self._known[filters] = self._at_hand.matching(filters)
        mask, first = self._known[filters], 0
        for part in self._at_hand.current.parts:
            yield part, mask[first : first + len(part.image_ids)]
            first += len(part.image_ids)

    def _files(self, filters: Filters) -> Iterator[_Files]:
        for part, mask in self._parts(filters):
            inside = mask[part.get("file_image")]
            fitting = files_matching(part, filters, self._at_hand.asked)
            if fitting is not None:
                inside &= fitting
            rows = np.flatnonzero(inside)
            yield _Files(part, rows, part.get("file_image")[rows], part.get("file_folder")[rows])


def _common_folder(paths: list[bytes]) -> bytes:
    """The deepest folder, with a slash behind, that holds all of these; b"" for the root."""
    if not paths:
        return b""
    first, last = min(paths), max(paths)
    shared = next(
        (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other),
        min(len(first), len(last)),
    )
    return first[: first.rfind(b"/", 0, shared) + 1]
