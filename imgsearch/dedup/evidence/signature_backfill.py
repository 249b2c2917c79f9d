"""Computes signatures for images that have none: those of libraries that an older program made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from imgsearch.dedup.evidence.examination import failure_of
from imgsearch.errors import MediaError
from imgsearch.progress import StepProgress
from imgsearch.records import Failure, Int64, ModelId
from imgsearch.search.features.images import decode_all
from imgsearch.storage.store import Store

_CHUNK = 256  # images decoded and written at a time
_BUSY_S = 60.0
_DEFAULT_SIDE = 224


def fill_signatures(
    store: Store, image_ids: Int64, failed: Callable[[Failure], None], progress: StepProgress | None = None
) -> Int64:
    """Decode those of ``image_ids`` that have no signature, and keep it in the library. Returns, ascending, the ids
    that still have none: the file that could not be read is reported to ``failed``. ``progress(done, total)``.

    Costs one decoding each (10 to 60 ms of one core for a photograph). Raises LibraryBusy if an index run keeps writing
    for a minute, StorageFull.
    """
    lacking = store.unsigned(image_ids)
    left: list[int] = []
    for at in range(0, len(lacking), _CHUNK):
        chunk = lacking[at : at + _CHUNK].tolist()
        made = _decode(store, chunk, failed)
        if made:
            from imgsearch.storage.writer import writing  # loads SQLAlchemy

            with writing(store, wait_s=_BUSY_S) as writer:
                writer.add_signatures(made)
        left += [image_id for image_id in chunk if image_id not in made]
        if progress is not None:
            progress(min(at + _CHUNK, len(lacking)), len(lacking))
    return np.array(left, np.int64)


def picture_side(model: ModelId) -> int:
    """Pixels at which a library of ``model`` decoded its images: decoding a file at the same side gives the same
    signature and pHash."""
    return model.image_size or _DEFAULT_SIDE


def _decode(store: Store, image_ids: list[int], failed: Callable[[Failure], None]) -> dict[int, bytes]:
    """Decodes the first file of each image that still holds it; if none does, reports the first one's failure."""
    side = picture_side(store.model)
    files = store.copies(image_ids)
    made: dict[int, bytes] = {}
    reasons: dict[int, Failure] = {}
    for attempt in range(max((len(found) for found in files.values()), default=0)):
        trying = [found[attempt] for image_id, found in files.items() if image_id not in made and attempt < len(found)]
        for file, outcome in zip(trying, decode_all([Path(file.path) for file in trying], side), strict=True):
            if isinstance(outcome, MediaError):
                reasons.setdefault(file.image_id, failure_of(file, outcome))
            elif outcome.facts.content_hash != file.facts.content_hash:
                changed = MediaError("the file has changed since it was indexed", stage="read", transient=True)
                reasons.setdefault(file.image_id, failure_of(file, changed))
            else:
                made[file.image_id] = outcome.signature
    for image_id, reason in reasons.items():
        if image_id not in made:
            failed(reason)
    return made
