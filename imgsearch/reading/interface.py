"""The part of a library that reads the words in pictures (docs/python.md)."""

from __future__ import annotations

import operator
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from imgsearch.errors import MediaError, UsageError

if TYPE_CHECKING:
    from PIL import Image

    from imgsearch.reading.reader import ImageReader
    from imgsearch.reading.run import ReadingSummary
    from imgsearch.search.engine import Searcher
    from imgsearch.storage import TextWord

    Picture: TypeAlias = int | str | os.PathLike[str] | Image.Image


class ReadsTexts:
    """The models are loaded by the first call that reads, and kept; calls that read wait for each other."""

    _writing: threading.Lock
    _image_reader: ImageReader | None = None

    @property
    def _searcher(self) -> Searcher:
        raise NotImplementedError

    def read(self, *, again: bool = False) -> ReadingSummary:
        """Read the words in all pictures of the library that this reader has not read, or with ``again`` in all of
        them, and keep them there; a search finds them.

        -> what was done: ``read``, ``with_text``, ``words``, ``unreadable``. Raises ExtraMissing without the extra
        ``ocr``, LibraryBusy; what was read before stays. Cost: about a second a picture and core."""
        from imgsearch.reading.pages import library_pages
        from imgsearch.reading.run import ReadingSummary, TextReading
        from imgsearch.storage.single_runs import single_run

        store = self._searcher.store
        with self._writing, single_run(store, "read"):
            reading = TextReading(self._reader(), store)
            waiting = [int(number) for number in store.view().image_ids] if again else reading.waiting(store)
            summary = ReadingSummary(wanted=len(waiting))
            for batch in reading.run(library_pages(store, waiting)):
                summary.add(batch)
        return summary

    def words(self, picture: Picture) -> tuple[TextWord, ...]:
        """The words in a picture, by image id, path or Pillow image, in the order of reading: each with ``text``,
        ``box`` (four corners x, y in fractions of the upright picture) and ``confidence``. Those of an image id are the
        ones that the library keeps, if it was read; all others are read now, and not kept. Raises UsageError,
        MediaError for a picture that cannot be read, ExtraMissing."""
        from imgsearch.reading.pages import PagePool, file_page, library_pages
        from imgsearch.storage.reads.image_texts import read_texts

        store, given = self._searcher.store, cast("Any", picture)
        if hasattr(given, "tobytes") and hasattr(given, "getbands"):
            return self._words_of(np.asarray(given.convert("RGB")))
        if isinstance(picture, (str, os.PathLike)):
            path = Path(picture).expanduser()
            if not path.is_file():
                raise UsageError(f"there is no file {path}", "give a path, an image id or a Pillow image")
            pages = [file_page(path)]
        else:
            number = _image_id(picture)
            kept = read_texts(store, [number]).get(number)
            pages = list(library_pages(store, [number]))
            if not pages:
                raise UsageError(f"the library holds no picture with the id {number}", "hit.image_id is one")
            if kept is not None:
                return kept.words
        with PagePool() as pool:
            ((_, decoded),) = pool.run(pages)
        if isinstance(decoded, MediaError):
            raise decoded
        return self._words_of(decoded.pixels)

    def _words_of(self, pixels: Any) -> tuple[TextWord, ...]:
        with self._writing:
            read = self._reader().read(pixels)
        return tuple(word for line in read.lines for word in line.words)

    def _reader(self) -> ImageReader:
        from imgsearch.reading.engine import RapidEngine
        from imgsearch.reading.reader import ImageReader

        if self._image_reader is None:
            self._image_reader = ImageReader(RapidEngine())
        return self._image_reader


def _image_id(picture: Any) -> int:
    try:
        number = -1 if isinstance(picture, bool) else operator.index(picture)
    except TypeError:
        number = -1
    if not 0 <= number < 1 << 63:
        raise UsageError(f"got {picture!r:.60}, expected an image id, a path or a Pillow image", "see docs/python.md")
    return number
