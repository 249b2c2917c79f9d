"""Folders of pictures with a text file beside each, as trainers of picture models read them: a.jpg and a.txt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from imgsearch.errors import UsageError
from imgsearch.media.walking.walk import Walk
from imgsearch.tuning.pair_files.tables import RawRow

TEXT_ENDINGS = (".txt", ".caption", ".TXT")
_TABLES = ("pairs.jsonl", "metadata.jsonl", "metadata.csv", "metadata.parquet", "captions.jsonl")
"""Files that make a folder a table: ours, and those of a Hugging Face "imagefolder"."""

_LONGEST_TEXT = 100_000  # bytes; a caption has a few hundred


def find_table(folder: Path) -> Path | None:
    """The table of a folder that has one, by its usual name."""
    return next((folder / name for name in _TABLES if (folder / name).is_file()), None)


def folder_rows(folder: Path) -> Iterator[RawRow]:
    """One row for each picture below the folder, in the order of their paths: every line of its text file that is not
    blank is a caption. A picture without a text file is a row with a reason.

    Hidden files and folders of programs are passed over, as `imgsearch index` does. Raises UsageError for a folder
    without pictures."""
    walk = Walk(folder)
    paths = sorted(entry.path for entry in walk)
    if not paths:
        raise UsageError(f"there is no picture below {folder}", "name a folder with a .txt beside each picture")
    for path in paths:
        name = os.path.relpath(path, folder)
        text = _text_beside(Path(path))
        if text is None:
            yield RawRow(name, 0, "", (), "there is no .txt beside it")
            continue
        try:
            if text.stat().st_size > _LONGEST_TEXT:
                raise ValueError(f"{text.name} has {text.stat().st_size:,} bytes, which is no caption")
            lines = text.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            yield RawRow(name, 0, "", (), f"{text.name} is not UTF-8")
        except (OSError, ValueError) as exc:
            yield RawRow(name, 0, "", (), f"{text.name} cannot be read: {exc}")
        else:
            yield RawRow(name, 0, path, tuple(lines), "" if any(map(str.strip, lines)) else f"{text.name} is empty")


def _text_beside(picture: Path) -> Path | None:
    """a.txt or a.jpg.txt of a.jpg."""
    for ending in TEXT_ENDINGS:
        for text in (picture.with_suffix(ending), picture.with_name(picture.name + ending)):
            if text.is_file():
                return text
    return None
