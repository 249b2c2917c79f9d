"""Images/s of the whole of `imgsearch index`, on 12-megapixel JPEGs and on small PNGs, beside decoding alone (d) and
encoding alone (e) in the same run.

    python benchmarks/index.py [--model mini] [--device auto] [--quick]

On a CPU decoding and encoding share the cores, so the bound is 1 / (1/d + 1/e); where a GPU encodes it is min(d, e).
The whole pipeline is timed from the first file to the last commit, with the model loaded before: what a long run does.

The last column is the same ratio in CPU seconds, workers included: (decode alone + encode alone) / whole, for each
picture. It says what the pipeline adds, and hardly changes when other programs take their share of the machine.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from results import add_flags, markdown_table, write_section, writes

_LARGE, _SMALL = (4000, 3000), (320, 240)
_ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--large", type=int, default=160, help="12-megapixel JPEGs")
    parser.add_argument("--small", type=int, default=1600, help="small PNGs")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--note", default="", help="a sentence for RESULTS.md: what else the machine was doing")
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.large, arguments.small, arguments.rounds = 4, 20, 1

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `imgsearch index` does
    from imgsearch.model import load_model

    model = load_model(arguments.model, device=arguments.device, dtype=arguments.dtype)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, count, make in (
            ("12-megapixel JPEG", arguments.large, make_large),
            ("320x240 PNG", arguments.small, make_small),
        ):
            photos = Path(folder) / name
            photos.mkdir()
            make(photos, count)
            rows.append((name, *measure(model, photos, count, arguments)))
    gpu = model.device != "cpu"
    bound = "min(d, e)" if gpu else "1/(1/d+1/e)"
    header = ("pictures", "images/s", "decode alone (d)", "encode alone (e)", f"bound {bound}", "ratio", "CPU ratio")
    lines = markdown_table(header, rows)
    settings = f"Model {arguments.model}, {model.dtype}; the median of {arguments.rounds} rounds of all three."
    lines += ["", f"{settings} {arguments.note}".rstrip()]
    print("\n".join(lines))
    if writes(arguments):
        where = "the GPU" if gpu else "the CPU"
        write_section(f"Indexing, encoding on {where} (benchmarks/index.py)", lines, device=model.device)


def measure(model: Any, photos: Path, count: int, arguments: argparse.Namespace) -> tuple[float, ...]:
    """(images/s, d, e, bound, ratio, ratio of CPU seconds): medians over the rounds, each of which measures all three
    in turn."""
    rounds = []
    for number in range(arguments.rounds):
        library = photos.parent / f"{photos.name}-library-{number}"
        seconds, decode_cpu = timed(lambda: decode_alone(model, photos, arguments))
        d = count / seconds
        e, encode_cpu = encode_rate(model, arguments)
        before = cpu_seconds()
        whole = index_rate(model, photos, library, count, arguments)
        cpu_ratio = (decode_cpu / count + encode_cpu) / ((cpu_seconds() - before) / count)
        bound = min(d, e) if model.device != "cpu" else 1 / (1 / d + 1 / e)
        rounds.append((whole, d, e, bound, whole / bound, cpu_ratio))
    return tuple(float(value) for value in np.median(np.array(rounds), axis=0))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and CPU seconds."""
    started, before = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - started, cpu_seconds() - before


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def decode_alone(model: Any, photos: Path, arguments: argparse.Namespace) -> None:
    """Every file through the decode workers, as the pipeline does; workers are started beforehand there too."""
    from imgsearch.media.decode_pool import DecodeJob, DecodePool
    from imgsearch.media.walking.walk import Walk

    with DecodePool(model.image_size, workers=arguments.workers) as pool:
        for _ in pool.run(DecodeJob(entry.path, entry.size_bytes) for entry in Walk(photos)):
            pass


def encode_rate(model: Any, arguments: argparse.Namespace) -> tuple[float, float]:
    """Images/s, and CPU seconds an image, of preprocess + encode + embed at the pipeline's batch size, in 3 s."""
    size = model.image_size
    batch = arguments.batch_size or model.profile.batch_size
    pixels = np.random.default_rng(0).integers(0, 255, (batch, size, size, 3), np.uint8)

    def once() -> None:
        np.asarray(model.embed_images(model.preprocess_arrays(pixels)))

    once()
    started, before = time.perf_counter(), cpu_seconds()
    for done in itertools.count(1):
        once()
        if done >= 5 and time.perf_counter() - started > 3:
            break
    return done * batch / (time.perf_counter() - started), (cpu_seconds() - before) / (done * batch)


def index_rate(model: Any, photos: Path, library: Path, count: int, arguments: argparse.Namespace) -> float:
    """Images/s of the whole pipeline into a new library."""
    import imgsearch.app
    from imgsearch.settings import Settings
    from indexer.index_run import IndexRequest, run_index

    settings = Settings(
        library, arguments.model, arguments.device, arguments.dtype, arguments.batch_size, arguments.workers
    )
    with patch.object(imgsearch.app, "open_model", lambda *_: model):
        summary = run_index(IndexRequest([str(photos)], settings))
    assert summary.embedded == count, summary
    return summary.embedded / summary.seconds


def make_large(photos: Path, count: int) -> None:
    """Photo-like JPEGs of 12 megapixels: smooth shades with grain, about 3 MB each; 8 drawn, the rest made different
    by a comment at the end of the file."""
    from PIL import Image

    drawn = []
    for seed in range(8):
        noise = np.random.default_rng(seed)
        low = Image.fromarray(noise.integers(0, 255, (12, 16, 3), np.uint8)).resize(_LARGE, Image.Resampling.BICUBIC)
        grain = noise.normal(0, 6, (_LARGE[1], _LARGE[0], 1))
        Image.fromarray(np.clip(np.asarray(low) + grain, 0, 255).astype(np.uint8)).save(photos / "tmp.jpg", quality=88)
        drawn.append((photos / "tmp.jpg").read_bytes())
    (photos / "tmp.jpg").unlink()
    write_variants(photos, drawn, ".jpg", count)


def make_small(photos: Path, count: int) -> None:
    from PIL import Image

    drawn = []
    for seed in range(32):
        noise = np.random.default_rng(seed)
        low = Image.fromarray(noise.integers(0, 255, (6, 8, 3), np.uint8)).resize(_SMALL, Image.Resampling.BICUBIC)
        low.save(photos / "tmp.png")
        drawn.append((photos / "tmp.png").read_bytes())
    (photos / "tmp.png").unlink()
    write_variants(photos, drawn, ".png", count)


def write_variants(photos: Path, drawn: Sequence[bytes], suffix: str, count: int) -> None:
    for number in range(count):
        (photos / f"{number:05d}{suffix}").write_bytes(drawn[number % len(drawn)] + f"#{number}".encode())


if __name__ == "__main__":
    main()
