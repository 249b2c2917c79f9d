"""Which files beside a picture speak of it: XMP sidecars and the notes of Google Takeout, told by their names."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from imgsearch.media.facts.takeout_names import notes_of
from imgsearch.records import FACTS_RECIPE

EXTENSIONS = (".xmp", ".json")
# What Google Photos adds to the name of an edited picture, a word or two of the account's language; the notes are those
# of the original.
_WORD = r"[^\W\d_][^\d_\s().,-]{1,15}"  # the marks of Arabic, Hindi and Thai count as no letters
_EDITED = re.compile(rf"-{_WORD}(?: {_WORD})?(?=(?:\(\d{{1,4}}\))?$)")


class Sidecar(NamedTuple):
    """A file beside pictures, as the walk saw it."""

    name: str
    size_bytes: int
    mtime_ns: int


class SidecarFolder:
    """The sidecars of one folder, in 40 bytes and its name each."""

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
    """The sidecars that a walk met, by folder: its path under the root of the walk, "" for that itself, or for the
    folder that a single file lies in. ``unread`` tells of a path whether the walk could not look there."""

    def __init__(self, unread: Callable[[str], bool]) -> None:
        self.unread = unread
        self.folders: dict[str, SidecarFolder] = {}
        self.of_single_file = False

    def note(self, entry: os.DirEntry[str], relative_path: str) -> None:
        """One more; a stat."""
        try:
            status = entry.stat()
        except OSError:
            return  # gone, or a link that leads nowhere
        folder = relative_path[: -len(entry.name)].rstrip("/")
        self.folders.setdefault(folder, SidecarFolder()).add(entry.name, status.st_size, status.st_mtime_ns)

    def note_folder(self, path: str) -> None:
        """All sidecars of the folder at ``path``, for a walk of a single file in it."""
        self.of_single_file = True
        try:
            with os.scandir(path) as listing:
                for entry in listing:
                    if is_sidecar(entry.name):
                        self.note(entry, entry.name)
        except OSError:
            return


class SidecarListing:
    """The sidecars of one folder, to be asked which of them belong to a picture."""

    def __init__(self, sidecars: Iterable[Sidecar] = ()) -> None:
        self._by_folded: dict[str, list[Sidecar]] = {}
        for sidecar in sidecars:
            self._by_folded.setdefault(fold(sidecar.name), []).append(sidecar)
        self._has_notes = any(name.endswith(".json") for name in self._by_folded)

    def of(self, name: str) -> list[Sidecar]:
        """Those of the picture ``name``, the one that speaks first before the others. 10 microseconds."""
        folded = fold(name)
        found = [sidecar for wanted in _xmp_names(folded) for sidecar in self._by_folded.get(wanted, ())]
        return found + (self._notes_of(folded) if self._has_notes else [])

    def _notes_of(self, folded: str) -> list[Sidecar]:
        for image in (folded, _original(folded)):
            found = next((self._by_folded[wanted] for wanted in notes_of(image) if wanted in self._by_folded), None)
            if found:
                return found[:1]
        return []


def images_of(sidecars: Iterable[str], folder: str) -> list[str]:
    """The names of the files in ``folder`` that sidecars of these names, there or gone, may belong to: one look at the
    folder, 10 microseconds a file."""
    listing = SidecarListing(Sidecar(name, 0, 0) for name in sidecars)
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not is_sidecar(entry.name) and listing.of(entry.name)]
    except OSError:
        return []


def is_sidecar(name: str) -> bool:
    """Whether a file may speak of a picture beside it, by its name."""
    return name[-5:].lower().endswith(EXTENSIONS)


def xmp_names(name: str) -> Iterator[str]:
    """The names that the XMP sidecar of the picture ``name`` may have: ``IMG_1.jpg.xmp``, ``IMG_1.xmp``, also in upper
    case, the fuller name first."""
    for wanted in _xmp_names(name):
        yield wanted
        yield wanted[:-4] + ".XMP"


def digest_of(sidecars: Sequence[Sidecar]) -> int:
    """64 bits, signed, that change when one is added, removed or changed, or is read in another way; 0 for none."""
    if not sidecars:
        return 0
    text = repr([FACTS_RECIPE, *map(tuple, sidecars)]).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True) or 1


def fold(name: str) -> str:
    """For comparison: without case, accents composed (macOS hands them out in two characters)."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _xmp_names(name: str) -> tuple[str, str]:
    return name + ".xmp", os.path.splitext(name)[0] + ".xmp"  # noqa: PTH122


def _original(folded: str) -> str:
    """ "img_1-edited(1).jpg" -> "img_1(1).jpg"; itself for others."""
    stem, extension = os.path.splitext(folded)  # noqa: PTH122
    return _EDITED.sub("", stem) + extension
