"""Many images read one after the other. What was read is committed every few seconds, so that a run may end anywhere
and go on later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from imgsearch.errors import MediaError
from imgsearch.reading.pages import DecodedPage, Page, PagePool
from imgsearch.reading.reader import ImageReader, ReadImage
from imgsearch.storage import Store, StoredText, writing
from imgsearch.storage.reads.image_texts import read_unread

LOCK_WAIT_S = 60.0
"""How long a commit waits until another process has written to the library."""

_COMMIT_S = 10.0  # what a kill costs at most
_MOST = 64  # images of a batch: one of them may be waited for by no other


@dataclass(frozen=True, slots=True)
class ReadingOutcome:
    """What became of one image: what was read, or the reason why it cannot be. ``stored``: the library keeps it."""

    page: Page
    image_id: int | None
    read: ReadImage | None
    reason: str = ""
    stored: bool = False


@dataclass(slots=True)
class ReadingSummary:
    """What a run did. ``with_text`` of the images that were ``read``; ``unreadable``: path -> reason."""

    wanted: int = 0
    read: int = 0
    with_text: int = 0
    words: int = 0
    stored: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def remaining(self) -> int:
        return self.wanted - self.read - len(self.unreadable)

    def add(self, outcomes: Sequence[ReadingOutcome]) -> None:
        """Count a batch."""
        for each in outcomes:
            if each.read is None:
                self.unreadable[str(each.page.path)] = each.reason
                continue
            self.read += 1
            self.with_text += bool(each.read.lines)
            self.words += sum(len(line.words) for line in each.read.lines)
            self.stored += each.stored


class TextReading:
    """Reads images with one reader. ``store``: what is read in its images is kept there, also of files from elsewhere
    that hold the same content."""

    def __init__(self, reader: ImageReader, store: Store | None = None) -> None:
        self._reader, self._store = reader, store

    def waiting(self, store: Store, *, missing_only: bool = False) -> list[int]:
        """Ids of the images that were never read, or also of those that another engine read."""
        return read_unread(store, None if missing_only else self._reader.engine.fingerprint)

    def run(
        self,
        pages: Iterable[Page],
        stop: Callable[[], bool] = lambda: False,
        told: Callable[[ReadingOutcome], None] = lambda outcome: None,
    ) -> Iterator[list[ReadingOutcome]]:
        """The outcomes of ``pages``, some at a time, kept in the library when they are given out. ``stop`` is asked
        after each image, and ``told`` of each as soon as it is read.

        Raises LibraryBusy where the library is not to be had for a minute; earlier outcomes stay. Cost: that of
        `ImageReader.read`; decoding goes on beside it."""
        waiting = iter(pages)
        with PagePool() as pool:
            while not stop() and (part := list(islice(waiting, _MOST))):
                yield from self._batches(pool, part, stop, told)

    def _batches(
        self,
        pool: PagePool,
        part: Sequence[Page],
        stop: Callable[[], bool],
        told: Callable[[ReadingOutcome], None],
    ) -> Iterator[list[ReadingOutcome]]:
        done: list[ReadingOutcome] = []
        begun = time.monotonic()
        for page, decoded in pool.run(part):
            outcome = self._read(page, decoded)
            done.append(outcome)
            told(outcome)
            if stop():
                break
            if time.monotonic() - begun >= _COMMIT_S:
                yield self._keep(done)
                done, begun = [], time.monotonic()
        if done:
            yield self._keep(done)

    def _read(self, page: Page, decoded: DecodedPage | MediaError) -> ReadingOutcome:
        if isinstance(decoded, MediaError):
            return ReadingOutcome(page, page.image_id, None, decoded.message)
        image_id = page.image_id
        if image_id is None and self._store is not None:
            image_id = self._store.image_of(decoded.content_hash)
        try:
            return ReadingOutcome(page, image_id, self._reader.read(decoded.pixels))
        except Exception as exc:  # noqa: BLE001  others' code reads what is no text, too: one image must not end each run
            return ReadingOutcome(page, image_id, None, f"its words cannot be read ({type(exc).__name__}: {exc})")

    def _keep(self, outcomes: list[ReadingOutcome]) -> list[ReadingOutcome]:
        rows: dict[int, StoredText] = {
            each.image_id: self._reader.made_here(each.image_id, each.read)
            for each in outcomes
            if each.image_id is not None and each.read is not None
        }
        if self._store is None or not rows:
            return outcomes
        with writing(self._store, wait_s=LOCK_WAIT_S) as writer:
            writer.write_texts(list(rows.values()))
        return [replace(each, stored=each.read is not None and each.image_id in rows) for each in outcomes]
