"""Image files to model pixels and features, decoded exactly as the indexer decodes them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import MediaError, UsageError
from imgsearch.records import UInt8

if TYPE_CHECKING:
    from concurrent.futures import Future

    from imgsearch.media.decoded import DecodedImage

DECODE_THREADS = min(8, os.cpu_count() or 1)
"""Pillow releases the GIL while it decodes and resizes, so threads share the cores. More than 8 only raise the memory
that decoding holds."""

AHEAD = 64
"""Decoded images that may wait: 25 MB at 364 px."""


def decode_all(paths: Sequence[Path], size: int, told: Sequence[int] = ()) -> Iterator[DecodedImage | MediaError]:
    """Each path decoded for a model of ``size`` pixels, in order, or the MediaError of a file that cannot be decoded.
    ``told``: the orientation of each from a sidecar, or () for none."""
    # Imported here because a search that needs no pixels does without: 118 modules, a fifth of all that it loads.
    from concurrent.futures import ThreadPoolExecutor

    from imgsearch.media.decode import decode_file
    from imgsearch.media.decoded import DecodedImage

    def decode(path: Path, orientation: int) -> DecodedImage | MediaError:
        try:
            decoded = decode_file(path, size, told=orientation)
        except MediaError as error:
            return error
        assert isinstance(decoded, DecodedImage)  # no known hashes were given
        return decoded

    with ThreadPoolExecutor(max_workers=DECODE_THREADS, thread_name_prefix="decode") as pool:
        waiting: deque[Future[DecodedImage | MediaError]] = deque()
        for path, orientation in zip(paths, told or [0] * len(paths), strict=True):
            waiting.append(pool.submit(decode, path, orientation))
            if len(waiting) >= AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def pixels_of_file(path: Path, size: int) -> UInt8:
    """Pixels uint8 [S, S, 3] of a file that need not be in the library, turned as a sidecar beside it says. Raises
    UsageError for a file that does not exist or cannot be read as an image."""
    from imgsearch.media.facts.beside import told_orientation  # imported here because other searches do not need it

    if not path.exists():
        raise UsageError(f"there is no file {path}", "check the spelling; quote a path with spaces")
    outcome = next(decode_all([path], size, [told_orientation(path)]))
    if isinstance(outcome, MediaError):
        raise UsageError(f"{path} cannot be read as a picture: {outcome.message}", "name a picture file")
    return outcome.pixels
