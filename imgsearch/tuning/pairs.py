"""A person's pictures and captions, from whatever they are in; a row that cannot be used is named, with its reason.

Read are JSONL, JSON (COCO's captions, Karpathy's splits, LAVIS's lists), CSV and its relatives, Parquet, and folders
with a text file beside each picture; `imgsearch.tuning.library_pairs` takes them from a library.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from imgsearch.errors import UsageError
from imgsearch.tuning.pair_files.folders import find_table, folder_rows
from imgsearch.tuning.pair_files.tables import RawRow, table_rows

EXPECTED = (
    "expected .jsonl, .json (COCO captions), .csv, .tsv or .parquet with a picture and a caption a row, "
    "or a folder with a .txt beside each picture"
)
_ADDRESS = ("http://", "https://", "s3://", "gs://", "ftp://")


@dataclass(frozen=True, slots=True)
class TuningPair:
    """One picture and what is true of it. ``origin`` is where it was first named: "pairs.csv, line 12"."""

    image: Path
    captions: tuple[str, ...]
    origin: str


class BadRow(NamedTuple):
    """One row that cannot be used. ``row`` is the line or row from 1 on; 0 where the whole file is meant."""

    file: str
    row: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.row}" if self.row else self.file
        return f"{place}: {self.reason}"


@dataclass(slots=True)
class Pairs:
    """``good`` has every picture once, in the order in which they came; ``bad`` are the rows that are left out."""

    good: list[TuningPair] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    kind: str = ""  # "JSONL", "CSV", "Parquet", "COCO captions", "folder", "library"

    @property
    def captions(self) -> int:
        """How many captions all pictures have."""
        return sum(len(pair.captions) for pair in self.good)


def read_pairs(source: Path, *, images: Path | None = None, unpacked: Path | None = None) -> Pairs:
    """All pairs in a file or folder. ``images``: where the pictures' paths begin, if not at the file's folder.
    ``unpacked``: a folder into which pictures that lie inside a Parquet file are written; without it they are counted,
    and have no path at which they could be opened.

    Raises UsageError for a source that is not there, cannot be read at all or is of no kind that is known, and
    ExtraMissing for Parquet without pyarrow. Opens no picture."""
    if not source.exists():
        raise UsageError(f"there is no file or folder {source}", EXPECTED)
    if images is not None and not images.is_dir():
        raise UsageError(f"there is no folder {images}", "--images names the folder at which the pictures' paths begin")
    table = find_table(source) if source.is_dir() else source
    if table is None:
        return collect("folder", folder_rows(source), [source])
    kind, rows = table_rows(table, unpacked)
    return collect(kind, rows, _bases(table, images))


def collect(kind: str, rows: Iterable[RawRow], bases: list[Path]) -> Pairs:
    """Join the rows of one picture, look for the pictures below ``bases``, and name the rows that cannot be used."""
    found: dict[str, tuple[Path, dict[str, None], str]] = {}
    bad: list[BadRow] = []
    for row in rows:
        reason = row.reason
        path = None
        if row.inside:
            path = Path(row.image)
        elif not reason:
            path, reason = _picture(row.image, bases)
        captions = [" ".join(caption.split()) for caption in row.captions]
        if not reason and not any(captions):
            reason = "it has no caption"
        if reason or path is None:
            bad.append(BadRow(row.file, row.row, reason))
            continue
        origin = f"{row.file}, line {row.row}" if row.row else row.file
        _, texts, _ = found.setdefault(os.path.realpath(path), (path, {}, origin))
        texts.update(dict.fromkeys(caption for caption in captions if caption))
    good = [TuningPair(path, tuple(texts), origin) for path, texts, origin in found.values()]
    return Pairs(good, bad, kind)


def _bases(table: Path, images: Path | None) -> list[Path]:
    """Where relative paths may begin. COCO has its annotations in a folder beside those of the pictures, whose names
    end the annotation file's: annotations/captions_train2017.json and train2017/."""
    if images is not None:
        return [images]
    split = table.stem.rpartition("_")[2]
    beside, above = table.parent, table.parent.parent
    return [folder / part for folder in (beside, above) for part in ("", split, "images", f"images/{split}")]


def _picture(name: str, bases: list[Path]) -> tuple[Path | None, str]:
    """(path, "") of a picture that is there, else (None, why it is not)."""
    if name.startswith(_ADDRESS):
        return None, f"{name} is an address; pictures are read from this computer"
    if "\0" in name:
        return None, f"{name!r} is no path"
    try:
        for path in _places(name, bases):
            if path.is_file():
                return path, ""
        first = next(iter(_places(name, bases)))
        return None, f"{first} is a folder" if first.is_dir() else f"the picture {first} is not there"
    except OSError as exc:
        return None, f"the picture {name} cannot be reached: {exc.strerror}"


def _places(name: str, bases: list[Path]) -> Iterator[Path]:
    """Where a picture may be: as it is written, in the other forms of Unicode (a Mac writes decomposed letters), and
    with the other system's slashes."""
    names = dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)))
    if "\\" in name:
        names |= dict.fromkeys(one.replace("\\", "/") for one in list(names))
    for base in bases:
        for one in names:
            yield base / Path(one).expanduser() if one.startswith("~/") else base / one
