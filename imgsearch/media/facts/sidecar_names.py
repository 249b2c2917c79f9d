"""Which files beside an image describe it, by their names: XMP sidecars and the JSON notes of Google Takeout."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from imgsearch.media.facts.takeout_names import image_of_worded_notes, notes_of
from imgsearch.records import FACTS_RECIPE

EXTENSIONS = (".xmp", ".json")
# Google Photos adds a word or two in the account's language to the name of an edited image. Its notes are those of the
# original.
_WORD = r"[^\W\d_][^\d_\s().,-]{1,15}"  # combining marks of Arabic, Hindi and Thai do not count as \w
_EDITED = re.compile(rf"-{_WORD}(?: {_WORD})?(?=(?:\(\d{{1,4}}\))?$)")


class Sidecar(NamedTuple):
    """A sidecar as the walk saw it."""

    name: str
    size_bytes: int
    mtime_ns: int


class SidecarFolder:
    """The sidecars of one folder, stored in 40 bytes and a name each."""

    def __init__(self) -> None:
        self._names = bytearray()
        self._numbers = array("q")  # size, time of each

    def add(self, name: str, size_bytes: int, mtime_ns: int) -> None:
        self._names += os.fsencode(name) + b"/"
        self._numbers.extend((size_bytes, max(-(2**63), min(mtime_ns, 2**63 - 1))))

    def __iter__(self) -> Iterator[Sidecar]:
        names = bytes(self._names).split(b"/")
        for place in range(len(self._numbers) // 2):
            yield Sidecar(os.fsdecode(names[place]), self._numbers[2 * place], self._numbers[2 * place + 1])


class FoundSidecars:
    """The sidecars that a walk met, by folder. The key is the folder's path under the root of the walk, "" for the root
    itself or for the folder of a single file. ``unread`` says of a path whether the walk could not read it."""

    def __init__(self, unread: Callable[[str], bool]) -> None:
        self.unread = unread
        self.folders: dict[str, SidecarFolder] = {}
        self.of_single_file = False

    def note(self, entry: os.DirEntry[str], relative_path: str) -> None:
        """Add one sidecar. Costs a stat."""
        try:
            status = entry.stat()
        except OSError:
            return  # gone, or a link that leads nowhere
        folder = relative_path[: -len(entry.name)].rstrip("/")
        self.folders.setdefault(folder, SidecarFolder()).add(entry.name, status.st_size, status.st_mtime_ns)

    def note_folder(self, path: str) -> None:
        """Add all sidecars of the folder at ``path``, for a walk of a single file in it."""
        self.of_single_file = True
        try:
            with os.scandir(path) as listing:
                for entry in listing:
                    if is_sidecar(entry.name):
                        self.note(entry, entry.name)
        except OSError:
            return


class SidecarListing:
    """The sidecars of one folder, for finding those of an image."""

    def __init__(self, sidecars: Iterable[Sidecar] = ()) -> None:
        self._by_folded: dict[str, list[Sidecar]] = {}
        for sidecar in sidecars:
            self._by_folded.setdefault(fold(sidecar.name), []).append(sidecar)
        self._has_notes = any(name.endswith(".json") for name in self._by_folded)
        self._worded: dict[str, list[Sidecar]] = {}
        for folded, found in self._by_folded.items():
            if folded.endswith(".json") and (image := image_of_worded_notes(folded)):
                self._worded.setdefault(image, found)

    def of(self, name: str) -> list[Sidecar]:
        """The sidecars of the image ``name``; of two that give the same fact, the earlier one counts. 10
        microseconds."""
        folded = fold(name)
        found = [sidecar for wanted in _xmp_names(folded) for sidecar in self._by_folded.get(wanted, ())]
        return found + (self._notes_of(folded) if self._has_notes else [])

    def _notes_of(self, folded: str) -> list[Sidecar]:
        for image in (folded, _original(folded)):
            found = next((self._by_folded[wanted] for wanted in notes_of(image) if wanted in self._by_folded), None)
            if found:
                return found[:1]
        return (self._worded.get(folded) or self._worded.get(_original(folded)) or [])[:1]


def images_of(sidecars: Iterable[str], folder: str) -> list[str]:
    """The names of the files in ``folder`` to which the named sidecars may belong, whether those still exist or not.
    Lists the folder once, 10 microseconds a file."""
    listing = SidecarListing(Sidecar(name, 0, 0) for name in sidecars)
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not is_sidecar(entry.name) and listing.of(entry.name)]
    except OSError:
        return []


def is_sidecar(name: str) -> bool:
    """Whether a file may describe an image beside it, by its name."""
    return name[-5:].lower().endswith(EXTENSIONS)


def xmp_names(name: str) -> Iterator[str]:
    """The names that the XMP sidecar of the image ``name`` may have: ``IMG_1.jpg.xmp``, ``IMG_1.xmp``, also in upper
    case, the longer name first."""
    for wanted in _xmp_names(name):
        yield wanted
        yield wanted[:-4] + ".XMP"


def digest_of(sidecars: Sequence[Sidecar]) -> int:
    """A signed 64-bit number that changes when a sidecar is added, removed or changed, or when this program reads
    sidecars differently; 0 for no sidecars."""
    if not sidecars:
        return 0
    text = repr([FACTS_RECIPE, *map(tuple, sidecars)]).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True) or 1


def fold(name: str) -> str:
    """A name in the form used for comparison: without case, accents composed (macOS returns them as two characters)."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _xmp_names(name: str) -> tuple[str, str]:
    return name + ".xmp", os.path.splitext(name)[0] + ".xmp"  # noqa: PTH122


def _original(folded: str) -> str:
    """The name of the original of an edited image: "img_1-edited(1).jpg" -> "img_1(1).jpg". Other names are returned
    unchanged."""
    stem, extension = os.path.splitext(folded)  # noqa: PTH122
    return _EDITED.sub("", stem) + extension
