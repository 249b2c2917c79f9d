"""Counts over columns: how many images each year, camera, type and folder has among those that filters leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from imgsearch.records import Filters
from imgsearch.storage.columns.conditions import Mask, files_matching
from imgsearch.storage.columns.current import ColumnsAtHand
from imgsearch.storage.columns.tables import SINGLE, Columns


class _Files:
    """The files of one part of the columns that the filters leave, by folder. Folders are numbered in the order of root
    and path, so that what lies below one is a stretch of numbers."""

    def __init__(self, columns: Columns, inside: Mask) -> None:
        """``inside`` bool [F]: which files."""
        self._columns = columns
        self.rows = np.flatnonzero(inside)
        codes = columns.get("file_folder")
        counts = np.bincount(codes[self.rows], minlength=len(columns.folders))
        self._held = np.flatnonzero(counts)
        self._before = np.concatenate([[0], np.cumsum(counts)])  # files in the folders before each
        repeated = columns.get("repeated")
        repeated = repeated[inside[repeated]]
        self._repeated = codes[repeated].astype(np.int64), columns.get("file_image")[repeated]

    @property
    def root_ids(self) -> list[int]:
        """Of the roots that hold any of the files."""
        return [int(root_id) for root_id in np.unique(self._columns.get("folder_root")[self._held])]

    def ends(self) -> list[bytes]:
        """The first and the last path of the folders that hold any; of one root."""
        return [self._columns.folders[self._held[place]][1] for place in (0, -1)]

    def children(self, above: bytes) -> Iterator[bytes]:
        """The folders directly below ``above``, with their slash, that hold any of the files; of one root."""
        place = 0
        while place < len(self._held):
            root_id, path = self._columns.folders[self._held[place]]
            child, slash, _ = path[len(above) :].partition(b"/")
            if not slash or path == SINGLE:
                place += 1
                continue
            yield child + b"/"
            below = self._columns.folders_below(root_id, above + child + b"/")
            place = int(np.searchsorted(self._held, below.stop))

    def count_below(self, root_id: int, folder: bytes) -> int:
        """How many images have one of the files below; an image with several counts once."""
        below = self._columns.folders_below(root_id, folder)
        start = below.start
        if not folder and start < below.stop and self._columns.folders[start][1] == SINGLE:
            start += 1  # a root that is a file has no folder
        codes, images = self._repeated
        several = images[(codes >= start) & (codes < below.stop)]
        files = self._before[below.stop] - self._before[start]
        return int(files) - len(several) + len(np.unique(several))


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
        parts = [part for part in self._files(filters) if len(part.rows)]
        roots = sorted({root_id for part in parts for root_id in part.root_ids})
        if len(roots) > 1:
            groups = {(root_id, b""): b"" for root_id in roots}
        elif roots:
            above = _common_folder([path for part in parts for path in part.ends()])
            groups = {(roots[0], above + child): above + child for part in parts for child in part.children(above)}
        else:
            return {}
        counted = {key: sum(part.count_below(key[0], below) for part in parts) for key, below in sorted(groups.items())}
        return {key: count for key, count in counted.items() if count}

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
            yield _Files(part, inside)


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
