"""How a library grows: made-up images (made_up.py), ten times as many at each rung, in one library that is filled,
built, opened and searched on the way. For every figure the exponent e of its growth, cost ~ images^e, between the last
two rungs and fitted over all of them. docs/scale.md reckons with these.
Times are those of the processor, not of the clock, so that a busy machine changes little.

    python benchmarks/ladder.py [--rungs 10000,100000,1000000] [--scratch DIR] [--minutes 8] [--quick]

With --scratch all of it is kept there, the library too (9 GB a million images in int8): then a rung can be one command,
`--rungs 1000000`, and the table has all rungs that were measured before. With --minutes a command ends after about that
time, between two steps, and the same command goes on: a million images take 8 minutes of a core to fill, 3 to build.
5,000,000 need 45 GB of disk, and 45 minutes to fill. An interrupted step, or a filling of 20,000, is done again.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from first_stages import FILTERS, K, status
from made_up import embedded, fill, made_blocks, nearest, new_library
from results import add_flags, markdown_table, write_copy, write_section, writes

from imgsearch.index import ExactIndex, open_index
from imgsearch.model import model_id_of
from imgsearch.search.query.parser import parse
from imgsearch.storage import latest_snapshot, open_store

DOCS = Path(__file__).parents[1] / "docs" / "scale.md"
RUNGS = "10000,100000,1000000"
FIGURES = (
    ("fill_s", "filled, without drawing and encoding (s)"),
    ("build_s", "search index built (s)"),
    ("build_mb", "peak memory of it (MB)"),
    ("columns_s", "columns for filters built (s)"),
    ("columns_mb", "peak memory of it (MB)"),
    ("open_s", "library opened: store, view, index (s)"),
    ("memory_mb", "anonymous memory of a search process (MB)"),
    ("p50_ms", "search, p50 (ms)"),
    ("filter_ms", "search with year:2010-2019, p50 (ms)"),
    ("recall", f"recall@{K}"),
    ("vectors_mb", "vectors on disk (MB)"),
    ("catalog_mb", "catalog on disk (MB)"),
    ("index_mb", "search index on disk (MB)"),
)
NO_COST = ("recall",)
STEP = 20_000  # images filled between two looks at the clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rungs", default=RUNGS, help="numbers of images, ascending")
    parser.add_argument("--dtype", default="int8", choices=("float16", "int8"))
    parser.add_argument("--real", type=int, default=20_000, help="scenes to draw and embed")
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--scratch", type=Path, help="keeps embedded scenes, the library and what was measured")
    parser.add_argument("--minutes", type=float, default=0, help="end after about so many, to go on later")
    parser.add_argument("--note", default="", help="a sentence for the table: what else the machine was doing")
    add_flags(parser)
    arguments = parser.parse_args()
    rungs = [int(part) for part in arguments.rungs.split(",")]
    if arguments.quick:
        rungs, arguments.real, arguments.queries = [500, 2000], 200, 10
    with tempfile.TemporaryDirectory() as temporary:
        scratch = (arguments.scratch or Path(temporary)) / model_id_of("mini", device="cpu").fingerprint[:8]
        scratch.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + 60 * arguments.minutes if arguments.minutes else math.inf
        real, texts = embedded(scratch, arguments.real, 200 if arguments.queries <= 200 else arguments.queries)
        ladder = Ladder(scratch / f"ladder-{arguments.dtype}", arguments.dtype, real, texts[: arguments.queries], until)
        climbed = ladder.climb(rungs)
    lines = [*table(climbed), "", _about(arguments), *(["", arguments.note] if arguments.note else [])]
    print("\n".join(lines))
    if writes(arguments):
        write_section("A library that grows (benchmarks/ladder.py)", lines)
        write_copy(DOCS, "ladder", lines)


class Ladder:
    """The library in ``folder``, and ``rungs.json`` there: the figures of each rung, written after every step."""

    def __init__(self, folder: Path, dtype: str, real: np.ndarray, texts: np.ndarray, until: float) -> None:
        self.folder, self._real, self._texts, self._until = folder, real, texts, until
        self._kept = folder / "rungs.json"
        self._rungs: dict[str, dict[str, Any]] = json.loads(self._kept.read_text()) if self._kept.exists() else {}
        folder.mkdir(exist_ok=True)
        if not (folder / "library").exists():
            new_library(folder / "library", dtype).close()

    def climb(self, rungs: Sequence[int]) -> list[dict[str, Any]]:
        """The figures of every rung that was measured, now or before; printed as they come."""
        for rung in rungs:
            found = self._rungs.setdefault(str(rung), {"images": rung, "filled_s": 0.0})
            self._fill(rung, found)
            for name, step in (("build_s", self._built), ("columns_s", self._columns), ("recall", self._searched)):
                if name not in found:
                    self._require_time(f"{rung:,} images are filled, {name} is to come")
                    found.update(step())
                    self._keep()
            print(json.dumps(found), file=sys.stderr, flush=True)
        done = sorted((found for found in self._rungs.values() if "recall" in found), key=lambda found: found["images"])
        for number, found in enumerate(done):
            found["fill_s"] = sum(each["filled_s"] for each in done[: number + 1])
        return done

    def _fill(self, rung: int, found: dict[str, Any]) -> None:
        """Processor seconds, without those in which the vectors were made up."""
        near = nearest(self._real) if self._slots() < rung else np.empty(0, np.int64)
        while (done := self._slots()) < rung:
            self._require_time(f"{done:,} of {rung:,} images are filled")
            found["filled_s"] += _filled(self.folder / "library", self._real, near, done, min(rung, done + STEP))
            self._keep()
        if "recall" not in found and done > rung:
            raise SystemExit(f"{self.folder} holds {done:,} images, expected {rung:,} at most: use another --scratch")

    def _built(self) -> dict[str, float]:
        """In a process of its own, which is alone in its memory; so are the other two."""
        before = _children_seconds()
        built = _run("first_stages.py", "build", self.folder)["built"]
        return {"build_s": _children_seconds() - before, "build_mb": built[3], "index_mb": built[2]}

    def _columns(self) -> dict[str, float]:
        columns = _run("ladder.py", "columns", self.folder)
        return {"columns_s": columns["seconds"], "columns_mb": columns["peak_mb"]}

    def _searched(self) -> dict[str, Any]:
        with open_store(self.folder / "library") as store:
            view = store.view()
            best = ExactIndex(view, view.tie_keys()).search(self._texts, K, view.live_slots).slots
            stats = store.stats()
        np.save(self.folder / "texts.npy", self._texts)
        np.save(self.folder / "best.npy", best)
        sizes = {"vectors_mb": stats.vector_bytes / 1e6, "catalog_mb": stats.catalog_bytes / 1e6}
        return {**_run("ladder.py", "search", self.folder), **sizes}

    def _slots(self) -> int:
        with open_store(self.folder / "library") as store:
            return store.view().slots

    def _require_time(self, standing: str) -> None:
        if time.monotonic() > self._until:
            raise SystemExit(f"{standing}; the same command goes on")

    def _keep(self) -> None:
        self._kept.write_text(json.dumps(self._rungs))


def _filled(library: Path, real: np.ndarray, near: np.ndarray, first: int, stop: int) -> float:
    """Processor seconds, without those in which the vectors were made up."""
    making = 0.0

    def blocks() -> Any:
        nonlocal making
        source = made_blocks(real, first, stop, near)
        while True:
            started = time.process_time()
            block = next(source, None)
            making += time.process_time() - started
            if block is None:
                return
            yield block

    started = time.process_time()
    fill(library, blocks())
    return time.process_time() - started - making


def build_columns(folder: Path) -> dict[str, float]:
    """Seconds, and the peak memory of this process in MB."""
    from imgsearch.storage import column_files

    with open_store(folder / "library") as store:
        started = time.process_time()
        column_files.build_columns(store)
        took = time.process_time() - started
    return {"seconds": took, "peak_mb": status("VmHWM")}


def search(folder: Path) -> dict[str, float]:
    """Open the library and search it, text by text, with and without a filter that keeps half."""
    texts, best = np.load(folder / "texts.npy"), np.load(folder / "best.npy")
    started = time.process_time()
    store = open_store(folder / "library")
    view = store.view()
    index, note = open_index(view, latest_snapshot(store))
    opened = time.process_time() - started
    assert note is None, note
    everything, filters = view.live_mask(), parse(FILTERS[0.5]).filters
    for text in texts:  # pages in
        index.search(text[None], K, everything)

    def whole(text: np.ndarray) -> Any:
        return index.search(text[None], K, everything).slots[0]

    def half(text: np.ndarray) -> Any:
        return index.search(text[None], K, view.slots_of_images(store.matching_images(filters))).slots[0]

    times, found = zip(*(_timed(whole, text) for text in texts), strict=True)
    return {
        "open_s": opened,
        "memory_mb": status("RssAnon"),
        "p50_ms": 1000 * float(np.median(times)),
        "filter_ms": 1000 * float(np.median([_timed(half, text)[0] for text in texts])),
        "recall": float(np.mean([np.isin(mine, its).mean() for mine, its in zip(found, best, strict=True)])),
    }


def _timed(work: Callable[[np.ndarray], Any], text: np.ndarray) -> tuple[float, Any]:
    started = time.process_time()
    found = work(text)
    return time.process_time() - started, found


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


WAYS: dict[str, Callable[[Path], dict[str, float]]] = {"columns": build_columns, "search": search}


def table(climbed: Sequence[dict[str, Any]]) -> list[str]:
    """A column a rung, and the exponents."""
    head = ["figure", *(f"{rung['images']:,}" for rung in climbed), "exponent, last step", "fitted"]
    rows = []
    for name, title in FIGURES:
        values = [float(rung[name]) for rung in climbed]
        grown = name not in NO_COST and len(climbed) > 1
        rows.append([title, *values, *(exponents([rung["images"] for rung in climbed], values) if grown else ("", ""))])
    return markdown_table(head, rows)


def exponents(images: Sequence[int], costs: Sequence[float]) -> tuple[float, float]:
    """e of cost ~ images^e: between the last two, and of all by least squares over the logarithms."""
    sizes, logs = np.log(images), np.log(np.maximum(costs, 1e-9))
    last = (logs[-1] - logs[-2]) / math.log(images[-1] / images[-2])
    return float(last), float(np.polyfit(sizes, logs, 1)[0])


def _run(program: str, way: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name(program)), way, str(folder)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _about(arguments: argparse.Namespace) -> str:
    return (
        f"32 x 256 {arguments.dtype}, {arguments.queries} texts one by one, page cache warm as far as memory goes; "
        "recall against brute force over every token. Times are seconds of the processor, those of a build with its "
        "imports. Filled: vectors at hand go into the segments and the catalog, 2,048 a commit, summed over the rungs. "
        "An exponent of 1 is growth in step with the images."
    )


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in WAYS:
        print(json.dumps(WAYS[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main()
