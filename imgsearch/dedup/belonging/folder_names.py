"""The names in a folder, looked up by their folded form; each folder is read once."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator

from imgsearch.dedup.belonging.version_names import fold
from imgsearch.media.facts.takeout_names import image_of_worded_notes
from imgsearch.media.sniff import IMAGE_EXTENSIONS

_MOST_FOLDERS = 64
_MOST_NAMES = 200_000  # in all cached folders: about 60 MB


class FolderListing(Collection[str]):
    """The files of one folder."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._by_folded: dict[str, list[str]] = {}
        self._pictures: dict[str, list[str]] = {}
        self._worded_notes: dict[str, list[str]] = {}
        self._size = 0
        for name in names:
            folded = fold(name)
            self._by_folded.setdefault(folded, []).append(name)
            stem, extension = os.path.splitext(folded)  # noqa: PTH122
            if extension in IMAGE_EXTENSIONS:
                self._pictures.setdefault(stem, []).append(name)
            elif extension == ".json" and (image := image_of_worded_notes(folded)):
                self._worded_notes.setdefault(image, []).append(folded)
            self._size += 1

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return (name for names in self._by_folded.values() for name in names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._by_folded.get(fold(name), ())

    def spelled(self, folded: str) -> list[str]:
        """The names that equal ``folded`` when case is ignored, as they are written."""
        return self._by_folded.get(folded, [])

    def worded_notes(self, folded: str) -> list[str]:
        """Google's notes of the image of that name that are named in any language, folded."""
        return self._worded_notes.get(folded, [])

    def pictures_of_stem(self, folded: str) -> list[str]:
        """The images of that name, ignoring the extension."""
        return self._pictures.get(folded, [])

    def pictures_that_begin(self, folded: str) -> list[str]:
        """The images whose folded name begins like this. Checks every image."""
        return [
            name for names in self._pictures.values() for name in names if fold(name).startswith(folded)
        ]  # fmt: skip


def listing_of(folder: str) -> FolderListing:
    """The files of a folder on disk; empty if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return FolderListing(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False))
    except (OSError, ValueError):
        return FolderListing()


class FolderNames:
    """`listing_of` with a cache of the most recent folders. Threads must not share one."""

    def __init__(self, most_folders: int = _MOST_FOLDERS, most_names: int = _MOST_NAMES) -> None:
        self._most_folders, self._most_names = most_folders, most_names
        self._listings: OrderedDict[str, FolderListing] = OrderedDict()
        self._names = 0

    def of(self, folder: str) -> FolderListing:
        """The files of ``folder`` as of the first call."""
        found = self._listings.get(folder)
        if found is not None:
            self._listings.move_to_end(folder)
            return found
        found = self._listings[folder] = listing_of(folder)
        self._names += len(found)
        while len(self._listings) > self._most_folders or (self._names > self._most_names and len(self._listings) > 1):
            self._names -= len(self._listings.popitem(last=False)[1])
        return found

    def forget(self, folder: str) -> None:
        """Drop ``folder`` from the cache, so that the next call reads it again: files were moved."""
        self._names -= len(self._listings.pop(folder, ()))
