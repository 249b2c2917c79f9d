"""Images to read: of a library or from anywhere, decoded at their full size in the hardened pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool import HardenedPool, Job
from imgsearch.media.facts.beside import told_orientation
from imgsearch.reading.decoding import MOST_PIXELS
from imgsearch.records import UInt8
from imgsearch.storage import Store
from imgsearch.storage.reads.placed_images import placed_images

_TASK = "imgsearch.reading.decoding:page_task"
_LIMIT_S = 30.0  # for one image; six times as long for one that runs alone


@dataclass(frozen=True, slots=True)
class Page:
    """An image to read: its files, the best first. One of the library has an id, the content that it was indexed with
    and its size; ``told`` is the orientation that a sidecar gives it, 0 for none."""

    paths: tuple[Path, ...]
    image_id: int | None = None
    content_hash: str | None = None
    told: int = 0
    size: tuple[int, int] = (0, 0)

    @property
    def path(self) -> Path:
        return self.paths[0]


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """uint8 [h, w, 3], upright, RGB in sRGB, with the sha256 of the file's bytes."""

    pixels: UInt8
    content_hash: str


def library_pages(store: Store, image_ids: Sequence[int]) -> Iterator[Page]:
    """Those of ``image_ids`` that have a file, in order."""
    for record, paths in placed_images(store, image_ids):
        facts = record.facts
        size = facts.width, facts.height
        yield Page(tuple(paths), record.image_id, facts.content_hash, facts.told_orientation, size)


def file_page(path: Path) -> Page:
    """A file that the library need not know."""
    return Page((path,), told=told_orientation(path))


class PagePool:
    """Decodes pages, one ahead of the reader, in a process that lasts from run to run."""

    def __init__(self) -> None:
        self._pool = HardenedPool(_TASK, {}, workers=1, ahead=2, time_limit_s=_LIMIT_S)

    def __enter__(self) -> PagePool:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._pool.__exit__(*raised)

    def run(self, pages: Sequence[Page]) -> Iterator[tuple[Page, DecodedPage | MediaError]]:
        """Each page decoded, or why it cannot be, in order; those whose first file does not hold it any more come
        last, from their other files."""
        waiting = list(pages)
        turn = 0
        while waiting:
            again: list[Page] = []
            jobs = [Job(_arguments(page, turn), tag=page) for page in waiting]
            for job, outcome in self._pool.run(jobs, _read, ordered=True):
                if isinstance(outcome, MediaError) and turn + 1 < len(job.tag.paths):
                    again.append(job.tag)
                else:
                    yield job.tag, outcome
            waiting, turn = again, turn + 1


def _arguments(page: Page, turn: int) -> list[Any]:
    width, height = page.size
    side = 0
    if width * height > MOST_PIXELS:  # so that a JPEG is decoded no larger than it is needed
        side = int(max(width, height) * (MOST_PIXELS / (width * height)) ** 0.5)
    return [str(page.paths[turn]), page.content_hash, page.told, side]


def _read(head: dict[str, Any], body: bytes) -> DecodedPage:
    height, width = int(head["height"]), int(head["width"])
    if not 0 < height * width <= MOST_PIXELS:
        raise ValueError(f"got a picture of {width} x {height} pixels, expected at most {MOST_PIXELS} of them")
    return DecodedPage(np.frombuffer(body, np.uint8).reshape(height, width, 3), str(head["hash"]))
