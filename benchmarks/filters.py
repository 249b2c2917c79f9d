"""Filters, facets, and the library by date at a million images: by the columns beside the catalog, and by the catalog's
SQL alone, in the same run over the same library (made_up_facts.py says what its catalog holds).

A search here is what `imgsearch` does once a text is a vector: the ids that the filters leave, their slots, the ten
best of them. Times are medians over many texts, the columns in use and the page cache warm, in milliseconds, of CPU of
all threads in brackets: on a machine with other work these tell more. SQL is asked once. "Fresh process" is the first
filtering in one that starts from nothing. Answers by columns and by SQL are compared, and must be equal.

    python benchmarks/filters.py [--images 1000000] [--scratch DIR] [--quick]

With --scratch what was filled and built is kept for the next time (11 GB for a million).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from first_stages import status
from made_up import embedded, fill, made_blocks, new_library
from made_up_facts import entry
from results import add_flags, markdown_table, write_section, writes

from imgsearch.index import open_index
from imgsearch.progress import Silence
from imgsearch.records import Filters
from imgsearch.search.query.parser import parse
from imgsearch.storage import Store, latest_snapshot, open_store
from imgsearch.storage.reads.facets import read_facets
from imgsearch.storage.reads.timeline import months, window
from indexer.columns import refresh_columns
from indexer.snapshot import build_snapshot

GOALS = ("year:2010-2020", 'camera:"Maker 10"', "folder:150APPLE")
"""Filters that keep about 50, 1 and 0.1 % of a million."""

OTHERS = (
    *("folder:phone", "folder:2019*", "type:raw", "is:portrait", "near:41.9,12.5,2000", "tag:beach", "name:IMG_00001"),
    *("after:2019-06 before:2020-02-14", "year:2015-2022 -folder:phone is:landscape type:jpg type:heic has:gps"),
)
K, STEP, REAL = 10, 200_000, 5000
ROUNDS, TEXTS = 7, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--scratch", type=Path, help="keeps the library for the next time")
    parser.add_argument("--way", help=argparse.SUPPRESS)  # of this program in a process of its own
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(WAYS[arguments.way](arguments.scratch)))
        return
    if arguments.quick:
        arguments.images = 12_000
    with tempfile.TemporaryDirectory() as temporary:
        scratch = arguments.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        lines = run(scratch, arguments.images, 200 if arguments.quick else REAL)
    print("\n".join(lines))
    if writes(arguments):
        write_section(f"Filters and facets of {arguments.images:,} images (benchmarks/filters.py)", lines)


def run(scratch: Path, images: int, real: int) -> list[str]:
    folder = scratch / f"facts-{images}"
    made(scratch, folder, images, real)
    kept = folder / "built.json"
    if not kept.exists():
        kept.write_text(json.dumps(_apart("build", folder)), encoding="utf-8")
    built = json.loads(kept.read_text(encoding="utf-8"))
    with open_store(folder / "library") as store:
        rows = [searched(store, folder, text) for text in GOALS] + [filtered(store, text) for text in OTHERS]
        lines = markdown_table(HEAD, rows)
        lines += ["", *markdown_table(("what", "columns", "SQL"), counted(store))]
    facts = [*_apart("fresh", folder), *built]
    return [*lines, "", *markdown_table(("what", "value"), facts), "", _load()]


HEAD = ("filter", "images left", "columns", "SQL", "whole search", "whole search with SQL")


def made(scratch: Path, folder: Path, images: int, real: int) -> None:
    """Fill the library in ``folder`` as far as it is not."""
    tokens, texts = embedded(scratch, real, 200)
    folder.mkdir(exist_ok=True)
    np.save(folder / "texts.npy", texts[:TEXTS])
    new_library(folder / "library", "int8").close()
    while (done := _slots(folder)) < images:
        fill(folder / "library", made_blocks(tokens, done, min(images, done + STEP)), entry)


def filtered(store: Store, text: str) -> list[object]:
    """One row: the filter alone by either way."""
    found, alone, by_sql = _either_way(store, parse(text).filters)
    return [f"`{text}`", f"{len(found):,}", _both(alone), _both(by_sql), "", ""]


def searched(store: Store, folder: Path, text: str) -> list[object]:
    """The same, and a search with it; with SQL that is what SQL takes, and what the rest of a search takes."""
    filters, texts = parse(text).filters, np.load(folder / "texts.npy")[:TEXTS]
    view = store.view()
    index, note = open_index(view, latest_snapshot(store))
    assert note is None, note

    def search(vector: np.ndarray, ids: np.ndarray | None = None) -> None:
        ids = store.matching_images(filters) if ids is None else ids
        index.search(vector[None], K, view.slots_of_images(ids))

    found, alone, by_sql = _either_way(store, filters)
    search(texts[0])
    whole = _median([lambda vector=vector: search(vector) for vector in texts])
    rest = _median([lambda vector=vector: search(vector, found) for vector in texts[:ROUNDS]])
    with_sql = (by_sql[0] + rest[0], by_sql[1] + rest[1])
    return [f"`{text}`", f"{len(found):,}", *(_both(each) for each in (alone, by_sql, whole, with_sql))]


def _either_way(store: Store, filters: Filters) -> tuple[np.ndarray, tuple[float, float], tuple[float, float]]:
    found = store.matching_images(filters)
    alone = _median([lambda: store.matching_images(filters)] * ROUNDS)
    with _Sql():
        by_sql = _median([lambda: _same(store.matching_images(filters), found)])
    return found, alone, by_sql


def _same(one: np.ndarray, other: np.ndarray) -> None:
    assert np.array_equal(one, other)


def counted(store: Store) -> list[list[object]]:
    """Facets, months and windows by either way."""
    some = parse(GOALS[0]).filters
    tasks: dict[str, Callable[[], Any]] = {
        "facets of all": lambda: read_facets(store, Filters()),
        f"facets of `{GOALS[0]}`": lambda: read_facets(store, some),
        "images of every month": lambda: months(store),
        "images 500,000 to 500,200 of all, newest first": lambda: window(store, 500_000, 200).tolist(),
    }
    rows: list[list[object]] = []
    for name, task in tasks.items():
        answers = [task()]
        by_columns = _median([task] * ROUNDS)
        with _Sql():
            by_sql = _median([lambda task=task, answers=answers: answers.append(task())])
        assert answers[0] == answers[1], name
        rows.append([name, _both(by_columns), _both(by_sql)])
    return rows


def build(folder: Path) -> list[list[object]]:
    """Seconds and memory of a snapshot, then of columns."""
    with open_store(folder / "library") as store:
        started, used = time.perf_counter(), time.process_time()
        build_snapshot(store, Silence())
        rows: list[list[object]] = [
            ["build of the snapshot, s", time.perf_counter() - started],
            ["of it CPU, s", time.process_time() - used],
            ["peak memory of that process, mapped pages too, MB", status("VmHWM")],
        ]
        started = time.perf_counter()
        refresh_columns(store, Silence(), force=True)
        rows.append(["build of the columns, s", time.perf_counter() - started])
        rows.append(["peak memory after both, MB", status("VmHWM")])
        sizes = [path.stat().st_size for path in store.layout.snapshots.glob("*.columns")]
        return [*rows, ["size of the columns, MB", sum(sizes) / 1e6]]


def fresh(folder: Path) -> list[list[object]]:
    """The first filtered search of a process, by columns and by SQL, after the store and the index are open."""
    rows: list[list[object]] = []
    for text in GOALS:
        for way in ("columns", "SQL"):
            took = _apart(f"first:{text}:{way}", folder)
            rows.append([f"fresh process, first filtering by `{text}`, {way}", _both((took[0], took[1]))])
    return rows


def _first(folder: Path, text: str, way: str) -> tuple[float, float]:
    filters = parse(text).filters
    with open_store(folder / "library") as store:
        store.roots()
        if way == "SQL":
            Store.by_columns = lambda self, work: None  # type: ignore[method-assign]
        return _median([lambda: store.matching_images(filters)])


WAYS: dict[str, Callable[[Path], Any]] = {
    "build": build,
    "fresh": fresh,
    **{
        f"first:{text}:{way}": lambda folder, text=text, way=way: _first(folder, text, way)
        for text in GOALS
        for way in ("columns", "SQL")
    },
}


class _Sql:
    """Inside, the store has no columns."""

    def __enter__(self) -> None:
        self._kept = Store.by_columns
        Store.by_columns = lambda self, work: None  # type: ignore[method-assign]

    def __exit__(self, *raised: object) -> None:
        Store.by_columns = self._kept  # type: ignore[method-assign]


def _median(tasks: Sequence[Callable[[], Any]]) -> tuple[float, float]:
    """Median milliseconds, and of CPU of this process, of these tasks, each done once."""
    walls, cpus = [], []
    for task in tasks:
        wall, cpu = time.perf_counter(), time.process_time()
        task()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return 1000 * float(np.median(walls)), 1000 * float(np.median(cpus))


def _both(times: tuple[float, float]) -> str:
    wall, cpu = times
    return f"{wall:,.3g} ({cpu:,.3g})" if wall < 1000 else f"{wall:,.0f} ({cpu:,.0f})"


def _apart(way: str, folder: Path) -> Any:
    command = [sys.executable, __file__, "--way", way, "--scratch", str(folder)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def _slots(folder: Path) -> int:
    with open_store(folder / "library") as store:
        return store.view().slots


def _load() -> str:
    load = f"Load average at the end {os.getloadavg()[0]:.1f}; 1 is this program alone."
    return f"Milliseconds, in brackets of CPU. {load} Memory is that of whole processes."


if __name__ == "__main__":
    main()
