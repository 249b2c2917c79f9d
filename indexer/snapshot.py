"""The snapshot that makes searches of a large library fast: built by `imgsearch build`, and at the end of `imgsearch
index` if it pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from imgsearch.progress import Progress
from imgsearch.records import Float32, Int64, is_model_free
from imgsearch.storage import SnapshotInfo, Store, View, latest_snapshot
from imgsearch.storage.snapshots import Seal, draft_snapshot, model_key, publish_snapshot, read_seal
from imgsearch.wording import counted, counted_are
from indexer.columns import refresh_columns

PAYS_FROM = 10_000
"""Images from which a snapshot is built unasked: comparing 10,000 x 32 x 256 float16 numbers takes 20 ms on two EPYC
cores, a search by snapshot 10."""

TAIL_IMAGES = 4_000
"""Images outside the snapshot that are compared with every search, 8 ms, before `index` builds a new one ..."""

TAIL_SHARE = 0.02
"""... or this share of a large library, 40 ms of a million: a build takes minutes then, `index` may run hourly."""

WAIT_S = 60.0
"""For the writer lock, which another run holds for a batch at a time or for all of its run."""


class _ReadOnce:
    """A view whose vectors are read once: mapped pages are let go after every read. Of a million images these were 8.2
    of the 8.5 GB that a build took."""

    def __init__(self, view: View) -> None:
        self.slots, self.query_tokens, self.dims = view.slots, view.query_tokens, view.dims
        self.stored_blocks, self.read_stored = view.stored_blocks, view.read_stored
        self._view = view

    def read(self, slots: Int64) -> Float32:
        """See `View.read`."""
        vectors = self._view.read(slots)
        self._view.release_pages()
        return vectors


class BuildStopped(Exception):
    """Ctrl-C between two chunks; the library is unchanged."""


@dataclass(frozen=True, slots=True)
class BuildOutlook:
    """The state before a build: ``images`` alive, ``newer`` of them not in the present snapshot if it is ``sound``."""

    images: int
    newer: int
    sound: bool

    @property
    def due(self) -> bool:
        """Whether `index` builds by itself."""
        return self.images >= PAYS_FROM and self.newer > max(TAIL_IMAGES, TAIL_SHARE * self.images)


def outlook_of(view: View, info: SnapshotInfo | None) -> BuildOutlook:
    """How well ``info`` serves ``view``."""
    sound = info is not None and _is_sound(info)
    covered = info.stop_slot if info is not None and sound else 0
    return BuildOutlook(view.count, int(np.count_nonzero(view.live_slots >= covered)), sound)


def build_snapshot(
    store: Store, progress: Progress, stop: Callable[[], bool] = lambda: False, *, wait_s: float = WAIT_S
) -> SnapshotInfo:
    """Build and publish a snapshot of the library as it is now. Searches and writers continue meanwhile; the writer
    lock is held only to publish. If the build is killed or fails, the old snapshot stays.

    Raises LibraryUnsupported without faiss, StorageFull, LibraryBusy, BuildStopped."""
    from imgsearch.index.construction import KIND, build_first_stage, require_faiss

    require_faiss()
    view = store.view()
    if not view.count:
        raise ValueError("got a library without pictures, expected at least one")
    # Including deleted images: their files may come back, and no search looks for old slots outside the snapshot.
    slots = np.sort(np.concatenate([view.live_slots, view.dead_slots]))
    progress("reading", 0, len(slots))

    def advance(images: int, total: int) -> None:
        progress("reading", images, total)
        if stop():
            raise BuildStopped

    try:
        with draft_snapshot(store) as draft:
            built = build_first_stage(_ReadOnce(view), slots, draft.write, advance)
            seal = Seal(
                kind=KIND,
                model=model_key(store.model),
                query_tokens=view.query_tokens,
                dims=view.dims,
                first_slot=0,
                stop_slot=view.slots,
                images=view.count,
                generation=view.generation,
                body_bytes=draft.body_bytes,
                checksum=draft.checksum,
                guarded_bytes=built.guarded_bytes,
                guarded_checksum=draft.checksum_of_beginning(built.guarded_bytes),
            )
            draft.seal(seal)
            return publish_snapshot(store, draft, seal, wait_s=wait_s)
    finally:
        progress.close()


def refresh_snapshot(store: Store, progress: Progress, stop: Callable[[], bool]) -> str | None:
    """Build if it pays (``BuildOutlook.due``), and the columns of the filters, as `index` does at its end. Returns a
    sentence for the person, or None."""
    refresh_columns(store, progress)
    if is_model_free(store.model):
        return None
    view = store.view()
    if view.count < PAYS_FROM:
        return None
    outlook = outlook_of(view, latest_snapshot(store))
    if not outlook.due:
        return None
    if find_spec("faiss") is None:
        return "Every search compares every picture; pip install 'imgsearch[cpu]' and `imgsearch build` make it faster"
    progress.say(f"{counted_are(outlook.newer, 'picture')} new to the search index: building it anew.")
    del view
    try:
        info = build_snapshot(store, progress, stop)
    except BuildStopped:
        return "The search index was not finished; `imgsearch build` does it (search works meanwhile)"
    return f"The search index holds {counted(info.images, 'picture')}"


def _is_sound(info: SnapshotInfo) -> bool:
    from imgsearch.errors import LibraryError

    try:
        read_seal(info)
    except LibraryError:
        return False
    return True
