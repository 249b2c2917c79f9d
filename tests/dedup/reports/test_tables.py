"""Tables, read back by other code than wrote them."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from albums import HOSTILE, make_groups

from imgsearch.dedup.evidence.records import TIERS, Evidence, Group, Pair
from imgsearch.dedup.reports.tables import GROUPS, PAIRS, group_rows, kind_of, pair_rows, write_table
from imgsearch.errors import UsageError

PATHS = dict(enumerate(["/photos/a, b.jpg", *(f"/photos/{name}" for name in HOSTILE)], 1))
FOUND = [
    Pair(first, first + 1, Evidence(TIERS[first % 6], first / 10, first % 8 + 1, hamming=first, similarity=0.1))
    for first in range(1, len(PATHS))
]


def read(path: Path, columns: dict[str, str]) -> list[dict[str, Any]]:
    """Rows as other programs see them; CSV's texts become what their columns are."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    made = {"int": int, "float": float, "text": str, "flag": bool}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    return [{name: made[columns[name]](cell) if cell else None for name, cell in row.items()} for row in rows]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_pairs_read_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"pairs.{suffix}"
    assert write_table(PAIRS, pair_rows(FOUND, lambda ids: {one: PATHS[one] for one in ids}), target) == len(FOUND)
    rows = read(target, dict(PAIRS.columns))
    assert [list(row) for row in rows] == [list(PAIRS.columns)] * len(FOUND)
    for row, pair in zip(rows, FOUND, strict=True):
        assert (row["first"], row["second"], row["tier"]) == (pair.first, pair.second, pair.evidence.tier)
        assert (row["score"], row["bits"], row["cover"]) == (pair.evidence.score, pair.evidence.hamming, None)
        for prefix, number in (("", pair.first), ("other_", pair.second)):
            told = row[f"{prefix}path_bytes"]
            path = os.fsdecode(bytes.fromhex(told)) if told else row[f"{prefix}path"]
            assert path == PATHS[number]


def test_tables_of_all_kinds_say_the_same(tmp_path: Path) -> None:
    groups = make_groups(tmp_path / "photos")
    kinds = []
    for suffix in ("csv", "jsonl", "parquet"):
        write_table(GROUPS, group_rows(groups), tmp_path / f"groups.{suffix}")
        kinds.append(read(tmp_path / f"groups.{suffix}", dict(GROUPS.columns)))
    assert kinds[0] == kinds[1] == kinds[2]
    assert len(kinds[0]) == sum(1 + len(group.members) for group in groups)


def test_groups_say_the_part_of_every_file(tmp_path: Path) -> None:
    from dataclasses import replace

    first, scene, *_ = make_groups(tmp_path)
    kept = Group(first.keeper, first.reason, first.members[1:], (replace(first.members[0], move=False),))
    rows = list(group_rows([kept, scene]))
    assert [row["role"] for row in rows] == ["keep", "kept", *["move"] * 4, "keep", "stay"]
    assert [row["group"] for row in rows] == [1] * 6 + [2] * 2
    assert rows[0]["words"] == first.reason and rows[0]["tier"] is None
    assert rows[2]["sha256"] == first.members[1].copy.facts.content_hash


def test_rows_are_asked_for_as_they_are_written() -> None:
    """Nothing holds all of them: each is on its way before the next is made."""
    file = io.BytesIO()
    sizes = []

    def rows() -> Iterator[dict[str, Any]]:
        for row in pair_rows(FOUND, lambda ids: {}):
            sizes.append(len(file.getvalue()))
            yield row

    for kind in ("csv", "jsonl"):
        sizes.clear()
        before = len(file.getvalue())
        write_table(PAIRS, rows(), file, kind)
        assert sizes == sorted(set(sizes)) and sizes[1] > before and not file.closed


def test_pairs_ask_for_paths_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsearch.dedup.reports.tables._BATCH", 3)
    asked: list[list[int]] = []
    list(pair_rows(FOUND, lambda ids: asked.append(list(ids)) or {}))  # type: ignore[func-returns-value]
    assert len(asked) == -(-len(FOUND) // 3) and max(map(len, asked)) <= 6


def test_parquet_is_refused_where_pyarrow_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as refused:
        write_table(PAIRS, [], tmp_path / "pairs.parquet")
    assert "imgsearch[parquet]" in refused.value.hint and not list(tmp_path.iterdir())


def test_table_is_not_half_written_when_rows_fail(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from pair_rows(FOUND[:1], lambda ids: {})
        raise RuntimeError("the disk is gone")

    for suffix in ("csv", "jsonl", "parquet"):
        with pytest.raises(RuntimeError):
            write_table(PAIRS, rows(), tmp_path / f"pairs.{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "kind"), [("a.CSV", "csv"), ("a.ndjson", "jsonl"), ("a.b.parquet", "parquet")])
def test_kind_is_read_from_the_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize("name", ["a.xlsx", "csv", ".parquetx"])
def test_kind_is_refused_when_it_is_unknown(name: str) -> None:
    with pytest.raises(UsageError, match="no table"):
        kind_of(name)
