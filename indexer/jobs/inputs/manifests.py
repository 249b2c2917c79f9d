"""Lists of paths: text, CSV and TSV, JSON lines, Parquet. Each line is an input, also one that cannot be read."""

from __future__ import annotations

import codecs
import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from imgsearch.errors import UsageError
from imgsearch.extras import needs_extra

SUFFIXES = (".txt", ".lst", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
COLUMNS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "name")
"""Names that a column of paths goes by, the most likely first."""

_CHUNK_ROWS = 65_536


class ManifestLine(NamedTuple):
    """One line. ``where``: "line 17"; ``path``: as it is written, with surrogateescape; ``lost``: why there is none."""

    where: str
    path: str
    lost: str = ""


def read_manifest(path: Path, column: str = "") -> Iterator[ManifestLine]:
    """The lines of a manifest, in order. ``column`` names the column or key of the paths; else it is found by
    `COLUMNS`. Raises UsageError for a manifest that cannot be read as a whole: no file, no such column, a Parquet file
    that is damaged anywhere."""
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            yield from _parquet(path, column)
        elif kind in (".csv", ".tsv"):
            yield from _table(path, column, "\t" if kind == ".tsv" else "")
        elif kind in (".jsonl", ".ndjson"):
            yield from _json_lines(path, column)
        else:
            yield from _plain(path)
    except OSError as exc:
        raise UsageError(f"the manifest {path} cannot be read: {exc.strerror or exc}", "name another one") from exc


def _plain(path: Path) -> Iterator[ManifestLine]:
    """One path a line; or, if there are as many NUL bytes as ends of lines, between these (``find -print0``). Fewer are
    in names that no file has."""
    with path.open("rb") as file:
        head = file.read(1 << 16).removeprefix(codecs.BOM_UTF8)
        _refuse_utf16(path, head)
        file.seek(0)
        if 0 < head.count(b"\0") >= head.count(b"\n"):
            for number, part in enumerate(file.read().split(b"\0"), 1):
                if part:
                    yield ManifestLine(f"entry {number}", os.fsdecode(part))
            return
        for number, line in enumerate(file, 1):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            text = text.removesuffix(b"\n").removesuffix(b"\r")
            if text.strip():
                yield ManifestLine(f"line {number}", os.fsdecode(text))


def _refuse_utf16(path: Path, head: bytes) -> None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UsageError(f"the manifest {path} is in UTF-16", "save it in UTF-8: iconv -f UTF-16 -t UTF-8")


def _table(path: Path, column: str, delimiter: str) -> Iterator[ManifestLine]:
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        head = file.readline()
        _refuse_utf16(path, head.encode("utf-8", "surrogateescape"))
        if not delimiter:
            delimiter = max(",;\t", key=head.count)
        file.seek(0)
        rows = csv.reader(file, delimiter=delimiter)
        names = next(rows, [])
        place = _place(path, [name.strip() for name in names], column)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                yield ManifestLine(f"line {rows.line_num}", "", f"it is no row of a table: {exc}")
                continue
            where = f"line {rows.line_num}"
            if not row:
                continue
            if len(row) <= place or not row[place]:
                yield ManifestLine(where, "", f"it has no {names[place]}")
            else:
                yield ManifestLine(where, row[place])


def _json_lines(path: Path, column: str) -> Iterator[ManifestLine]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            where = f"line {number}"
            if not line.strip():
                continue
            try:
                data = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape"))
            except (ValueError, RecursionError) as exc:
                yield ManifestLine(where, "", f"it is no JSON: {str(exc)[:80]}")
                continue
            found = data if isinstance(data, str) else _named(data, column)
            if isinstance(found, str) and found:
                yield ManifestLine(where, found)
            else:
                yield ManifestLine(where, "", f"it names no path, expected a text or {column or 'path'!r} in an object")


def _named(data: Any, column: str) -> Any:
    """The path in a row; of an image as data sets have it ({"bytes": ..., "path": ...}) the path."""
    if not isinstance(data, dict):
        return None
    found = next((data[name] for name in ([column] if column else COLUMNS) if name in data), None)
    return found.get("path") if isinstance(found, dict) else found


def _parquet(path: Path, column: str) -> Iterator[ManifestLine]:
    with needs_extra("manifests in Parquet", "parquet"):
        import pyarrow
        import pyarrow.parquet
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            place = _place(path, file.schema_arrow.names, column)
            name = file.schema_arrow.names[place]
            for chunk in file.iter_batches(_CHUNK_ROWS, columns=[name]):
                for value in chunk.column(0).to_pylist():
                    number += 1
                    yield _parquet_line(number, name, value)
            if number != file.metadata.num_rows:
                raise _damaged(path, f"{number} rows came out, its footer says {file.metadata.num_rows}")
    except (pyarrow.ArrowException, OSError, ValueError) as exc:
        if isinstance(exc, FileNotFoundError):
            raise
        raise _damaged(path, str(exc).splitlines()[0][:200] if str(exc) else type(exc).__name__) from exc


def _parquet_line(number: int, name: str, value: Any) -> ManifestLine:
    if isinstance(value, dict):
        value = value.get("path")
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    if isinstance(value, str) and value:
        return ManifestLine(f"row {number}", value)
    return ManifestLine(f"row {number}", "", f"its {name} is {type(value).__name__}, expected a path")


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the manifest {path} is damaged or no Parquet file: {why}",
        "write it again; none of its rows is taken, since nobody knows which are missing",
    )


def _place(path: Path, names: Sequence[str], column: str) -> int:
    """Which column holds the paths."""
    if column:
        if column in names:
            return names.index(column)
    else:
        lower = [name.lower() for name in names]
        for known in COLUMNS:
            if known in lower:
                return lower.index(known)
    wanted = repr(column) if column else "one named " + ", ".join(COLUMNS[:4]) + " or the like"
    raise UsageError(
        f"the manifest {path} has the columns {', '.join(names)[:200] or '(none)'}, expected {wanted}",
        "name the column of the paths with --column",
    )
