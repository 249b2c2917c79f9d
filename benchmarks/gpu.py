"""Everything that is promised of one GPU, in at most six minutes, with another build beside it.

    python benchmarks/gpu.py [--baseline CHECKOUT] [--out FILE]
    python benchmarks/gpu.py --tiny      # runs whole on a CPU with a model of a few neurons: no figure means anything

A full-size ViT-g with random weights, bfloat16. Each build measures in one process of its own, one after the other on
the same card: the encoder and the bound that matrix products at the ViT's shapes set; `imgsearch index` of
12-megapixel JPEGs and of 640x480 (with the model loaded), the latter also with all features kept; a warm query at
several depths; many clients at once; then fresh processes: `imgsearch search` for the first time (the weights are
hashed) and again. ``--baseline`` names a checkout of the build to compare with, whose modules are imported instead.

Not measured, since they are not built: decoding by nvJPEG, fp8, CUDA graphs, vectors scanned on the GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parents[1]
BATCH, ROUNDS = 64, 12
SIZES = {"large": 640, "small": 3200, "queries": 40, "clients": 64, "seconds": 12.0, "depth": 128, "served": 64}
TINY = {"large": 3, "small": 40, "queries": 4, "clients": 4, "seconds": 1.0, "depth": 16, "served": 8}
_VIT = ((1408, 4224), (1408, 1408), (1408, 6144), (6144, 1408))
"""In and out of a ViT-g block's four matrix products."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, metavar="CHECKOUT", help="another build, measured first")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, on whatever is there")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--part", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part is not None:
        print("RESULT " + json.dumps(measure(arguments.part, arguments.tiny)))
        return
    started = time.perf_counter()
    builds = {**({"baseline": arguments.baseline.resolve()} if arguments.baseline else {}), "this build": HERE}
    with tempfile.TemporaryDirectory(prefix="imgsearch-gpu-") as scratch:
        prepare(Path(scratch), arguments.tiny)
        found = {name: run_build(build, Path(scratch), arguments.tiny) for name, build in builds.items()}
    print("\n".join(table(found)))
    print(f"\n{time.perf_counter() - started:.0f} s in all.")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def prepare(scratch: Path, tiny: bool) -> None:
    """The checkpoint and the pictures, for all builds."""
    import index as pictures
    from made_up_model import sliced, write_checkpoint

    sizes = sliced(False, 0, 0)
    if tiny:
        vision = replace(sizes.vision, image=56, width=64, mlp=128, layers=2, heads=4)
        qformer = replace(sizes.qformer, width=64, mlp=128, layers=2, heads=4, vocabulary=3000)
        sizes = replace(sizes, vision=vision, qformer=qformer)
    write_checkpoint(scratch / "model", sizes)
    counts = TINY if tiny else SIZES
    for name in ("large", "small"):
        (scratch / name).mkdir()
    pictures.make_large(scratch / "large", int(counts["large"]))
    pictures._SMALL = (640, 480)
    pictures.make_small(scratch / "small", int(counts["small"]))


