"""The memory of `imgsearch index` and of a cold search with a checkpoint of full size, beside what `imgsearch models`
promises and beside its weights. The weights are random: memory does not depend on what a model has learnt.

    python benchmarks/memory.py [--models blip2,blip2-coco,blip2-vitl] [--pictures 4] [--quick]

A name with "/half", such as blip2/half, has float16 values in its ViT, stored as float32, as many of LAVIS's files do.
Needs 5 GB of disk at a time, and as much RAM.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from made_up_model import sliced, write_checkpoint
from processes import timed
from results import add_flags, markdown_table, write_section, writes

from imgsearch.model import profile_for
from imgsearch.model.checkpoints.known import KNOWN
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.runtimes.choice import index_bytes

_MB = 1.024e-3
"""GB in what `processes.Timed` calls an MB: 1,000 of Linux's kB, each of 1,024 bytes."""

COMMAND = [sys.executable, "-m", "imgsearch"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="blip2,blip2-coco,blip2-vitl")
    parser.add_argument("--pictures", type=int, default=4)
    add_flags(parser)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "pictures"
        draw = [*COMMAND, "scenes", str(pictures), "--count", str(arguments.pictures)]
        timed(draw)
        for name in arguments.models.split(","):
            rows.append(measured(name, Path(scratch) / name, pictures, quick=arguments.quick))
            print(*rows[-1], flush=True)
    header = [
        "model",
        "weights, GB",
        "RAM promised, GB",
        "index, peak GB",
        "times the weights",
        "a cold search, peak GB",
    ]
    table = [
        *markdown_table(header, rows),
        "",
        f"{arguments.pictures} pictures, float32 on the CPU, random weights of full size; all processes together.",
    ]
    print("\n".join(table))
    if writes(arguments):
        write_section("Memory of models of full size (benchmarks/memory.py)", table)


def measured(name: str, folder: Path, pictures: Path, *, quick: bool) -> list[object]:
    """One model: its weights, its promise, and the peaks of an index run and of a search that re-ranks."""
    name, _, half = name.partition("/")
    known = KNOWN[name]
    sizes = sliced("vitl" in name, 2 if quick else 0, 2 if quick else 0)
    sizes = replace(sizes, vision=replace(sizes.vision, image=known.image_size))
    checkpoint = write_checkpoint(folder / "model", sizes, half_vit=bool(half))
    weights = (checkpoint / "model.safetensors").stat().st_size / 1e9
    promised = index_bytes(known, profile_for(checkpoint, "cpu", "float32"), find_source(checkpoint))
    where = ["--library", str(folder / "library"), "--model", str(checkpoint)]
    index = timed([*COMMAND, "index", str(pictures), *where, "--device", "cpu"])
    search = timed([*COMMAND, "search", "w1 w2", *where, "--device", "cpu", "--rerank", "2"])
    (checkpoint / "model.safetensors").unlink()
    return [
        f"{name}, ViT of float16 values" if half else name,
        weights,
        promised / 1e9,
        index.peak_mb * _MB,
        index.peak_mb * _MB / weights,
        search.peak_mb * _MB,
    ]


if __name__ == "__main__":
    main()
