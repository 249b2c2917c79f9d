"""A library on disk, opened: the readers' side, and the door to the writer."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from imgsearch.errors import LibraryMissing, LibraryUnsupported, ModelMismatch, SegmentDamaged
from imgsearch.records import Event, Failure, Filters, ImageRecord, Int64, ModelId, Root
from imgsearch.storage import queries, schema
from imgsearch.storage.batch import FailedFile, FileState
from imgsearch.storage.catalog import Catalog, check_revision, utc_now
from imgsearch.storage.faults import reached
from imgsearch.storage.filters import matching_image_ids
from imgsearch.storage.layout import LibraryLayout, refuse_network_file_system
from imgsearch.storage.lock import writer_lock
from imgsearch.storage.schema import FORMAT_VERSION, HEAD
from imgsearch.storage.segments import DAMAGE_HINT, VectorShape, map_segment
from imgsearch.storage.stats import Stats, read_stats
from imgsearch.storage.view import View

if TYPE_CHECKING:
    from imgsearch.storage.writer import Writer

_VIEW_ATTEMPTS = 10
_CREATE_WAIT_S = 30.0


class Store:
    """Everything that is read from a library; from any thread, while another process writes.

    Made by ``open_store`` and ``create_store``. Errors of every method: CatalogDamaged, StorageFull.
    """

    def __init__(self, layout: LibraryLayout, catalog: Catalog, model: ModelId, dtype: str) -> None:
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the catalog's connections; views go on working."""
        self.catalog.close()

    def require_model(self, model: ModelId) -> None:
        """Raise ModelMismatch unless vectors of ``model`` may stand beside those in the library. The name may
        differ (one checkpoint has many paths), nothing else."""
        differing = [
            f"{name} {getattr(model, name)}, library {getattr(self.model, name)}"
            for name in ("fingerprint", "recipe", "dtype", "query_tokens", "dims")
            if getattr(model, name) != getattr(self.model, name)
        ]
        if differing:
            raise ModelMismatch(
                f"the library {self.path} belongs to the model {self.model.name!r}; got {model.name!r} "
                f"({'; '.join(differing)})",
                f"leave --model out to use the library's own model, or index again beside it: "
                f"imgsearch index --model {model.name} --library OTHER FOLDER",
            )

    def generation(self) -> int:
        """A number that grows with every commit that can change a search."""
        with self.catalog.read() as connection:
            return queries.generation(connection)

    def view(self) -> View:
        """The library as it is now, for searching. 0.7 s a million images. Raises SegmentDamaged."""
        for attempt in range(_VIEW_ATTEMPTS):
            with self.catalog.read() as connection:
                generation = queries.generation(connection)
                infos = queries.segment_rows(connection)
                live = queries.live_rows(connection)
            try:
                maps = [(info, map_segment(self.layout.segments, self.shape, info)) for info in infos]
            except FileNotFoundError as exc:  # a compaction published and unlinked in between: look again
                if attempt + 1 == _VIEW_ATTEMPTS or self.generation() == generation:
                    raise SegmentDamaged(f"{exc.filename} is missing, but the catalog names it", DAMAGE_HINT) from exc
                continue
            return View(generation, self.shape, maps, live, self.generation)
        raise AssertionError("unreachable")

    def roots(self) -> list[Root]:
        """Every root by id, each where it is now (see queries.resolved_roots)."""
        with self.catalog.read() as connection:
            return queries.resolved_roots(connection, self.path)

    def paths(self, image_ids: Iterable[int]) -> dict[int, Path]:
        """The best file of each image: of a root that is online first, then by root id, then by path."""
        return {image_id: found[0] for image_id, found in self.all_paths(image_ids).items()}

    def all_paths(self, image_ids: Iterable[int]) -> dict[int, list[Path]]:
        """Every file of each image, the best first; images without a file are absent."""
        found: dict[int, list[Path]] = {}
        with self.catalog.read() as connection:
            folders = {root.root_id: root.path for root in queries.resolved_roots(connection, self.path)}
            for image_id, root_id, relative in queries.places_of(connection, image_ids):
                found.setdefault(image_id, []).append(place_path(folders[root_id], relative))
        return found

    def images(self, image_ids: Iterable[int]) -> dict[int, ImageRecord]:
        """Records by image id; absent ids are absent."""
        with self.catalog.read() as connection:
            return queries.images_by_id(connection, image_ids)

    def matching_images(self, filters: Filters) -> Int64:
        """Ids, ascending, of the live images that fit; see `filters.matching_image_ids`."""
        with self.catalog.read() as connection:
            roots = queries.resolved_roots(connection, self.path)
            return matching_image_ids(connection, filters, roots)

    def iter_images(self) -> Iterator[ImageRecord]:
        """Every live image by id, a page at a time."""
        last = 0
        while page := self._images_after(last):
            yield from page
            last = page[-1].image_id

    def known_contents(self, content_hashes: Iterable[str]) -> dict[str, int]:
        """Content hash -> image id of what the library has vectors of, deleted images too."""
        with self.catalog.read() as connection:
            return queries.ids_by_hash(connection, content_hashes)

    def files(self, root_id: int, after: str | None = None) -> Iterator[FileState]:
        """A root's files, ordered by the bytes of the whole relative path, a page at a time, so that commits in
        between are fine."""
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
        table = schema.events
        statement = select(table).where(table.c.event_id > after_id).order_by(table.c.event_id).limit(limit)
        with self.catalog.read() as connection:
            return [
                Event(row.event_id, row.at, row.kind, json.loads(row.data)) for row in connection.execute(statement)
            ]

    def stats(self) -> Stats:
        """Counts and sizes."""
        return read_stats(self.layout, self.catalog)

    @contextlib.contextmanager
    def writing(self, *, wait_s: float = 0.0) -> Iterator[Writer]:
        """Hold the writer lock, and mend what a killed writer left. Raises LibraryBusy, SegmentDamaged."""
        from imgsearch.storage.writer import Writer  # the writer needs Store

        with writer_lock(self.layout.lock, wait_s=wait_s):
            writer = Writer(self)
            try:
                writer.recover()
                yield writer
            finally:
                writer.segments.close()

    def _images_after(self, image_id: int) -> list[ImageRecord]:
        with self.catalog.read() as connection:
            return queries.images_after(connection, image_id)

    def _failed(self, root_id: int | None) -> Iterator[FailedFile]:
        last: tuple[int, bytes] | None = None
        while True:
            with self.catalog.read() as connection:
                page = queries.failed_after(connection, root_id, last)
            if not page:
                return
            yield from page
            last = (page[-1].root_id, os.fsencode(page[-1].relative_path))


