"""The index that suits a library as it is now."""

from __future__ import annotations

from importlib.util import find_spec

from imgsearch.errors import LibraryError
from imgsearch.index import first_stage
from imgsearch.index.contract import CandidateIndex
from imgsearch.index.exact import ExactIndex
from imgsearch.index.snapshot_index import SnapshotIndex
from imgsearch.storage.snapshots import BUILD_HINT, SnapshotInfo, read_seal
from imgsearch.storage.view import View

_with_snapshot = SnapshotIndex


def open_index(view: View, snapshot: SnapshotInfo | None) -> tuple[CandidateIndex, str | None]:
    """(index, a sentence for the person or None). With a sound snapshot the index uses it; without one, or where faiss
    is not installed, it compares every picture. A snapshot that is missing, damaged, another model's or of a newer
    program costs speed and a sentence that says how to mend it, never an answer and never an error.

    Cost with a snapshot: the guarded beginning of its file, about 5 MB a million images; the rest is mapped."""
    exact = ExactIndex(view, view.tie_keys())
    if snapshot is None:
        return exact, None
    if find_spec("faiss") is None:
        return exact, "every picture was compared, since faiss is not installed: pip install 'imgsearch[cpu]'"
    try:
        stage = first_stage.FaissFirstStage(snapshot.path, read_seal(snapshot).stop_slot)
    except LibraryError as error:
        return exact, f"{error.message}; {error.hint}"
    except (RuntimeError, ImportError, OSError) as error:  # faiss: not its file, too old, a broken installation
        return exact, f"the snapshot {snapshot.path.name} cannot be opened ({type(error).__name__}); {BUILD_HINT}"
    return _with_snapshot(view, stage, view.tie_keys(), view.live_mask()), None
