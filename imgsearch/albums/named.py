"""Which images of a library ids and paths name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imgsearch.errors import UsageError
from imgsearch.media.fingerprint import content_hash
from imgsearch.storage import Store


def ids_of(store: Store, named: Sequence[int | Path]) -> list[int]:
    """The image ids, each once, in their order. A path is looked up by the content of its file. Raises UsageError for
    what the library does not hold."""
    numbers = [one for one in named if isinstance(one, int)]
    known = store.images(numbers)
    found: dict[int, None] = {}
    for one in named:
        if isinstance(one, int):
            if one not in known:
                raise UsageError(f"the library holds no picture with the id {one}", "ids are in `search --json`")
            found[one] = None
            continue
        try:
            number = store.image_of(content_hash(one.read_bytes()))
        except OSError as exc:
            raise UsageError(f"{one} cannot be read: {exc.strerror}", "name a picture") from exc
        if number is None:
            raise UsageError(f"the library does not hold {one}", "`imgsearch index` reads it into the library")
        found[number] = None
    return list(found)
