"""Chooses the index for a library as it is now."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from imgsearch.errors import LibraryError
from imgsearch.index import first_stage
from imgsearch.index.contract import CandidateIndex
from imgsearch.index.exact import ExactIndex
from imgsearch.index.snapshot_index import SnapshotIndex
from imgsearch.storage import Store
from imgsearch.storage.snapshots import BUILD_HINT, SnapshotInfo, latest_snapshot, read_seal
from imgsearch.storage.view import View

IndexOpener = Callable[[Store, View], tuple[CandidateIndex, str | None]]
"""Opens the index of a library as of a view, see `open_index`. An index with a ``note`` of its own says in it what
happened in its last search."""

_with_snapshot = SnapshotIndex


def open_index(view: View, snapshot: SnapshotInfo | None) -> tuple[CandidateIndex, str | None]:
    """(index, a sentence for the person or None). The index uses the snapshot if it is sound. Without a snapshot or
    without faiss it compares every image. A snapshot that is missing, damaged, from another model or from a newer
    program makes searches slower and gives a sentence that says how to mend it, but changes no answer and raises
    nothing. Cost with a snapshot: reading the guarded beginning of its file, about 5 MB for a million images; the rest
    is mapped."""
    exact = ExactIndex(view, view.tie_keys())
    if snapshot is None:
        return exact, None
    if find_spec("faiss") is None:
        return exact, "every picture was compared, since faiss is not installed: pip install 'imgsearch[cpu]'"
    try:
        stage = first_stage.FaissFirstStage(snapshot.path, read_seal(snapshot).stop_slot)
    except LibraryError as error:
        return exact, f"{error.message}; {error.hint}"
    except (RuntimeError, ImportError, OSError) as error:  # not a faiss file, a faiss too old, a broken installation
        return exact, f"the snapshot {snapshot.path.name} cannot be opened ({type(error).__name__}); {BUILD_HINT}"
    return _with_snapshot(view, stage, view.tie_keys(), view.live_mask()), None


def open_at_home(store: Store, view: View) -> tuple[CandidateIndex, str | None]:
    """`open_index` with the library's own snapshot: the `IndexOpener` of a library that no server helps."""
    return open_index(view, latest_snapshot(store))
