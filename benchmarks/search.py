"""First-stage search at size: a library of made-up images with the structure of really embedded ones, searched through
its snapshot, next to plain FAISS and to the tutorial way (mean of an image's tokens, NumPy dot).

    python benchmarks/search.py [--images 100000] [--dtype float16] [--scratch DIR] [--baselines]
    python benchmarks/search.py --million [--scratch DIR]        # 1,000,000 images, int8: 9 GB of disk

The vectors: 20,000 scenes are drawn and embedded by the small model (kept in the scratch folder). A made-up image is
v = A + u (B - A), every token to L2 norm 1, where A is one of them, B one of the eight whose mean token is nearest, and
u is uniform in 0..1.5, which keeps the variance (E[(1 - u)^2 + u^2] = 1). The fit is checked every time: images made
from one half of the real ones are compared with the other half. Queries are captions of 1,000 held-out scenes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from results import markdown_table, write_section

from imgsearch.index import ExactIndex, open_index
from imgsearch.index.representatives import representative_tokens
from imgsearch.index.sweep import Sweep
from imgsearch.records import MediaFacts, ModelId
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, latest_snapshot, open_store

REAL, HELD_OUT_SEED, SCENE_SEED = 20_000, 90_210, 777
T, D, K, SPREAD, NEAR = 32, 256, 10, 1.5, 8
BATCH = 2048
SHARES = (1.0, 0.5, 0.01, 0.001)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--million", action="store_true", help="1,000,000 images in int8")
    parser.add_argument("--dtype", default="float16", choices=("float16", "int8"))
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--scratch", type=Path, help="keeps embedded scenes and libraries for the next time")
    parser.add_argument("--baselines", action="store_true", help="plain FAISS flat and HNSW over 20,000 images")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md as it is")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # the fresh process that searches
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    if arguments.million:
        arguments.images, arguments.dtype = 1_000_000, "int8"
    with tempfile.TemporaryDirectory() as temporary:
        scratch = arguments.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        lines = run(arguments, scratch)
    print("\n".join(lines))
    if not arguments.no_write:
        title = f"Search of {arguments.images:,} images, 32 x 256 {arguments.dtype} (benchmarks/search.py)"
        write_section(title, lines)


def run(arguments: argparse.Namespace, scratch: Path) -> list[str]:
    real, texts = embedded(scratch, arguments.queries)
    lines = ["Fit of the made-up images:", "", *fit(real, texts), ""]
    folder = scratch / f"{arguments.images}-{arguments.dtype}"
    if not (folder / "library").exists():
        fill(folder / "library", real, arguments.images, arguments.dtype)
    with open_store(folder / "library") as store:
        built = build(store)
        write_truth(store, texts, folder)
    command = [sys.executable, __file__, "--measure", str(folder)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    rows = [[f"snapshot, {row['filter']}", row["recall"], row["p50_ms"], row["p95_ms"]] for row in found["searches"]]
    with open_store(folder / "library") as store:
        rows += others(store, texts, folder, arguments.baselines)
    lines += markdown_table(["search", f"recall@{K}", "p50 ms", "p95 ms"], rows)
    lines += ["", *markdown_table(["what", "value"], [*built, *found["facts"]])]
    lines += [
        "",
        f"{len(texts)} texts one by one, page cache warm; recall against brute force over every token.",
    ]
    return lines


def embedded(scratch: Path, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """(tokens float16 [REAL, T, D] of drawn scenes, texts float32 [queries, D] of others' captions)."""
    tokens, captions = scratch / "tokens.npy", scratch / "texts.npy"
    if not (tokens.exists() and captions.exists()):
        from imgsearch.model import load_model
        from imgsearch.scenes.dataset import make_set

        model = load_model("mini", device="cpu")
        texts = [row.captions[0] for row in make_set(1000, HELD_OUT_SEED)]
        parts = [np.asarray(model.embed_texts(texts[i : i + 100])) for i in range(0, 1000, 100)]
        np.save(captions, np.concatenate(parts))
        vectors = np.empty((REAL, T, D), np.float16)
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            seeds = range(SCENE_SEED, SCENE_SEED + REAL, 50)
            for place, pixels in enumerate(pool.imap(_drawn, [(seed, model.image_size) for seed in seeds])):
                vectors[50 * place : 50 * place + 50] = np.asarray(model.embed_images(model.preprocess_arrays(pixels)))
        np.save(tokens, vectors)
    return np.load(tokens), np.load(captions)[:queries]


def _drawn(job: tuple[int, int]) -> np.ndarray:
    from imgsearch.scenes.draw import draw_scene
    from imgsearch.scenes.graph import Domain, sample_scene

    first, size = job
    scenes = [sample_scene(random.Random(f"search:{seed}"), Domain()) for seed in range(first, first + 50)]
    return np.stack([np.asarray(draw_scene(scene, size)[0].convert("RGB")) for scene in scenes])


def nearest(tokens: np.ndarray) -> np.ndarray:
    """int64 [n, NEAR]: the images whose mean token is nearest."""
    means = tokens.mean(axis=1, dtype=np.float32)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    found = np.empty((len(means), NEAR), np.int64)
    for first in range(0, len(means), 1000):
        likeness = means[first : first + 1000] @ means.T
        likeness[np.arange(len(likeness)), np.arange(first, first + len(likeness))] = -2
        found[first : first + 1000] = np.argpartition(-likeness, NEAR, axis=1)[:, :NEAR]
    return found


def made_up(tokens: np.ndarray, near: np.ndarray, count: int, seed: int) -> np.ndarray:
    """float32 [count, T, D] from ``tokens`` float32, see the module; a few at a time, to stay in the cache."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, len(tokens), count)
    other = near[one, rng.integers(0, NEAR, count)]
    share = rng.uniform(0, SPREAD, (count, 1, 1)).astype(np.float32)
    vectors = np.empty((count, T, D), np.float32)
    for first in range(0, count, 8):
        part = slice(first, first + 8)
        start = tokens[one[part]]
        mixed = tokens[other[part]]
        mixed -= start
        mixed *= share[part]
        mixed += start
        mixed /= np.sqrt(np.einsum("ntd,ntd->nt", mixed, mixed))[:, :, None]
        vectors[part] = mixed
    return vectors


def fit(real: np.ndarray, texts: np.ndarray) -> list[str]:
    """Real images next to as many that were made from the other half of them."""
    half = len(real) // 2
    made = made_up(real[:half].astype(np.float32), nearest(real[:half]), half, 1).astype(np.float16)
    rows = []
    for name, tokens in (("real", real[half:]), ("made up", made)):
        scores = _scores(tokens, texts)
        best = -np.sort(-scores, axis=1)[:, [0, K - 1, 99, 999]].mean(axis=0)
        quantiles = np.percentile(scores, [1, 50, 99])
        kept = representative_tokens(tokens[:1000].astype(np.float32)).sum(axis=1).mean()
        means = tokens.mean(axis=1, dtype=np.float32)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        by_mean = _top(texts @ means.T, 200)
        hit = np.mean([np.isin(top, mine).mean() for top, mine in zip(_top(scores, K), by_mean, strict=True)])
        rows.append([name, *map(float, quantiles), *map(float, best), float(kept), float(hit)])
    head = ["10,000 images", "score 1 %", "50 %", "99 %", "1st", "10th", "100th", "1000th", "kept tokens"]
    return markdown_table([*head, "recall@10 of 200 by mean"], rows)


def _scores(tokens: np.ndarray, texts: np.ndarray) -> np.ndarray:
    return Sweep(texts).score(tokens)


def _top(scores: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def fill(folder: Path, real: np.ndarray, images: int, dtype: str) -> None:
    """A library of made-up images without pictures."""
    near, real = nearest(real), real.astype(np.float32)
    model = ModelId("mini", "ab" * 32, "v1-112", "float32", T, D)
    with create_store(folder, model, dtype=dtype) as store, store.writing() as writer:
        root = writer.add_root(folder.parent / "pictures").root_id
        for first in range(0, images, BATCH):
            count = min(BATCH, images - first)
            facts = [MediaFacts(f"{n:064x}", n, 640, 480, "JPEG", 1000) for n in range(first, first + count)]
            places = [[FilePlace(root, f"{n}.jpg", 1000, 1)] for n in range(first, first + count)]
            with writer.transaction() as tx:
                tx.add(EmbeddedBatch(facts, made_up(real, near, count, 1000 + first), places))
                tx.commit()


def build(store: Store) -> list[list[object]]:
    """Build the snapshot in this process and say what it cost."""
    from indexer.report import Silence
    from indexer.snapshot import build_snapshot

    started = time.perf_counter()
    info = build_snapshot(store, Silence())
    took = time.perf_counter() - started
    vectors = store.stats().vector_bytes
    return [
        ["build (s)", took],
        ["snapshot on disk (MB)", info.size_bytes / 1e6],
        ["vectors on disk (MB)", vectors / 1e6],
        ["build: peak memory, anonymous and mapped (MB)", _status("VmHWM")],
    ]


def allowed_slots(slots: np.ndarray, share: float) -> np.ndarray:
    return slots[np.random.default_rng(int(1000 * share)).random(len(slots)) < share]


def write_truth(store: Store, texts: np.ndarray, folder: Path) -> None:
    """Brute force over every token, for every filter, into ``folder``."""
    np.save(folder / "texts.npy", texts)
    view = store.view()
    exact = ExactIndex(view, view.tie_keys())
    for share in SHARES:
        path = folder / f"truth-{share}.npy"
        if not path.exists() or len(np.load(path)) != len(texts):
            np.save(path, exact.search(texts, K, allowed_slots(view.live_slots, share)).slots)


def measure(folder: Path) -> dict[str, Any]:
    """In a fresh process: opening, searching, memory."""
    texts = np.load(folder / "texts.npy")
    started = time.perf_counter()
    store = open_store(folder / "library")
    opened = time.perf_counter()
    view = store.view()
    viewed = time.perf_counter()
    index, note = open_index(view, latest_snapshot(store))
    indexed = time.perf_counter()
    assert note is None, note
    first = timed(lambda: index.search(texts[:1], K, view.live_mask()))
    searches = []
    for share in SHARES:
        allowed = view.live_mask() if share == 1.0 else allowed_slots(view.live_slots, share)
        for text in texts:  # pages in
            index.search(text[None], K, allowed)
        found, times = each(texts, lambda text, only=allowed: index.search(text, K, only).slots[0])
        name = "no filter" if share == 1.0 else f"filter keeps {100 * share:g} %"
        searches.append({"filter": name, **_figures(found, np.load(folder / f"truth-{share}.npy"), times)})
    facts = [
        ["open store, view of all rows, index (s)", indexed - started],
        ["of it: view (live slots from SQLite) (s)", viewed - opened],
        ["of it: index (s)", indexed - viewed],
        ["first search of the process (ms)", 1000 * first],
        ["anonymous memory after all searches (MB)", _status("RssAnon")],
        ["mapped file pages after all searches (MB)", _status("RssFile")],
    ]
    return {"searches": searches, "facts": facts}


def others(store: Store, texts: np.ndarray, folder: Path, baselines: bool) -> Iterator[list[object]]:
    """The same texts by brute force, by the mean of the tokens and, over 20,000 images, by plain FAISS."""
    view = store.view()
    exact = ExactIndex(view, view.tie_keys())
    truth = np.load(folder / "truth-1.0.npy")
    few = max(5, min(len(texts), 2_000_000 // view.count))
    found, times = each(texts[:few], lambda text: exact.search(text, K).slots[0])
    yield _row("brute force, every token", found, truth[:few], times)
    means = np.concatenate([unit_means(block, scale) for _, block, scale in view.stored_blocks(4096)])
    found, times = each(texts, lambda text: np.argsort(-(means @ text[0]), kind="stable")[:K])
    yield _row("mean of the tokens, NumPy dot", found, truth, times)
    if baselines:
        yield from plain_faiss(view, texts, exact)


def unit_means(block: np.ndarray, scale: float) -> np.ndarray:
    means = block.astype(np.float32).mean(axis=1) * np.float32(scale)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def plain_faiss(view: Any, texts: np.ndarray, exact: ExactIndex) -> Iterator[list[object]]:
    import faiss

    images = min(REAL, view.slots)
    slots = np.arange(images, dtype=np.int64)
    truth = exact.search(texts, K, slots).slots
    rows = view.read(slots).reshape(-1, D)
    flat = faiss.IndexFlatIP(D)
    hnsw = faiss.IndexHNSWFlat(D, 16, faiss.METRIC_INNER_PRODUCT)
    hnsw.hnsw.efSearch = 256
    for name, index in (("FAISS flat", flat), ("FAISS HNSW, efSearch 256", hnsw)):
        before, started = _status("RssAnon"), time.perf_counter()
        index.add(rows)
        took, memory = time.perf_counter() - started, _status("RssAnon") - before

        def ten(text: np.ndarray, searched: Any = index) -> np.ndarray:
            found = searched.search(text, T * K)[1][0] // T
            return np.array(list(dict.fromkeys(found.tolist()))[:K], np.int64)

        found, times = each(texts, ten)
        yield _row(f"{name}, {images:,} images, {memory:,.0f} MB, built in {took:.0f} s", found, truth, times)


def each(texts: np.ndarray, search: Callable[..., np.ndarray]) -> tuple[list[np.ndarray], list[float]]:
    """Slots and seconds of every text, one after the other."""
    found, times = [], []
    for text in texts:
        started = time.perf_counter()
        found.append(search(text[None]))
        times.append(time.perf_counter() - started)
    return found, times


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _figures(found: list[np.ndarray], truth: np.ndarray, times: list[float]) -> dict[str, float]:
    hits = [np.isin(its[its >= 0], mine).mean() for mine, its in zip(found, truth, strict=True)]
    p50, p95 = 1000 * np.percentile(times, [50, 95])
    return {"recall": round(float(np.mean(hits)), 4), "p50_ms": float(p50), "p95_ms": float(p95)}


def _row(name: str, found: list[np.ndarray], truth: np.ndarray, times: list[float]) -> list[object]:
    figures = _figures(found, truth, times)
    return [name, figures["recall"], figures["p50_ms"], figures["p95_ms"]]


def _status(field: str) -> float:
    """A line of /proc/self/status in MB; 0 where there is none."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return 0.0


if __name__ == "__main__":
    main()