def run_build(build: Path, scratch: Path, tiny: bool) -> dict[str, float]:
    """All figures of one build."""
    print(f"measuring {build}", file=sys.stderr, flush=True)
    work = scratch / f"work-{len(list(scratch.glob('work-*')))}"
    work.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(build), "XDG_CACHE_HOME": str(work / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--part", str(work), *(["--tiny"] if tiny else [])]
    done = subprocess.run(command, env=environment, cwd=build, check=True, stdout=subprocess.PIPE, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    found: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    return {**found, **starts(build, work, environment)}


def starts(build: Path, work: Path, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of fresh processes."""
    search = [sys.executable, "-m", "imgsearch", "search", "w12 w40 w7", "--library", str(work / "small"), "--json"]
    fresh = {**environment, "XDG_CACHE_HOME": str(work / "fresh-cache")}  # where nothing is hashed yet
    found = {}
    for name, command in (
        ("import torch, s", [sys.executable, "-c", "import torch; torch.zeros(1)"]),
        ("first search of all, s", search),
        ("search in a fresh process, s", search),
    ):
        start = time.perf_counter()
        subprocess.run(command, env=fresh, cwd=build, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found[name] = time.perf_counter() - start
    return found


def measure(work: Path, tiny: bool) -> dict[str, float]:
    """In a process of its own, whose imgsearch is the build's."""
    import torch

    from imgsearch.model import load_model

    counts, found = TINY if tiny else SIZES, {}
    cuda = torch.cuda.is_available()
    start = time.perf_counter()
    model = load_model(work.parent / "model", "cuda" if cuda else "cpu", "bfloat16" if cuda else "float32")
    found["load in a process with nothing hashed, s"] = time.perf_counter() - start
    found |= encoder(model, cuda, 4 if tiny else BATCH)
    found["index 12 megapixels, images/s"] = index(model, work, "large", int(counts["large"]))
    plain = index(model, work, "small", int(counts["small"]), name="plain")
    found["index 640x480, images/s"] = plain
    kept = index(model, work, "small", int(counts["small"]), features="all")
    found["index 640x480, all features kept, images/s"] = kept
    found["share that keeping all features costs, %"] = 100 * (1 - kept / plain)
    for name in ("12 megapixels", "640x480"):
        found[f"index {name}, share of the encoder"] = found[f"index {name}, images/s"] / found["encoder, images/s"]
    return found | queries(model, work, counts)


def encoder(model: Any, cuda: bool, batch: int) -> dict[str, float]:
    """Images a second, and the share of the matmul rate at the ViT's shapes."""
    import torch

    pixels = np.random.default_rng(0).integers(0, 255, (batch, model.image_size, model.image_size, 3), np.uint8)
    arrays = model.preprocess_arrays(pixels)
    seconds = best_of(lambda: model.embed_images(arrays), ROUNDS if cuda else 2)
    found = {"encoder, images/s": batch / seconds}
    kind = torch.bfloat16 if cuda else torch.float32
    rows = batch * 257 if cuda else 64
    operations, taken = 0.0, 0.0
    for size, out in _VIT:
        left, weight = (torch.randn(*shape, device=model.device, dtype=kind) for shape in ((rows, size), (out, size)))
        taken += best_of(lambda a=left, w=weight: torch.nn.functional.linear(a, w), ROUNDS)  # type: ignore[misc]
        operations += 2.0 * rows * size * out
    rate = operations / taken / 1e9  # GFLOP/s
    found["matmul at the ViT's shapes, TFLOP/s"] = rate / 1000
    found["encoder, share of the matmul rate"] = found["encoder, images/s"] * model.profile.image_gflop / rate
    return found


def best_of(work: Callable[[], Any], rounds: int) -> float:
    """Seconds of the quickest round, the device's work included."""
    import torch

    best = float("inf")
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def index(model: Any, work: Path, pictures: str, count: int, *, name: str = "", features: str = "none") -> float:
    """Images a second of the whole pipeline with the model loaded. The library stays for the queries."""
    from unittest.mock import patch

    import imgsearch.app
    from imgsearch.settings import Settings
    from indexer.index_run import IndexRequest, run_index

    library = work / (name or pictures)
    settings = Settings(library, str(work.parent / "model"), model.device, model.dtype, features=features)
    with patch.object(imgsearch.app, "open_model", lambda *_: model):
        summary = run_index(IndexRequest([str(work.parent / pictures)], settings))
    if summary.embedded != count:
        raise SystemExit(f"{summary.embedded} of {count} pictures were indexed: {summary}")
    return float(summary.embedded / summary.seconds)


def queries(model: Any, work: Path, counts: dict[str, float]) -> dict[str, float]:
    """Warm queries at several depths, then many clients."""
    from imgsearch.app import feature_store, open_store
    from imgsearch.search.engine import Searcher
    from imgsearch.search.inference.batched import BatchedInference
    from imgsearch.settings import Settings

    settings = Settings(work / "small", device=model.device)
    store = open_store(settings)
    kept = feature_store(settings, store)
    texts, found = asked(), {}
    with Searcher(store, model, features=kept) as searcher:
        for depth in (0, int(counts["depth"]) // 8, int(counts["depth"])):
            each = [timed_query(searcher, next(texts), depth) for _ in range(int(counts["queries"]) + 5)]
            found[f"warm query, {depth} re-ranked, p50 ms"] = 1000 * statistics.median(each[5:])
        backend = BatchedInference(model, kept)
        try:
            served = Searcher(store, model, features=kept, backend=backend)
            found |= many(served, texts, counts)
        finally:
            backend.close()
    return found


def timed_query(searcher: Any, text: str, depth: int) -> float:
    from imgsearch.search.query.description import Query

    start = time.perf_counter()
    results = searcher.search(Query(text, k=10, rerank=depth))
    if depth and not results.reranked:
        raise SystemExit(f"nothing was re-ranked: {results.notes}")
    return time.perf_counter() - start


def many(searcher: Any, texts: Iterator[str], counts: dict[str, float]) -> dict[str, float]:
    """Clients that each ask their next question when the last is answered."""
    taken: list[float] = []
    lock, depth = threading.Lock(), int(counts["served"])
    until = [0.0]

    def client(wanted: list[float]) -> None:
        while time.perf_counter() < until[0]:
            with lock:
                text = next(texts)
            seconds = timed_query(searcher, text, depth)
            with lock:
                wanted.append(seconds)

    for seconds, into in ((min(3.0, counts["seconds"]), list[float]()), (counts["seconds"], taken)):  # warm first
        until[0] = time.perf_counter() + seconds
        threads = [threading.Thread(target=client, args=(into,)) for _ in range(int(counts["clients"]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ordered = sorted(taken)
    p50, p95 = (1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95))
    clients = f"{int(counts['clients'])} clients, {depth} re-ranked"
    return {
        f"{clients}, answers/s": len(ordered) / counts["seconds"],
        f"{clients}, p50 ms": p50,
        f"{clients}, p95 / p50": p95 / p50,
    }


def asked() -> Iterator[str]:
    """Texts of made-up words, none twice."""
    rng = np.random.default_rng(11)
    while True:
        yield " ".join(f"w{number}" for number in rng.integers(0, 2000, 6))


def table(found: dict[str, dict[str, float]]) -> list[str]:
    """The figures of all builds side by side."""
    from results import machine, markdown_table

    from imgsearch.wording import one_line

    names = list(found)
    last = found[names[-1]]
    rows: list[list[object]] = []
    for what, value in last.items():
        values = [found[name].get(what, float("nan")) for name in names]
        ratio = [f"{value / values[0]:.2f}"] if len(names) > 1 and values[0] else []
        rows.append([what, *(float(each) for each in values), *ratio])
    head = ["what", *names, *(["this / baseline"] if len(names) > 1 else [])]
    return [one_line(f"{machine()}, {_card()}"), "", *markdown_table(head, rows)]


def _card() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


if __name__ == "__main__":
    main()
