"""The small files beside weights that other programs read."""

from __future__ import annotations

import json
from pathlib import Path

from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD


def write_json(path: Path, value: object) -> None:
    """Write a file that a person may read. Raises OSError."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_processor(folder: Path, side: int, query_tokens: int | None = None) -> None:
    """How images become numbers: upright, ``side`` by ``side`` pixels, bicubic, with LAVIS's mean and deviation. For a
    generator ``query_tokens`` too: without that number transformers captions without the image. Raises OSError."""
    named = {} if query_tokens is None else {"processor_class": "Blip2Processor"}
    of_images = {
        "image_processor_type": "BlipImageProcessor",
        **named,
        "size": {"height": side, "width": side},
        "resample": 3,
        "image_mean": list(PIXEL_MEAN),
        "image_std": list(PIXEL_STD),
    }
    write_json(folder / "preprocessor_config.json", of_images)
    if query_tokens is not None:
        write_json(folder / "processor_config.json", {**named, "num_query_tokens": query_tokens})
