"""Rows of pictures and captions in files: JSONL, JSON, CSV and Parquet, by the names that data sets give their columns.

The names come from our own pairs.jsonl, Hugging Face's "imagefolder" (file_name, text), LAVIS (image, caption),
open_clip (filepath, title), Flickr30k (image_name, comment) and img2dataset (url and caption beside a key).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from imgsearch.errors import ExtraMissing, StorageFull, UsageError
from imgsearch.files import write_whole

IMAGE_COLUMNS = ("image", "image_path", "file_name", "filename", "filepath", "file", "path", "image_name", "img", "url")
CAPTION_COLUMNS = ("captions", "caption", "text", "texts", "title", "comment", "description", "sentence", "prompt")
_DELIMITERS = (",", "\t", ";", "|")
_LONGEST_CELL = 1 << 20


class RawRow(NamedTuple):
    """What one row says. ``reason`` says why it cannot be used, "" if it may be; ``row`` counts from 1, 0 for none.
    ``inside``: the picture lies in the file and was not unpacked; ``image`` is then a name for its bytes."""

    file: str
    row: int
    image: str
    captions: tuple[str, ...]
    reason: str = ""
    inside: bool = False


def table_rows(path: Path, unpacked: Path | None) -> tuple[str, Iterator[RawRow]]:
    """The kind of a file, and its rows. Raises UsageError for one that cannot be read as a whole."""
    readers: dict[str, tuple[str, Callable[[Path], Iterator[RawRow]]]] = {
        ".jsonl": ("JSONL", _jsonl),
        ".ndjson": ("JSONL", _jsonl),
        ".csv": ("CSV", _csv),
        ".tsv": ("CSV", _csv),
        ".txt": ("CSV", _csv),
        ".token": ("CSV", _csv),
        ".parquet": ("Parquet", lambda one: _parquet(one, unpacked)),
    }
    ending = path.suffix.lower()
    try:
        if ending == ".json":
            return _json(path)
        if ending in readers:
            kind, reader = readers[ending]
            return kind, iter(list(reader(path)))
    except (OSError, UnicodeError) as exc:
        raise UsageError(f"{path} cannot be read: {exc}", "expected a text file in UTF-8") from exc
    raise UsageError(
        f"{path} ends in {ending or 'nothing'}", "expected .jsonl, .json, .csv, .tsv, .parquet, or a folder"
    )


def _text(path: Path) -> str:
    """A text file, in UTF-8, or in UTF-16 as spreadsheets write it, with its mark."""
    data = path.read_bytes()
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")


def _jsonl(path: Path) -> Iterator[RawRow]:
    data = path.read_bytes()
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for number, line in enumerate((_text(path).encode() if wide else data).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            yield RawRow(path.name, number, "", (), "it is not in UTF-8")
            continue
        except (ValueError, RecursionError) as exc:
            yield RawRow(path.name, number, "", (), f"it is not JSON: {exc}")
            continue
        yield _row(path.name, number, row)


def _row(file: str, number: int, row: Any) -> RawRow:
    """One row of any table, by the names of its columns."""
    if not isinstance(row, Mapping):
        return RawRow(file, number, "", (), f"it is {type(row).__name__}, expected an object with picture and caption")
    lowered = {str(name).strip().lower(): value for name, value in row.items()}
    image = next((lowered[name] for name in IMAGE_COLUMNS if lowered.get(name)), None)
    if not isinstance(image, str) or not image.strip():
        there = f"its picture is {image!r:.60}" if image else f"it has {', '.join(sorted(lowered)[:8]) or 'nothing'}"
        expected = f"expected {', '.join(IMAGE_COLUMNS[:4])} ..."
        return RawRow(file, number, "", (), f"it names no picture ({there}; {expected})")
    captions: list[str] = []
    for name, value in lowered.items():
        if name in CAPTION_COLUMNS or _numbered(name):
            try:
                captions += _captions(value)
            except TypeError:
                return RawRow(file, number, "", (), f"its {name} is {value!r:.60}, expected a text or a list of texts")
    return RawRow(file, number, image.strip(), tuple(captions))


def _numbered(name: str) -> bool:
    """caption_1, caption2, text-3: one of several captions of a row."""
    bare = name.rstrip("0123456789").rstrip("_- ")
    return bare != name and bare in CAPTION_COLUMNS


def _captions(value: Any) -> list[str]:
    if value is None or (isinstance(value, float) and value != value):
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):  # a sentence of Karpathy's splits
        return _captions(value.get("raw", value.get("text")))
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [text for one in value for text in _captions(one)]
    raise TypeError(type(value).__name__)


def _csv(path: Path) -> Iterator[RawRow]:
    text = _text(path)
    csv.field_size_limit(_LONGEST_CELL)
    first = text.lstrip("\n").partition("\n")[0]
    delimiter = next((mark for mark in _DELIMITERS if _has_header(first, mark)), None)
    if delimiter is None:
        if "#" in first and "\t" in first:  # Flickr's own form: picture.jpg#0, a tab, the caption
            yield from _flickr(path.name, text)
            return
        raise UsageError(
            f"the first line of {path} names no columns of pictures and captions: {first!r:.80}",
            f"expected one of {', '.join(IMAGE_COLUMNS)} and one of {', '.join(CAPTION_COLUMNS)}",
        )
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    names = [name.strip() for name in next(reader)]
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield RawRow(path.name, reader.line_num, "", (), f"it cannot be read: {exc}")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            expected = f"expected {len(names)} ({', '.join(names)})"
            reason = f"it has {len(cells)} columns, {expected}; texts that hold {delimiter!r} stand in quotes"
            yield RawRow(path.name, reader.line_num, "", (), reason)
            continue
        yield _row(path.name, reader.line_num, dict(zip(names, cells, strict=True)))


def _has_header(line: str, delimiter: str) -> bool:
    names = {name.strip().strip('"').lower() for name in line.split(delimiter)}
    has_caption = any(name in CAPTION_COLUMNS or _numbered(name) for name in names)
    return has_caption and not names.isdisjoint(IMAGE_COLUMNS)


def _flickr(file: str, text: str) -> Iterator[RawRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        name, tab, caption = line.partition("\t")
        if line.strip():
            yield RawRow(file, number, name.partition("#")[0], (caption,), "" if tab else "it has no tab")


def _json(path: Path) -> tuple[str, Iterator[RawRow]]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"{path} is not JSON: {exc}", "one object a line is .jsonl") from exc
    if isinstance(found, list):
        return "JSON", (_row(path.name, number, row) for number, row in enumerate(found, start=1))
    if isinstance(found, dict) and isinstance(found.get("images"), list):
        if isinstance(found.get("annotations"), list):
            return "COCO captions", _coco(path.name, found)
        rows = enumerate(found["images"], start=1)
        return "JSON", (_row(path.name, number, _karpathy(row)) for number, row in rows)
    raise UsageError(
        f"{path} is JSON of a form that is not known",
        "expected COCO's captions (images and annotations), or a list of objects with a picture and a caption",
    )


def _karpathy(row: Any) -> Any:
    """Karpathy's splits have the folder and the name apart, and captions as "sentences"."""
    if not isinstance(row, dict) or "sentences" not in row:
        return row
    folder, name = row.get("filepath", ""), row.get("filename", "")
    return {"image": f"{folder}/{name}" if folder and name else name, "captions": row["sentences"]}


