"""Captions many images in batches. Each batch is committed, so a run may end at any time and continue later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

from imgsearch.captions.subjects import MatchingSide, ReadSubject, Sized, Subject, read_subjects
from imgsearch.errors import MediaError
from imgsearch.generation.checked import CaptionSettings, CheckedCaption, Judge, checked_captions, image_seed
from imgsearch.generation.contract import Generator
from imgsearch.storage import Store, StoredCaption, writing
from imgsearch.storage.reads.captions import read_uncaptioned

LOCK_WAIT_S = 60.0
"""How long a batch waits while another process writes to the library."""

_FIRST, _MOST = 4, 128
_BATCH_S = 10.0  # work that a kill loses at most, and the time that a first Ctrl-C takes to end the run


class SeeingGenerator(Generator, Sized, Protocol):
    """A generator that says how large its images are."""

    @property
    def dtype(self) -> str: ...


@dataclass(frozen=True, slots=True)
class CaptionOutcome:
    """The result for one image: a caption, or the reason why there is none. ``stored``: whether the library keeps
    it."""

    subject: Subject
    image_id: int | None
    caption: CheckedCaption | None
    reason: str = ""
    stored: bool = False


@dataclass(slots=True)
class CaptionSummary:
    """What a run did. ``unreadable``: path -> reason."""

    wanted: int = 0
    captioned: int = 0
    unsure: int = 0
    stored: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def remaining(self) -> int:
        return self.wanted - self.captioned - len(self.unreadable)

    def add(self, outcomes: Sequence[CaptionOutcome]) -> None:
        """Count a batch."""
        for each in outcomes:
            if each.caption is None:
                self.unreadable[str(each.subject.path)] = each.reason
            else:
                self.captioned += 1
                self.unsure += not each.caption.sure
                self.stored += each.stored


class Captioner:
    """Writes captions with one generator and one set of settings. ``matching`` checks them; None leaves them unchecked.
    ``store`` keeps the captions of its images, also for files from elsewhere with the same content. ``quantize`` as it
    was given to `load_generator`."""

    def __init__(
        self,
        generator: SeeingGenerator,
        settings: CaptionSettings,
        *,
        store: Store | None = None,
        matching: MatchingSide | None = None,
        judge: Judge | None = None,
        quantize: str | None = None,
    ) -> None:
        self._generator, self._settings, self._store = generator, settings, store
        self._matching = matching if settings.check else None
        self._judge = judge
        self._made = settings.as_json(store.model.fingerprint if store is not None and self._matching else "")
        self._dtype = generator.dtype + (f"+{quantize}" if quantize else "")

    def made_here(self) -> StoredCaption:
        """A caption without image and text: what all captions written here have in common."""
        generator, settings = self._generator, self._settings
        return StoredCaption(
            0, "", None, True, generator.name, generator.fingerprint, self._dtype, settings.prompt, self._made
        )

    def waiting(self, store: Store, *, missing_only: bool = False) -> list[int]:
        """Ids of the images without a caption and, unless ``missing_only``, of those whose caption was made in another
        way."""
        return read_uncaptioned(store, None if missing_only else self.made_here())

    def run(
        self,
        subjects: Iterable[Subject],
        stop: Callable[[], bool] = lambda: False,
        *,
        keep: bool = True,
        batch: int = 0,
    ) -> Iterator[list[CaptionOutcome]]:
        """The outcomes of ``subjects`` in order, in batches. Each batch is committed before it is given out. ``stop``
        is called between batches. ``batch``: images in one; 0 takes what ten seconds allow. Raises what
        `checked_captions` raises, and LibraryBusy if the library is locked for a minute; earlier batches stay."""
        waiting = iter(subjects)
        size = batch or _FIRST
        while not stop() and (part := list(islice(waiting, size))):
            started = time.monotonic()
            outcomes = self._caption(part)
            yield self._keep(outcomes) if keep and self._store is not None else outcomes
            if not batch:
                each = (time.monotonic() - started) / len(part)
                size = max(1, min(_MOST, 4 * size, int(_BATCH_S / max(each, 1e-3))))

    def _caption(self, subjects: Sequence[Subject]) -> list[CaptionOutcome]:
        read = read_subjects(subjects, self._generator, self._matching)
        good = [one for one in read if isinstance(one, ReadSubject)]
        features = [one.features for one in good if one.features is not None]
        written = iter(
            checked_captions(
                self._generator,
                self._matching.model if self._matching else None,
                [one.image for one in good],
                self._settings,
                seeds=[image_seed(one.content_hash, self._settings.seed) for one in good],
                features=features if len(features) == len(good) else None,
                judge=self._judge,
            )
        )
        return [self._outcome(one, subject, written) for one, subject in zip(read, subjects, strict=True)]

    def _outcome(
        self, read: ReadSubject | MediaError, subject: Subject, written: Iterator[CheckedCaption]
    ) -> CaptionOutcome:
        if isinstance(read, MediaError):
            return CaptionOutcome(subject, subject.image_id, None, read.message)
        image_id = subject.image_id
        if image_id is None and self._store is not None:
            image_id = self._store.image_of(read.content_hash)
        return CaptionOutcome(subject, image_id, next(written))

    def _keep(self, outcomes: list[CaptionOutcome]) -> list[CaptionOutcome]:
        assert self._store is not None
        made = {each.image_id: each.caption for each in outcomes if each.image_id is not None and each.caption}
        if not made:
            return outcomes
        rows = [
            replace(
                self.made_here(),
                image_id=image_id,
                text=caption.text,
                probability=caption.probability,
                sure=caption.sure,
            )
            for image_id, caption in made.items()
        ]
        with writing(self._store, wait_s=LOCK_WAIT_S) as writer:
            writer.write_captions(rows)
        return [replace(each, stored=each.image_id in made and each.caption is not None) for each in outcomes]
