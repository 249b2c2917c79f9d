"""Reads a file of captioned images, one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.errors import UsageError

EXPECTED = 'expected {"image": path relative to the file, "captions": [text, ...]} and perhaps twin_of, twin_kind'


@dataclass(frozen=True, slots=True)
class CaptionPair:
    """One picture with its captions. ``twin_of`` is the index, in the same list, of the picture it is a
    twin of; ``twin_kind`` says what was changed ("colour", "count", "relation")."""

    image: Path
    captions: tuple[str, ...]
    twin_of: int | None = None
    twin_kind: str | None = None


def load_pairs(path: Path) -> list[CaptionPair]:
    """The rows of a JSON-lines file, pictures found beside it. Keys that are not known are ignored.

    Raises UsageError, with the line's number, for a file or picture that is not there, a line that is not
    JSON or lacks what it needs, a picture named twice, and a twin of a picture that the file does not hold.
    """
    rows = _read_rows(path)
    place = {row["image"]: index for index, (_, row) in enumerate(rows)}
    pairs = []
    for index, (number, row) in enumerate(rows):
        where = f"line {number} of {path}"
        if place[row["image"]] != index:
            raise UsageError(f"{where} names {row['image']!r}, as another line does", "give every picture one line")
        image = path.parent / row["image"]
        if not image.is_file():
            raise UsageError(
                f"{where} names the picture {image}, which is not there", "paths start at the file's folder"
            )
        twin_of, kind = row.get("twin_of"), row.get("twin_kind")
        if twin_of is not None and (twin_of not in place or not isinstance(kind, str)):
            raise UsageError(
                f"{where} is a {kind!r} twin of {twin_of!r}", "twin_of must be the image of a row, twin_kind a word"
            )
        twin = (None, None) if twin_of is None else (place[twin_of], kind)
        pairs.append(CaptionPair(image, tuple(row["captions"]), *twin))
    return pairs


def _read_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line that is not blank."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as exc:
        raise UsageError(f"there is no file {path}", "imgsearch scenes --count 1000 OUT draws a set") from exc
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else f"byte {exc.start} is not UTF-8"
        raise UsageError(f"{path} cannot be read: {reason}", f"{EXPECTED}, one object a line, in UTF-8") from exc
    rows = [(number, _parse(line, number, path)) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise UsageError(f"{path} holds no rows", EXPECTED)
    return rows


def _parse(line: str, number: int, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as exc:
        raise UsageError(f"line {number} of {path} is not JSON: {exc}", EXPECTED) from exc
    if not isinstance(row, dict) or not isinstance(row.get("image"), str) or not row["image"]:
        raise UsageError(f'line {number} of {path} has no "image"', EXPECTED)
    captions = row.get("captions")
    if not isinstance(captions, list) or not captions or not all(isinstance(text, str) for text in captions):
        raise UsageError(f'line {number} of {path} has no "captions": got {captions!r:.60}', EXPECTED)
    if not isinstance(row.get("twin_of"), str | None):
        raise UsageError(f'line {number} of {path} has a "twin_of" that is no path', EXPECTED)
    return row
