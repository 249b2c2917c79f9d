"""What lies beside the files of a shard (XMP, Google Takeout's notes), read as `imgsearch index` reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from imgsearch.errors import MediaError
from imgsearch.media.decode_pool import HardenedPool, Job
from imgsearch.media.facts.answers import TASK, unpacked_answer
from imgsearch.media.facts.sidecar_names import FoundSidecars, SidecarListing, digest_of
from imgsearch.records import FileFacts
from indexer.jobs.inputs.rows import InputRow
from indexer.jobs.shards.results import Beside

_AHEAD = 256


class SidecarReader:
    """Reads the sidecars of one shard after the other, in ``workers`` processes (0: one a core) that start when the
    first sidecar is met. ``stop`` is asked between them."""

    def __init__(self, workers: int, stop: Callable[[], bool]) -> None:
        self._stop = stop
        self._pool = HardenedPool(TASK, {}, workers=workers, ahead=_AHEAD, stop=stop)

    def close(self) -> None:
        """End the processes."""
        self._pool.close()

    def read(self, rows: Iterable[InputRow], roots: tuple[str, ...]) -> dict[int, Beside]:
        """By the place of a row, what its sidecars say; a sidecar that cannot be read for a while says nothing, and is
        left to the next `imgsearch index`. Incomplete if ``stop`` said so. Cost: a list of each folder of the shard.
        Raises ImgsearchError if no process starts."""
        found: dict[int, Beside] = {}
        for job, outcome in self._pool.run(_jobs(rows, roots), lambda head, _: unpacked_answer(head)):
            place, digest = job.tag
            if not isinstance(outcome, MediaError):
                found[place] = Beside(digest, outcome[0])
            elif not outcome.transient:
                found[place] = Beside(digest, FileFacts())
            if self._stop():
                break
        return found


def _jobs(rows: Iterable[InputRow], roots: tuple[str, ...]) -> Iterator[Job]:
    listings: dict[str, SidecarListing] = {}
    for place, row in enumerate(rows):
        if row.kind != "file" or row.size_bytes < 0:
            continue
        folder, name = os.path.split(row.name(roots))
        if folder not in listings:
            listings[folder] = _listed(folder)
        sidecars = listings[folder].of(name)
        if sidecars:
            paths = [os.path.join(folder, sidecar.name) for sidecar in sidecars]  # noqa: PTH118
            yield Job(["", paths, None], sum(each.size_bytes for each in sidecars), (place, digest_of(sidecars)))


def _listed(folder: str) -> SidecarListing:
    """By name, as a walk meets them: of two that differ in case alone the first one counts."""
    found = FoundSidecars(lambda path: False)
    found.note_folder(folder)
    return SidecarListing(sorted(found.folders.get("", ())))
