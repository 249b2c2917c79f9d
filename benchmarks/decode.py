"""What `draft` is worth: time of a 12-megapixel JPEG with it and without, as a ratio, and what it costs in pixels.

python benchmarks/decode.py [--size 224] [--rounds 10] [--workers 2] [--quick]       # prints one JSON object
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from imgsearch.media.decode import decode_bytes
from imgsearch.media.decode_pool import DecodeJob, DecodePool
from imgsearch.media.preprocess import resize_to_model


def photo_like(width: int, height: int, seed: int) -> Image.Image:
    """Noise at many scales, as a photograph has: coarse colour, fine grain, edges."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), (128, 128, 128))
    for cells in (4, 16, 64, 256):
        layer = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        image = Image.blend(image, layer.resize((width, height), Image.Resampling.BICUBIC), 0.4)
    return image.filter(ImageFilter.UnsharpMask(2, 150))


def median_ms(action: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it runs")
    arguments = parser.parse_args()
    files = 60
    if arguments.quick:
        arguments.rounds, files = 1, 6
    size = arguments.size
    buffer = io.BytesIO()
    photo_like(4000, 3000, 1).save(buffer, "JPEG", quality=90)
    jpeg = buffer.getvalue()

    def full() -> np.ndarray:
        return resize_to_model(Image.open(io.BytesIO(jpeg)).convert("RGB"), size)

    drafted = decode_bytes(jpeg, size).pixels.astype(int)
    draft_ms = median_ms(lambda: decode_bytes(jpeg, size), arguments.rounds)
    full_ms = median_ms(full, arguments.rounds)
    with tempfile.TemporaryDirectory() as folder, DecodePool(size, workers=arguments.workers) as pool:
        jobs = []
        for number in range(files):
            path = Path(folder) / f"{number}.jpg"
            path.write_bytes(jpeg + bytes([number]))
            jobs.append(DecodeJob(str(path), len(jpeg) + 1))
        list(pool.run(jobs[:4]))
        started = time.perf_counter()
        assert len(list(pool.run(jobs))) == len(jobs)
        pool_per_s = len(jobs) / (time.perf_counter() - started)
    print(
        json.dumps(
            {
                "size": size,
                "draft_ms": round(draft_ms, 1),
                "full_ms": round(full_ms, 1),
                "full_over_draft": round(full_ms / draft_ms, 2),
                "mean_difference_levels": round(float(np.abs(drafted - full()).mean()), 3),
                "pool_workers": pool.workers,
                "pool_images_per_s": round(pool_per_s, 1),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
