"""An open library on disk: the readers' side. The writers' side is in `imgsearch.storage.writer`.

The reads of a search go through `sqlite_reads`; the others import SQLAlchemy when they are called.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from imgsearch.errors import ModelMismatch, SegmentDamaged
from imgsearch.records import Event, Failure, ImageRecord, Int64, ModelId, Root, UInt8, is_model_free
from imgsearch.storage.catalog import beside, inventory
from imgsearch.storage.catalog import sqlite_reads as lookups
from imgsearch.storage.catalog.beside import Side
from imgsearch.storage.catalog.dialects import SqlConnection
from imgsearch.storage.catalog.dialects.contract import CatalogAccess
from imgsearch.storage.catalog.inventory import HeldFile, Inventory
from imgsearch.storage.filtered_reads import FilteredReads
from imgsearch.storage.layout import LibraryLayout
from imgsearch.storage.vectors.segments import DAMAGE_HINT, VectorShape, map_segment
from imgsearch.storage.view import View
from imgsearch.wording import one_line

if TYPE_CHECKING:
    from imgsearch.storage.batch import FailedFile, FileState
    from imgsearch.storage.catalog.stats import Stats
    from imgsearch.storage.evidence.store import EvidenceStore

T = TypeVar("T")
_VIEW_ATTEMPTS = 10
_FOLDERS_NAMED = 3  # in the hint of an error


class Store(FilteredReads):
    """All reads of a library; from any thread, while another process writes.

    Made by ``open_store`` and ``create_store``. Errors of every method: CatalogDamaged, StorageFull. The vectors are
    those of ``model``, whether they are the library's own or, before or after a switch, lie beside them.
    """

    def __init__(self, layout: LibraryLayout, catalog: CatalogAccess, model: ModelId, dtype: str) -> None:
        self.layout = layout
        self.catalog = catalog
        self.model = model
        self.dtype = dtype

    @property
    def path(self) -> Path:
        return self.layout.folder

    @property
    def shape(self) -> VectorShape:
        return VectorShape(self.dtype, self.model.query_tokens, self.model.dims)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the catalog's connections; views keep working."""
        self.catalog.close()

    def require_model(self, model: ModelId) -> None:
        """Raise ModelMismatch unless vectors of ``model`` may stand beside those in the library. The name may
        differ (one checkpoint has many paths), nothing else."""
        if not is_model_free(model):
            self.require_vectors()
        fields = [
            name
            for name in ("fingerprint", "recipe", "dtype", "query_tokens", "dims")
            if getattr(model, name) != getattr(self.model, name)
        ]
        if fields:
            differing = [f"{name} {getattr(model, name)}, library {getattr(self.model, name)}" for name in fields]
            named, asked = "--model", f"--model {model.name}"
            if fields == ["dtype"]:
                named, asked = "--dtype", f"{asked} --dtype {model.dtype.split('-')[0]}"
            raise ModelMismatch(
                f"the library {self.path} belongs to the model {self.model.name!r}; got {model.name!r} "
                f"({'; '.join(differing)})",
                f"leave {named} out to use the library's own model; other vectors are made beside its own by "
                f"`imgsearch index {asked} --beside`, in another library by --library OTHER FOLDER",
            )

    def require_vectors(self) -> None:
        """Raise ModelMismatch if the library was made without a model (`records.is_model_free`)."""
        if is_model_free(self.model):
            folders = [shlex.quote(one_line(str(root.path))) for root in self.roots()]
            named = " ".join(folders[:_FOLDERS_NAMED]) + (" ..." if len(folders) > _FOLDERS_NAMED else "")
            raise ModelMismatch(
                f"the library {self.path} was made without a model: copies can be found in it, but it holds no vectors "
                "to search by",
                f"read the pictures into a library with a model: imgsearch index {named or 'FOLDER'} --library OTHER",
            )

    def generation(self) -> int:
        """A number that changes with every commit that can change a search."""
        with self.catalog.look() as connection:
            side = beside.side_of(connection, self.model)
            return lookups.generation(connection) if side is None else side.generation

    def side(self, connection: SqlConnection) -> Side:
        """Whether the store's vectors are the library's own now. Raises ModelMismatch if they are gone."""
        side = beside.side_of(connection, self.model)
        if side is None:
            raise ModelMismatch(
                f"the library {self.path} was switched to another model; its vectors of {self.model.name!r} are gone",
                "run the same command again, without --model",
            )
        return side

    def view(self) -> View:
        """The library as it is now, for searching. 0.7 s a million images. Raises SegmentDamaged, ModelMismatch."""
        for attempt in range(_VIEW_ATTEMPTS):
            with self.catalog.look() as connection:
                side = self.side(connection)
                generation = side.generation
                infos = lookups.segment_rows(connection, side.beside)
                live = lookups.live_rows(connection, side.beside)
                dead = lookups.dead_slots(connection, side.beside)
            try:
                maps = [(info, map_segment(self.layout.segments, self.shape, info)) for info in infos]
            except FileNotFoundError as exc:  # a compaction published and unlinked in between: try again
                if attempt + 1 == _VIEW_ATTEMPTS or self.generation() == generation:
                    raise SegmentDamaged(f"{exc.filename} is missing, but the catalog names it", DAMAGE_HINT) from exc
                continue
            return View(generation, self.shape, maps, live, dead, self.generation)
        raise AssertionError("unreachable")

    def roots(self) -> list[Root]:
        """Every root by id, each at its present place (see sqlite_reads.resolved_roots)."""
        with self.catalog.look() as connection:
            return lookups.resolved_roots(connection, self.path)

    def paths(self, image_ids: Iterable[int]) -> dict[int, Path]:
        """The best file of each image: first files of online roots, then by root id, then by path."""
        return {image_id: found[0] for image_id, found in self.all_paths(image_ids).items()}

    def all_paths(self, image_ids: Iterable[int]) -> dict[int, list[Path]]:
        """Every file of each image, the best first; images without a file are absent."""
        found: dict[int, list[Path]] = {}
        with self.catalog.look() as connection:
            folders = {root.root_id: root.path for root in lookups.resolved_roots(connection, self.path)}
            for image_id, root_id, relative in lookups.places_of(connection, image_ids):
                found.setdefault(image_id, []).append(place_path(folders[root_id], relative))
        return found

    def images(self, image_ids: Iterable[int]) -> dict[int, ImageRecord]:
        """Records by image id; absent ids are absent."""
        with self.catalog.look() as connection:
            return lookups.images_by_id(connection, image_ids)

    def inventory(self) -> Inventory:
        """Every live image as a few numbers, by ascending id; 2 s and 40 MB a million."""
        with self.catalog.look() as connection:
            return inventory.read_inventory(connection)

    def signatures(self, image_ids: Int64) -> tuple[NDArray[np.bool_], UInt8]:
        """(found bool [n], signatures uint8 [n, 1536]); see `inventory.read_signatures`."""
        with self.catalog.look() as connection:
            return inventory.read_signatures(connection, image_ids)

    def unsigned(self, image_ids: Int64) -> Int64:
        """Those of ``image_ids`` that have no signature, ascending."""
        with self.catalog.look() as connection:
            return inventory.read_unsigned(connection, image_ids)

    def image_of(self, content_hash: str) -> int | None:
        """The live image of that content (sha256, hex), if there is one."""
        with self.catalog.look() as connection:
            return inventory.read_image_of(connection, content_hash)

    def copies(self, image_ids: Iterable[int]) -> dict[int, list[HeldFile]]:
        """Every file of each image with its facts, the best first; images without a file are absent."""
        with self.catalog.look() as connection:
            return inventory.read_files(connection, self.path, image_ids)

    def images_with_several_files(self) -> Iterator[int]:
        """Ids, ascending, of the images that more than one file holds, a page at a time."""
        last = 0
        while page := self._several_after(last):
            yield from page
            last = page[-1]

    def evidence(self) -> EvidenceStore:
        """Opens the evidence of dedup; makes it if it does not exist. The caller closes it."""
        from imgsearch.storage.evidence.store import EvidenceStore

        return EvidenceStore(self.layout.dedup)

    def calibration(self) -> str | None:
        """The JSON of the library's own calibration; None if it has none."""
        with self.catalog.look() as connection:
            in_use = not self.side(connection).beside
            return lookups.calibration(connection) if in_use else beside.beside_calibration(connection)

    def iter_images(self, after: int = 0) -> Iterator[ImageRecord]:
        """Every live image by id, behind the id ``after``, a page at a time."""
        last = after
        while page := self._images_after(last):
            yield from page
            last = page[-1].image_id

    def known_contents(self, content_hashes: Iterable[str]) -> dict[str, int]:
        """Content hash -> image id for contents whose vectors the library has, including deleted images."""
        from imgsearch.storage.catalog import orm_reads as queries

        if not (wanted := list(content_hashes)):
            return {}
        with self.catalog.read() as connection:
            return queries.ids_by_hash(connection, wanted)

    def files(self, root_id: int, after: str | None = None) -> Iterator[FileState]:
        """A root's files, ordered by the bytes of the whole relative path, a page at a time, so that commits in
        between are fine."""
        from imgsearch.storage.catalog import orm_reads as queries

        last = None if after is None else os.fsencode(after)
        while True:
            with self.catalog.read() as connection:
                page = queries.states_after(connection, root_id, last)
            if not page:
                return
            yield from page
            last = os.fsencode(page[-1].relative_path)

    def files_at(self, root_id: int, relative_paths: Iterable[str]) -> dict[str, FileState]:
        """The file rows at these places."""
        from imgsearch.storage.catalog import orm_reads as queries

        with self.catalog.read() as connection:
            return queries.states_at(connection, root_id, relative_paths)

    def failures(self, root_id: int | None = None) -> Iterator[Failure]:
        """Files that could not be indexed, by root and path, a page at a time."""
        folders = {root.root_id: root.path for root in self.roots()}
        for entry in self._failed(root_id):
            path = place_path(folders[entry.root_id], entry.relative_path)
            yield Failure(str(path), entry.stage, entry.reason, bool(entry.transient), entry.size_bytes, entry.mtime_ns)

    def failed_files(self, root_id: int) -> dict[str, FailedFile]:
        """A root's failures by relative path."""
        return {entry.relative_path: entry for entry in self._failed(root_id)}

    def events(self, after_id: int = 0, limit: int = 1000) -> list[Event]:
        """The next events behind ``after_id``, oldest first."""
        from sqlalchemy import select

        from imgsearch.storage.catalog import schema

        table = schema.events
        statement = select(table).where(table.c.event_id > after_id).order_by(table.c.event_id).limit(limit)
        with self.catalog.read() as connection:
            return [
                Event(row.event_id, row.at, row.kind, json.loads(row.data)) for row in connection.execute(statement)
            ]

    def stats(self) -> Stats:
        """Counts and sizes."""
        from imgsearch.storage.catalog.stats import read_stats

        return read_stats(self.layout, self.catalog)

    def _images_after(self, image_id: int) -> list[ImageRecord]:
        with self.catalog.look() as connection:
            return lookups.images_after(connection, image_id)

    def _several_after(self, image_id: int) -> list[int]:
        with self.catalog.look() as connection:
            return inventory.several_files_after(connection, image_id)

    def _failed(self, root_id: int | None) -> Iterator[FailedFile]:
        from imgsearch.storage.catalog import orm_reads as queries

        last: tuple[int, bytes] | None = None
        while True:
            with self.catalog.read() as connection:
                page = queries.failed_after(connection, root_id, last)
            if not page:
                return
            yield from page
            last = (page[-1].root_id, os.fsencode(page[-1].relative_path))


def place_path(root: Path, relative_path: str) -> Path:
    """The path of a file; the root itself for a single-file root."""
    return root / relative_path if relative_path else root
