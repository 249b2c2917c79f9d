"""Pairs, groups, leaks and pruned images as tables for other programs: CSV, JSON lines, Parquet.

Rows are made and written one after the other. A path stands as text in `path`; if its bytes are not UTF-8, the text has
replacement characters and `..._bytes` holds the path itself in hex, so that no name is lost in any format."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from imgsearch.dedup.evidence.mapping import FIELD_KINDS, evidence_as_dict
from imgsearch.dedup.evidence.records import Copy, Evidence, Group, Member, Pair
from imgsearch.dedup.plan.draft import replacing
from imgsearch.dedup.reports.words import describe_evidence
from imgsearch.errors import UsageError

KINDS = ("csv", "jsonl", "parquet")

_BATCH = 10_000
"""Rows of a Parquet row group, and pairs whose paths are looked up at once: 5 MB."""

Row = dict[str, Any]
Paths = Callable[[Sequence[int]], Mapping[int, str]]
"""Image ids -> the path of one file each."""


@dataclass(frozen=True, slots=True)
class Table:
    """A kind of rows: each column with its type, "int", "float", "text" or "flag"; any value may be None."""

    columns: Mapping[str, str]


_EVIDENCE = {name: kind for name, kind in FIELD_KINDS.items() if name != "why"}  # which stands in the words
_FILE = {"path": "text", "path_bytes": "text"}
_TWO = {"path": "text", "path_bytes": "text", "other_path": "text", "other_path_bytes": "text"}

PAIRS = Table({"first": "int", "second": "int"} | _TWO | _EVIDENCE | {"words": "text"})
"""Two images: `path` is a file of the first, `other_path` one of the second."""

GROUPS = Table(
    {"group": "int", "role": "text"}
    | _FILE
    | {"image_id": "int", "sha256": "text", "size_bytes": "int", "width": "int", "height": "int", "format": "text"}
    | _EVIDENCE
    | {"words": "text"}
)
"""A file a row: `role` is keep, kept (in a reference folder), move or stay; `words` is the reason of a keeper."""

LEAKS = Table({"image_id": "int", "other_image_id": "int"} | _TWO | _EVIDENCE | {"copies": "int", "words": "text"})
"""A file of the test set and the file of the training set that is most surely a copy of it; `copies` is the number of
images of the training set that are copies."""

PRUNED = Table({"image_id": "int", "keep": "flag"} | _TWO | {"other_image_id": "int", "similarity": "float"})
"""One image a row; for a dropped image, `other_path` is the nearest kept image."""


def kind_of(path: str | os.PathLike[str]) -> str:
    """The kind of table that the suffix names. Raises UsageError if it names none."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    kind = {"ndjson": "jsonl", "json": "jsonl", "pq": "parquet"}.get(suffix, suffix)
    if kind not in KINDS:
        raise UsageError(f"{path} is no table that can be written", "end its name in .csv, .jsonl or .parquet")
    return kind


def write_table(
    table: Table, rows: Iterable[Row], target: str | os.PathLike[str] | BinaryIO, kind: str | None = None
) -> int:
    """Write ``rows`` of ``table`` and return their number. A path appears whole or not at all, an open binary file is
    written row by row; ``kind`` is one of `KINDS`, by default the path's suffix. Raises UsageError for an unknown kind
    or for Parquet without pyarrow, StorageFull. 90,000 rows take 2 s."""
    if not isinstance(target, (str, os.PathLike)):
        return _writer(kind or "jsonl")(table, rows, target)
    write = _writer(kind or kind_of(target))
    with replacing(Path(target)) as file:
        return write(table, rows, file)


def pair_rows(pairs: Iterable[Pair], paths: Paths) -> Iterator[Row]:
    """Rows of `PAIRS`; ``paths`` is called with many ids at once, and may leave out unknown ones."""
    waiting = iter(pairs)
    while batch := list(islice(waiting, _BATCH)):
        known = paths(sorted({number for pair in batch for number in (pair.first, pair.second)}))
        for pair in batch:
            yield (
                {"first": pair.first, "second": pair.second}
                | path_cells("", known.get(pair.first))
                | path_cells("other_", known.get(pair.second))
                | evidence_cells(pair.evidence)
            )


def group_rows(groups: Iterable[Group]) -> Iterator[Row]:
    """Rows of `GROUPS`: of each group, numbered from 1, the keeper first."""
    for number, group in enumerate(groups, 1):
        yield _file(number, "keep", group.keeper) | dict.fromkeys(_EVIDENCE) | {"words": group.reason}
        for role, member in _roles(group):
            yield _file(number, role, member.copy) | evidence_cells(member.evidence)


def _roles(group: Group) -> Iterator[tuple[str, Member]]:
    yield from (("kept", member) for member in group.kept)
    yield from (("move" if member.move else "stay", member) for member in group.members)


def _file(number: int, role: str, copy: Copy) -> Row:
    facts = copy.facts
    return (
        {"group": number, "role": role}
        | path_cells("", copy.path)
        | {
            "image_id": copy.image_id,
            "sha256": facts.content_hash,
            "size_bytes": copy.size_bytes,
            "width": facts.width,
            "height": facts.height,
            "format": facts.format,
        }
    )


def path_cells(prefix: str, path: str | None) -> Row:
    """``path`` and ``path_bytes``, each with ``prefix`` before its name; None if no file is known."""
    if path is None:
        return {f"{prefix}path": None, f"{prefix}path_bytes": None}
    raw = os.fsencode(path)
    text = raw.decode("utf-8", "replace")
    return {f"{prefix}path": text, f"{prefix}path_bytes": None if text.encode() == raw else raw.hex()}


def evidence_cells(evidence: Evidence) -> Row:
    """A cell for each field of the evidence, and its words."""
    return {name: value for name, value in evidence_as_dict(evidence).items() if name in _EVIDENCE} | {
        "words": describe_evidence(evidence)
    }


def _writer(kind: str) -> Callable[[Table, Iterable[Row], BinaryIO], int]:
    known = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}
    if kind not in known:
        raise UsageError(f"got the table format {kind!r}, expected one of {', '.join(KINDS)}", "name one of these")
    return known[kind]


def _write_csv(table: Table, rows: Iterable[Row], file: BinaryIO) -> int:
    """RFC 4180: CRLF between rows, fields with commas, quotes or line ends in quotes; None is an empty field."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.DictWriter(text, list(table.columns))
        writer.writeheader()
        count = 0
        for row in rows:
            writer.writerow(row)
            count += 1
        return count
    finally:
        text.detach()  # the file is not ours to close


def _write_jsonl(table: Table, rows: Iterable[Row], file: BinaryIO) -> int:
    count = 0
    for row in rows:
        ordered = {name: row[name] for name in table.columns}
        file.write(json.dumps(ordered, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        count += 1
    return count


def _write_parquet(table: Table, rows: Iterable[Row], file: BinaryIO) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise UsageError("writing Parquet needs pyarrow", "pip install 'imgsearch[parquet]'") from exc
    types = {"int": pa.int64(), "float": pa.float64(), "text": pa.string(), "flag": pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in table.columns.items()])
    count, waiting = 0, iter(rows)
    with pq.ParquetWriter(file, schema) as writer:
        while batch := list(islice(waiting, _BATCH)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
            count += len(batch)
    return count
