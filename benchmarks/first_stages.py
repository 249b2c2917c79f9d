"""Ways to find the ten best images for a text vector, each measured in a process of its own: the library's snapshot,
and what people use instead: brute force, plain FAISS, the mean of an image's tokens.

    python benchmarks/first_stages.py WAY FOLDER        # called by search.py: prints one JSON object

FOLDER holds ``library`` and what search.py put beside it: ``texts.npy``, and the true answers for every filter.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from made_up import FILTERS, D, T, unit_means

from imgsearch.index import ExactIndex, open_index
from imgsearch.progress import Silence
from imgsearch.records import Int64
from imgsearch.search.query.parser import parse
from imgsearch.storage import Store, View, latest_snapshot, open_store
from indexer.columns import refresh_columns
from indexer.snapshot import build_snapshot

K = 10
ROUNDS = 5  # of a filter in the catalog
EXACT_VALUES = 2_000_000  # images that brute force compares in all: it takes fewer texts in a large library


def true_answers(store: Store, texts: np.ndarray, folder: Path) -> None:
    """Brute force over every token, for every filter, into ``folder``."""
    np.save(folder / "texts.npy", texts)
    view = store.view()
    exact = ExactIndex(view, view.tie_keys())
    for share in (1.0, *FILTERS):
        allowed = view.live_slots if share == 1.0 else allowed_slots(store, view, share)
        np.save(folder / f"truth-{share}.npy", exact.search(texts, K, allowed).slots)


def allowed_slots(store: Store, view: View, share: float) -> Int64:
    """What a filter of the catalog leaves, as the searcher asks for it."""
    return view.slots_of_images(store.matching_images(parse(FILTERS[share]).filters))


def build(folder: Path) -> dict[str, Any]:
    """Seconds, seconds a million images, MB on disk, peak memory of this process, anonymous and mapped."""
    with open_store(folder / "library") as store:
        started = time.perf_counter()
        info = build_snapshot(store, Silence())
        took, peak = time.perf_counter() - started, status("VmHWM")
        refresh_columns(store, Silence(), force=True)
    return {"built": [took, 1e6 * took / info.images, info.size_bytes / 1e6, peak]}


def by_snapshot(folder: Path) -> dict[str, Any]:
    """Opening, searching with and without filters, and memory."""
    texts = np.load(folder / "texts.npy")
    started = time.perf_counter()
    store = open_store(folder / "library")
    view = store.view()
    viewed = time.perf_counter()
    index, note = open_index(view, latest_snapshot(store))
    opened = time.perf_counter()
    assert note is None, note
    first = _seconds(lambda: index.search(texts[:1], K, view.live_mask()))
    rows, filters = [], []
    for share in (1.0, *FILTERS):
        allowed = view.live_mask() if share == 1.0 else allowed_slots(store, view, share)
        for text in texts:  # pages in
            index.search(text[None], K, allowed)
        found, times = each(texts, lambda text, only=allowed: index.search(text, K, only).slots[0])
        figures = _figures(found, np.load(folder / f"truth-{share}.npy"), times)
        rows.append({"name": "snapshot" if share == 1.0 else f"snapshot, {100 * share:g} % allowed", **figures})
        if share != 1.0:
            filters.append([FILTERS[share], len(allowed), *_filter_ms(store, view, share), figures["p50_ms"]])
        if share == 1.0:
            rows[0]["memory_mb"] = status("RssAnon")
    facts = [
        ["open store, view of all rows, index (s)", opened - started],
        ["of it: index (s)", opened - viewed],
        ["first search of the process (ms)", 1000 * first],
        ["anonymous memory after all searches, filters too (MB)", status("RssAnon")],
        ["mapped file pages after all searches (MB)", status("RssFile")],
    ]
    return {"rows": rows, "filters": filters, "facts": facts}


def _filter_ms(store: Store, view: View, share: float) -> list[float]:
    """p50 of the query in the catalog, and of finding its images' slots."""
    filters = parse(FILTERS[share]).filters
    found = store.matching_images(filters)
    asking = [_seconds(lambda: store.matching_images(filters)) for _ in range(ROUNDS)]
    placing = [_seconds(lambda: view.slots_of_images(found)) for _ in range(ROUNDS)]
    return [1000 * float(np.median(asking)), 1000 * float(np.median(placing))]


