"""Pictures that int8 is calibrated on: a person's own, or drawn scenes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from imgsearch.errors import MediaError, UsageError
from imgsearch.media.decode import decode_file
from imgsearch.media.decoded import DecodedImage
from imgsearch.media.preprocess import resize_to_model
from imgsearch.media.sniff import IMAGE_EXTENSIONS
from imgsearch.records import UInt8
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, sample_scene

Pictures = Callable[[int], tuple[UInt8, str]]
"""Image size S -> uint8 [n, S, S, 3], and what they are in words."""

CALIBRATION_PICTURES = 32
"""For int8. As good as 300 (1 - cosine 5e-4); 2 were not (1.4e-3). A full-size model is run three times on each."""

COMPARED_PICTURES = 4
"""With torch, whatever the arithmetic."""

_LOOKED_AT = 20_000
"""Files among which the pictures are chosen: a second of walking."""

_TRIED = 4
"""Times as many files as pictures are wanted, since some cannot be read."""

_SEED = 20261127


def pictures_in(places: Sequence[Path], dtype: str) -> Pictures:
    """What an export in ``dtype`` looks at: pictures from ``places``, or drawn scenes where none are named. Raises
    UsageError for a place that is not there."""
    for place in places:
        if not place.exists():
            raise UsageError(f"there is no file or folder {place}", "check the spelling; quote a path with spaces")
    count = CALIBRATION_PICTURES if dtype == "int8" else COMPARED_PICTURES
    return lambda size: own_pictures(places, count, size) if places else drawn_scenes(count, size)


def drawn_scenes(count: int, size: int) -> tuple[UInt8, str]:
    """uint8 [count, size, size, 3], always the same, and what they are in words."""
    rng, domain = random.Random(_SEED), Domain()
    scenes = [resize_to_model(draw_scene(sample_scene(rng, domain))[0], size) for _ in range(count)]
    return np.stack(scenes), f"{count} drawn scenes"


def own_pictures(places: Sequence[Path], count: int, size: int) -> tuple[UInt8, str]:
    """``count`` of the pictures in and below ``places``, chosen by chance but always the same ones of the same files,
    and what they are in words. With fewer than half as many, drawn scenes fill up."""
    paths = sorted(_pictures(places))
    random.Random(_SEED).shuffle(paths)
    found: list[UInt8] = []
    for path in paths[: _TRIED * count]:
        if len(found) == count:
            break
        try:
            decoded = decode_file(path, size)
        except (MediaError, OSError):
            continue
        if isinstance(decoded, DecodedImage):
            found.append(decoded.pixels)
    if len(found) >= count // 2:
        return np.stack(found), f"{len(found)} of your pictures"
    scenes, words = drawn_scenes(count - len(found), size)
    if not found:
        return scenes, words
    own = "1 of your pictures" if len(found) == 1 else f"{len(found)} of your pictures"
    return np.concatenate([np.stack(found), scenes]), f"{own} and {words}"


def _pictures(places: Sequence[Path]) -> Iterator[Path]:
    seen = 0
    for place in places:
        if place.is_file():
            yield place
            continue
        for folder, below, names in os.walk(place):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in sorted(names):
                if os.path.splitext(name)[1].lower() in IMAGE_EXTENSIONS and not name.startswith("."):  # noqa: PTH122
                    yield Path(folder, name)
                    seen += 1
            if seen >= _LOOKED_AT:
                return
