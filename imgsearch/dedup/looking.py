"""Pictures of a library read and aligned in pairs, the latest kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from PIL import Image

from imgsearch.dedup.alignment import Alignment, align
from imgsearch.dedup.comparison import confirm
from imgsearch.errors import MediaError
from imgsearch.media.decode import open_upright
from imgsearch.records import Failure, MediaFacts
from imgsearch.storage.inventory import HeldFile
from imgsearch.storage.store import Store

_SIDE = 256
_KEPT = 1024  # pictures of 256 px: 200 MB at most


class Looker:
    """Looks at pictures by image id. ``failed`` is told once of each picture of which no file can be read."""

    def __init__(self, store: Store, failed: Callable[[Failure], None]) -> None:
        self._store = store
        self._failed = failed
        self._pictures: OrderedDict[int, Image.Image | None] = OrderedDict()
        self._files: OrderedDict[int, list[HeldFile]] = OrderedDict()
        self._told: set[int] = set()

    def look(self, first: int, second: int) -> Alignment | None:
        """How the two lie on each other; None where one of them cannot be read."""
        a, b = self._picture(first), self._picture(second)
        return None if a is None or b is None else align(a, b)

    def confirmed(self, first: int, second: int) -> bool:
        """Whether the two, upright, are copies to `comparison.confirm`; False where one cannot be read."""
        a, b = self._picture(first), self._picture(second)
        return a is not None and b is not None and bool(confirm(a, b, 1).is_copy[0])

    def facts(self, image_id: int) -> MediaFacts | None:
        """What the library knows of a picture; None where no file of it is left."""
        files = self._files_of(image_id)
        return files[0].facts if files else None

    def _files_of(self, image_id: int) -> list[HeldFile]:
        if image_id not in self._files:
            self._files[image_id] = self._store.copies([image_id]).get(image_id, [])
            if len(self._files) > 4 * _KEPT:
                self._files.popitem(last=False)
        return self._files[image_id]

    def _picture(self, image_id: int) -> Image.Image | None:
        if image_id in self._pictures:
            self._pictures.move_to_end(image_id)
            return self._pictures[image_id]
        picture = self._read(image_id)
        self._pictures[image_id] = picture
        if len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        return picture

    def _read(self, image_id: int) -> Image.Image | None:
        reason: Failure | None = None
        for file in self._files_of(image_id):
            if file.offline:
                continue
            try:
                return open_upright(file.path, _SIDE, content_hash=file.facts.content_hash)
            except MediaError as error:
                reason = reason or Failure(
                    file.path, error.stage, error.message, error.transient, file.size_bytes, file.mtime_ns
                )
        if reason is not None and image_id not in self._told:
            self._told.add(image_id)
            self._failed(reason)
        return None
