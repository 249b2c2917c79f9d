"""Images of the library that must be read again, because an older program read them differently or a sidecar changes
their orientation. An image that looks the same afterwards keeps its vectors; only the rest goes through the model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool import DecodeJob, DecodePool
from imgsearch.media.decoded import DecodedImage
from imgsearch.records import ImageRecord
from imgsearch.storage import QuantisedFeatures
from imgsearch.storage.catalog.rereads import Reread
from imgsearch.storage.reads.fact_reads import read_told_orientations, read_turned_images
from imgsearch.wording import counted_are
from indexer.run_context import RunContext

SIDECAR = "an orientation told beside them"
_CHUNK = 500  # images whose records are held at once


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An image that is to be read again, with its previous record."""

    record: ImageRecord
    signature: bytes  # b"" if there is none
    reason: str


@dataclass(slots=True)
class RereadRun:
    """Reads images again after facts and sidecars are up to date. ``pool`` makes the decoders, whose workers start with
    the first job."""

    context: RunContext
    pool: Callable[[], DecodePool]
    batch_size: int
    reasons: Counter[str] = field(default_factory=Counter)  # of those whose pixels changed
    _changed: list[tuple[_Wanted, DecodedImage]] = field(default_factory=list)
    _same: list[Reread] = field(default_factory=list)
    _unread: list[int] = field(default_factory=list)

    def run(self, reasons: Mapping[int, str]) -> None:
        """Read the images of ``reasons`` again, and those whose orientation changes through sidecars. When ``stop``
        says so, the rest is left for the next run. Raises StorageFull, ModelError, ImgsearchError if no worker starts.
        """
        reasons = dict(reasons) | dict.fromkeys(read_turned_images(self.context.store), SIDECAR)
        if not reasons or self.context.stop():
            self.context.summary.unfinished |= bool(reasons)
            return
        self.context.progress.say(
            f"{counted_are(len(reasons), 'picture')} read again, to see whether they look different"
        )
        with closing(self.pool()) as pool:
            for job, outcome in pool.run(self._jobs(reasons)):
                self._take(job.tag, outcome)
                if len(self._changed) >= self.batch_size or len(self._same) + len(self._unread) >= _CHUNK:
                    self._commit()
                if self.context.stop():
                    self.context.summary.unfinished = True
                    break
        self._commit()
        self.context.summary.reread += self.reasons.total()
        self.context.summary.reread_reasons |= self.reasons

    def _jobs(self, reasons: Mapping[int, str]) -> Iterator[DecodeJob]:
        store, ids = self.context.store, sorted(reasons)
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            told, paths, records = read_told_orientations(store, part), store.paths(part), store.images(part)
            there, signatures = store.signatures(np.array(part, np.int64))
            for place, image_id in enumerate(part):
                if image_id in records and image_id in paths:
                    signature = signatures[place].tobytes() if there[place] else b""
                    wanted = _Wanted(records[image_id], signature, reasons[image_id])
                    path, size = os.fspath(paths[image_id]), records[image_id].facts.size_bytes
                    yield DecodeJob(path, size, tag=wanted, told=told.get(image_id, 1))

    def _take(self, wanted: _Wanted, outcome: object) -> None:
        before = wanted.record.facts
        if isinstance(outcome, MediaError):
            if not outcome.transient:
                self._unread.append(wanted.record.image_id)
        elif isinstance(outcome, DecodedImage) and outcome.facts.content_hash == before.content_hash:
            now = outcome.facts
            shape = (before.width, before.height, before.told_orientation)
            if (now.width, now.height, now.told_orientation) == shape and outcome.signature == wanted.signature:
                self._same.append(Reread(wanted.record.image_id, now, outcome.signature))
            else:
                self._changed.append((wanted, outcome))
        # Another content is there now: the scan of its folder tells, not we.

    def _commit(self) -> None:
        """Embed changed images, and write all waiting rows, in one transaction."""
        changed, self._changed = self._changed, []
        found, self._same = self._same, []
        unread, self._unread = self._unread, []
        if not (changed or found or unread):
            return
        encoded = self.context.encoder.submit([image.pixels for _, image in changed]).result() if changed else None
        vectors = [] if encoded is None else encoded.vectors
        for (wanted, image), vector in zip(changed, vectors, strict=True):
            if isinstance(vector, np.ndarray):
                found.append(Reread(wanted.record.image_id, image.facts, image.signature, vector))
                self.reasons[wanted.reason] += 1
        with self.context.writer.transaction() as transaction:
            transaction.renew(found)
            transaction.facts.read_before.update(dict.fromkeys(unread))
            transaction.commit()
        for place, (wanted, image) in enumerate(changed):
            self._refresh_features(wanted, image, encoded.features[place] if encoded and encoded.features else None)

    def _refresh_features(self, wanted: _Wanted, image: DecodedImage, features: object) -> None:
        if self.context.kept is not None:
            self.context.kept.drop(wanted.record.facts.shown_key)
            if isinstance(features, QuantisedFeatures):
                self.context.kept.put(image.facts.shown_key, features)