def place_path(root: Path, relative_path: str) -> Path:
    """Where a file is; the root itself for a single-file root."""
    return root / relative_path if relative_path else root


def library_exists(path: Path) -> bool:
    """True if ``path`` holds a catalog, finished or not."""
    return LibraryLayout(path).catalog.is_file()


def open_store(path: Path) -> Store:
    """Open the library in the folder ``path``. A schema of an older program is migrated, under the writer lock.

    Raises LibraryMissing, LibraryUnsupported (newer program, network file system), LibraryBusy (only to migrate).
    """
    layout = LibraryLayout(Path(os.path.realpath(path)))
    if not layout.catalog.is_file():
        raise LibraryMissing(
            f"there is no library in {path}",
            "make one with `imgsearch index FOLDER`, or name another with --library DIR",
        )
    refuse_network_file_system(layout.folder)
    catalog = Catalog(layout.catalog)
    try:
        return _open(layout, catalog)
    except BaseException:
        catalog.close()
        raise


def create_store(path: Path, model: ModelId, *, dtype: str = "float16") -> Store:
    """Make a library for ``model`` in the folder ``path``, or open the one that is there.

    ``dtype``: how vectors are stored, "float16", "float32" or "int8"; an existing library keeps its own.
    Raises ModelMismatch for a library of another model, LibraryUnsupported, SegmentDamaged (vectors without
    a catalog), StorageFull.
    """
    VectorShape(dtype, model.query_tokens, model.dims)
    layout = LibraryLayout(Path(os.path.realpath(path)))
    refuse_network_file_system(layout.folder)
    if not layout.catalog.is_file() or _unfinished(layout):
        layout.make_folders()
        with writer_lock(layout.lock, wait_s=_CREATE_WAIT_S):
            _create(layout, model, dtype)
    store = open_store(layout.folder)
    try:
        store.require_model(model)
    except ModelMismatch:
        store.close()
        raise
    return store


def _unfinished(layout: LibraryLayout) -> bool:
    with contextlib.closing(Catalog(layout.catalog)) as catalog:
        return catalog.revision() is None


def _create(layout: LibraryLayout, model: ModelId, dtype: str) -> None:
    layout.refuse_lost_catalog()
    with contextlib.closing(Catalog(layout.catalog, create=True)) as catalog:
        catalog.make_wal()
        if catalog.revision() is not None:
            return  # another process was faster
        with catalog.write() as connection:
            catalog.migrate(connection)
            reached("library-migrated")
            row = {
                "id": 1,
                "format_version": FORMAT_VERSION,
                "created_at": utc_now(),
                "model_name": model.name,
                "model_fingerprint": model.fingerprint,
                "model_recipe": model.recipe,
                "model_dtype": model.dtype,
                "query_tokens": model.query_tokens,
                "dims": model.dims,
                "vector_dtype": dtype,
                "next_slot": 0,
                "generation": 0,
            }
            connection.execute(insert(schema.library).values(row))


def _open(layout: LibraryLayout, catalog: Catalog) -> Store:
    revision = catalog.revision()
    check_revision(revision, layout.folder)
    if revision != HEAD:
        with writer_lock(layout.lock), catalog.write() as connection:
            catalog.migrate(connection)
    with catalog.read() as connection:
        row = queries.library_row(connection)
    if row is None:
        raise LibraryMissing(f"{layout.folder} holds no finished library", "make one with `imgsearch index FOLDER`")
    if row.format_version > FORMAT_VERSION:
        raise LibraryUnsupported(
            f"the library {layout.folder} has format {row.format_version}, this program reads up to {FORMAT_VERSION}",
            "install a newer imgsearch, or name another library with --library DIR",
        )
    return Store(layout, catalog, queries.model_of(row), row.vector_dtype)
