"""Facts read from single files in addition to their small images, once each, and kept in the library's evidence."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool import HardenedPool, Job, JobResult
from imgsearch.media.decode_pool.batches import Bounds, in_batches, run_batches
from imgsearch.media.samples.whole import FileTraits
from imgsearch.progress import StepProgress
from imgsearch.records import Failure
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.inventory import HeldFile
from imgsearch.storage.evidence.store import EvidenceStore
from imgsearch.storage.store import Store

Failed = Callable[[Failure], None]

TRAITS = "traits"
SAMPLES = "samples"
RECIPE = "3"
TRAITS_RECIPE = "6"
"""Name how samples and traits are read; raise one when that changes, and they are read again."""

_KEPT_AT_ONCE = 256  # texts a transaction, which a killed run loses
_TOGETHER = {"describe": Bounds(jobs=32, cost=16 << 20), "samples": Bounds(jobs=8, cost=1 << 20)}
"""Files, and their bytes, in a job: of the first only headers are read."""


_LIMIT_S = 60.0  # for a job: a film of 10,000 frames, two images of 200 megapixels


@contextlib.contextmanager
def file_pool(lent: HardenedPool | None = None) -> Iterator[HardenedPool]:
    """The processes that read single files and pairs of files: those ``lent``, which go on running, or new ones for
    this block. One search lends the same to traits, samples and looks, because a start costs as much as 50 looks. None
    starts before the first file."""
    if lent is not None:
        yield lent
        return
    with HardenedPool("imgsearch.dedup.pixels.inspection.task:answer", {}, time_limit_s=_LIMIT_S) as own:
        yield own


@dataclass(frozen=True, slots=True)
class Source:
    """Where files are read: from which library and by which processes (None: new ones for each reading)."""

    store: Store
    pool: HardenedPool | None = None


class Traits:
    """The traits of images by id, read if they are not kept yet; a few hundred bytes an image."""

    def __init__(self, store: Store, evidence: EvidenceStore, pool: HardenedPool | None = None) -> None:
        self._store, self._evidence, self._pool = store, evidence, pool
        self._texts: dict[int, str] = {}

    def read(self, image_ids: Iterable[int], failed: Failed, progress: StepProgress) -> None:
        """Read the traits of these images. Files that cannot be read have none and are reported to ``failed``; 2 ms a
        new one."""
        wanted = [image_id for image_id in image_ids if image_id not in self._texts]
        self._texts |= self._evidence.examined(TRAITS, TRAITS_RECIPE, wanted)
        todo = [image_id for image_id in wanted if image_id not in self._texts]
        for part in _examined(Source(self._store, self._pool), todo, "describe", failed, progress):
            texts = {image_id: _text(answer.head) for image_id, answer in part.items()}
            self._evidence.add_examined(TRAITS, TRAITS_RECIPE, texts)
            self._texts |= texts

    def get(self, image_id: int) -> FileTraits | None:
        """The traits of an image that was read; None if reading failed."""
        text = self._texts.get(image_id)
        return None if text is None else FileTraits.from_json(json.loads(text))


def sample_digests(
    source: Source, evidence: EvidenceStore, image_ids: Iterable[int], failed: Failed, progress: StepProgress
) -> dict[int, bytes]:
    """The digest of all samples of each of these images (`media.samples`). Kept digests are not computed again; images
    without a readable file are absent. 150 ms of one core for 12 megapixels of JPEG."""
    ids = list(image_ids)
    found = evidence.pixel_hashes(_digest_recipe(), ids)
    for part in _examined(source, [each for each in ids if each not in found], "samples", failed, progress):
        digests = {image_id: answer.body for image_id, answer in part.items()}
        for kind, recipe in ((SAMPLES, RECIPE), (TRAITS, TRAITS_RECIPE)):  # one reading gives both
            told = {image_id: _text(answer.head[kind]) for image_id, answer in part.items() if answer.head[kind]}
            evidence.add_examined(kind, recipe, told)
        evidence.add_pixel_hashes(_digest_recipe(), digests)
        found |= digests
    return found


def _digest_recipe() -> str:
    return f"samples-{RECIPE}"


def sample_facts(evidence: EvidenceStore, image_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """What `sample_digests` found in addition to the digests: ``depth``, ``transparent``, ``colour``, ``images``."""
    return {image_id: json.loads(text) for image_id, text in evidence.examined(SAMPLES, RECIPE, image_ids).items()}


def failure_of(file: HeldFile, error: MediaError) -> Failure:
    """The report of a file that could not be read."""
    return Failure(file.path, error.stage, error.message, error.transient, file.size_bytes, file.mtime_ns)


def _examined(
    source: Source, image_ids: list[int], task: str, failed: Failed, progress: StepProgress
) -> Iterator[Mapping[int, JobResult]]:
    """The pool's answers about the first readable file of each image, some hundred at a time."""
    if not image_ids:
        return
    done = 0
    with file_pool(source.pool) as pool:
        for chunk in lookups.chunks(image_ids, 4 * _KEPT_AT_ONCE):
            files = {
                image_id: [file for file in held if not file.offline]
                for image_id, held in source.store.copies(chunk).items()
            }
            found: dict[int, JobResult] = {}
            waiting = list(files.items())
            while waiting:
                again = []
                jobs = (_job(task, image_id, held) for image_id, held in waiting if held)
                batches = in_batches(jobs, _TOGETHER[task], lambda job: job.size_bytes)
                for job, outcome in run_batches(pool, task, batches):
                    image_id, file = job.tag
                    if isinstance(outcome, JobResult):
                        found[image_id] = outcome
                    elif len(files[image_id]) > 1:
                        files[image_id] = files[image_id][1:]
                        again.append((image_id, files[image_id]))
                        continue
                    else:
                        failed(failure_of(file, outcome))
                    done += 1
                    progress(done, len(image_ids))
                    if len(found) >= _KEPT_AT_ONCE:
                        yield found
                        found = {}
                waiting = again
            yield found


def _text(found: dict[str, Any]) -> str:
    return json.dumps(found, separators=(",", ":"))


def _job(task: str, image_id: int, held: list[HeldFile]) -> Job:
    file = held[0]
    arguments: list[Any] = [file.path, file.facts.content_hash]
    if task == "describe":
        arguments += [file.facts.size_bytes, file.mtime_ns]
    return Job(arguments, file.size_bytes, (image_id, file))
