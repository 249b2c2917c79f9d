"""How far a merge has come, so that one that was killed goes on instead of beginning anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from imgsearch.files import fsync_folder, write_whole
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.upkeep.merging import CopyStanding
from indexer.jobs.library.record import catalog_digest

_NAME = "merging.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class MergeStanding:
    """``merging.json`` in the unfinished library. ``libraries``: each source and the sha256 of its catalog; of the
    first ``whole`` all is here, of the next what ``within`` says; ``images`` were gone through in all of them."""

    libraries: list[list[str]]
    whole: int = 0
    within: CopyStanding = field(default_factory=CopyStanding)
    images: int = 0

    @classmethod
    def of(cls, places: Sequence[Path]) -> MergeStanding:
        """Of a merge of these libraries that was not begun. Reads their catalogs: a second for each GB."""
        return cls([[str(place), catalog_digest(place)] for place in places])

    def left_in(self, made: Path) -> MergeStanding | None:
        """What an earlier run left in ``made``, if it merged these libraries as they are now. A catalog that is no
        file (PostgreSQL) tells nothing of changes."""
        try:
            data = json.loads((made / _NAME).read_bytes())
            if data.pop("format") != _FORMAT:
                return None
            left = MergeStanding(**{**data, "within": CopyStanding(**data["within"])})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return left if left.libraries == self.libraries and all(digest for _, digest in left.libraries) else None

    def write(self, made: Path) -> None:
        """Raises StorageFull."""
        path = made / _NAME
        with disk_errors(path):
            write_whole(path, json.dumps({"format": _FORMAT, **asdict(self)}).encode("ascii"))

    @staticmethod
    def forget(made: Path) -> None:
        """The library is finished."""
        with disk_errors(made):
            (made / _NAME).unlink()
            fsync_folder(made)