def by_brute_force(folder: Path) -> dict[str, Any]:
    view, texts, truth = _opened(folder)
    exact = ExactIndex(view, view.tie_keys())
    few = max(5, min(len(texts), EXACT_VALUES // view.count))
    found, times = each(texts[:few], lambda text: exact.search(text, K).slots[0])
    return _answer(f"brute force, every token ({few} texts)", _figures(found, truth[:few], times), 0.0, 0.0)


def by_mean(folder: Path) -> dict[str, Any]:
    """The tutorial way: one vector an image, the mean of its tokens, and a NumPy product."""
    view, texts, truth = _opened(folder)
    started = time.perf_counter()
    means = np.concatenate([unit_means(block, scale) for _, block, scale in view.stored_blocks(4096)])
    took = time.perf_counter() - started
    found, times = each(texts, lambda text: np.argsort(-(means @ text[0]), kind="stable")[:K])
    return _answer("mean of the tokens, NumPy dot", _figures(found, truth, times), took, means.nbytes / 1e6)


def by_flat(folder: Path) -> dict[str, Any]:
    import faiss

    return _by_faiss(folder, faiss.IndexFlatIP(D), "FAISS flat, float32")


def by_hnsw(folder: Path) -> dict[str, Any]:
    import faiss

    index = faiss.IndexHNSWFlat(D, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efSearch = 256
    return _by_faiss(folder, index, "FAISS HNSW, M 16, efSearch 256")


def _by_faiss(folder: Path, index: Any, name: str) -> dict[str, Any]:
    """Every token is a row; the best T x K rows hold at least K images."""
    import faiss

    view, texts, truth = _opened(folder)
    started = time.perf_counter()
    for first in range(0, view.slots, 4096):
        slots = np.arange(first, min(first + 4096, view.slots), dtype=np.int64)
        index.add(view.read(slots).reshape(-1, D))
    took = time.perf_counter() - started

    def ten(text: np.ndarray) -> np.ndarray:
        rows = index.search(text, T * K)[1][0]
        return np.array(list(dict.fromkeys((rows[rows >= 0] // T).tolist()))[:K], np.int64)

    found, times = each(texts, ten)
    figures = _figures(found, truth, times)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        faiss.write_index(index, file.name)
        size = Path(file.name).stat().st_size
    return _answer(name, figures, took, size / 1e6)


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "build": build,
    "snapshot": by_snapshot,
    "brute": by_brute_force,
    "mean": by_mean,
    "flat": by_flat,
    "hnsw": by_hnsw,
}


def _opened(folder: Path) -> tuple[View, np.ndarray, np.ndarray]:
    view = open_store(folder / "library").view()
    return view, np.load(folder / "texts.npy"), np.load(folder / "truth-1.0.npy")


def _answer(name: str, figures: dict[str, float], build_s: float, disk_mb: float) -> dict[str, Any]:
    memory = status("RssAnon")
    return {"rows": [{"name": name, **figures, "memory_mb": memory, "build_s": build_s, "disk_mb": disk_mb}]}


def each(texts: np.ndarray, search: Callable[..., np.ndarray]) -> tuple[list[np.ndarray], list[float]]:
    """Slots and seconds of every text, one after the other."""
    found, times = [], []
    for text in texts:
        started = time.perf_counter()
        found.append(search(text[None]))
        times.append(time.perf_counter() - started)
    return found, times


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _figures(found: list[np.ndarray], truth: np.ndarray, times: list[float]) -> dict[str, Any]:
    """recall@K, of as many as there are, and latency."""
    hits = [np.isin(its[its >= 0], mine).mean() for mine, its in zip(found, truth, strict=True) if (its >= 0).any()]
    p50, p95 = 1000 * np.percentile(times, [50, 95])
    return {"recall": round(float(np.mean(hits)), 4) if hits else "", "p50_ms": float(p50), "p95_ms": float(p95)}


def status(field: str) -> float:
    """A line of /proc/self/status in MB; 0 where there is none."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return 0.0


if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](Path(sys.argv[2]))))