def _coco(file: str, found: dict[str, Any]) -> Iterator[RawRow]:
    """The annotations' rows; a picture without any is passed over, as COCO's own loaders do."""
    names: dict[Any, str] = {}
    for number, image in enumerate(found["images"], start=1):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not name or not _hashable(image.get("id")):
            yield RawRow(file, number, "", (), "it has no id or no file_name")
        else:
            names[image["id"]] = name
    for number, row in enumerate(found["annotations"], start=1):
        wanted = row.get("image_id") if isinstance(row, dict) else None
        if not _hashable(wanted) or wanted not in names:
            yield RawRow(file, number, "", (), f"it is of image {wanted!r:.40}, which the file does not list")
        elif not isinstance(row.get("caption"), str):
            yield RawRow(file, number, "", (), "it has no caption (instances and keypoints have none)")
        else:
            yield RawRow(file, number, names[wanted], (row["caption"],))


def _hashable(value: Any) -> bool:
    return isinstance(value, int | str)


def _parquet(path: Path, unpacked: Path | None) -> Iterator[RawRow]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as exc:
        raise ExtraMissing("reading Parquet needs pyarrow", "pip install 'imgsearch[parquet]'") from exc
    try:
        file = pq.ParquetFile(path)
        number = 0
        for batch in file.iter_batches(batch_size=64):
            for row in batch.to_pylist():
                number += 1
                with_path, inside = _with_path(row, unpacked)
                yield _row(path.name, number, with_path)._replace(inside=inside)
    except (pa.ArrowException, OSError) as exc:
        raise UsageError(f"{path} cannot be read as Parquet: {str(exc).splitlines()[0]}", "write it again") from exc


def _with_path(row: dict[str, Any], unpacked: Path | None) -> tuple[dict[str, Any], bool]:
    """The row with a path where it holds a picture's bytes, as Hugging Face's data sets do: {"bytes", "path"}; and
    whether there is no such file, because nothing is unpacked."""
    changed, inside = dict(row), False
    for name, value in row.items():
        if str(name).strip().lower() not in IMAGE_COLUMNS:
            continue
        data = value.get("bytes") if isinstance(value, dict) else value
        if isinstance(data, bytes):
            inside = unpacked is None
            changed[name] = _name_of(data) if unpacked is None else str(_unpack(data, unpacked))
        elif isinstance(value, dict):
            changed[name] = value.get("path")
    return changed, inside


def _name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _unpack(data: bytes, unpacked: Path) -> Path:
    """Write a picture that lay in a table into a file named after its bytes. What it is, its first bytes say."""
    target = unpacked.absolute() / _name_of(data)
    if not target.is_file():
        try:
            unpacked.mkdir(parents=True, exist_ok=True)
            write_whole(target, data, durable=False)
        except OSError as exc:
            raise StorageFull(f"{unpacked} cannot be written: {exc.strerror}", "choose another folder") from exc
    return target
