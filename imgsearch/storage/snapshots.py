"""Snapshots: files that speed up a search, published so that a reader sees either the old one or the new one whole.
The index room defines the body; this room defines its seal (docs/formats.md)."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from imgsearch.errors import LibraryError, LibraryUnsupported, SegmentDamaged
from imgsearch.files import fsync_folder, reached
from imgsearch.records import ModelId
from imgsearch.storage.catalog.database import utc_now
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.storage.store import Store

SNAPSHOT_FORMAT = 1
SNAPSHOT_SUFFIX = ".faiss"
BUILD_HINT = "`imgsearch build` makes a new one; until then every picture is compared, which is slower"
_MAGIC = b"IMGSNAP\n"
_FOOTER = struct.Struct("<8sIII")  # magic, format, bytes of the JSON before it, their crc32
_BUILDING = ".building-"
_FIELDS = "snapshot_id, file_name, kind, first_slot, stop_slot, images, size_bytes, checksum, created_at"


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """One row of the table ``snapshots``: covers the slots from ``first_slot`` to before ``stop_slot``, with ``images``
    live ones among them; ``checksum`` is the crc32 of the body."""

    snapshot_id: int
    path: Path
    kind: str
    first_slot: int
    stop_slot: int
    images: int
    size_bytes: int
    checksum: int
    created_at: str
    model: ModelId  # the library's


@dataclass(frozen=True, slots=True)
class Seal:
    """The description in the last bytes of a snapshot's file. ``guarded_bytes``: the beginning of the body that steers
    a reader (sizes, centroids), checked at every opening. A flipped bit in the rest can cost a candidate, never a
    score, and only ``verify`` reads it."""

    kind: str
    model: str  # ModelId without its name: fingerprint, recipe, dtype
    query_tokens: int
    dims: int
    first_slot: int
    stop_slot: int
    images: int
    generation: int
    body_bytes: int
    checksum: int  # crc32 of the body
    guarded_bytes: int
    guarded_checksum: int


class SnapshotDraft:
    """A snapshot being written: ``write`` the body, then ``publish``. Made by ``draft_snapshot``."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self.path = path
        self.body_bytes = 0
        self.checksum = 0

    def write(self, content: bytes) -> int:
        """Append to the body; returns the bytes taken. Raises StorageFull."""
        with disk_errors(self.path):
            self._file.write(content)
        self.body_bytes += len(content)
        self.checksum = zlib.crc32(content, self.checksum)
        return len(content)

    def seal(self, seal: Seal) -> None:
        """Write the last bytes and make the file durable. Raises StorageFull."""
        text = json.dumps(asdict(seal)).encode("ascii")
        with disk_errors(self.path):
            self._file.write(text + _FOOTER.pack(_MAGIC, SNAPSHOT_FORMAT, len(text), zlib.crc32(text)))
            self._file.flush()
            reached("snapshot-written")
            os.fsync(self._file.fileno())
        reached("snapshot-fsynced")

    def checksum_of_beginning(self, count: int) -> int:
        """The crc32 of the first ``count`` bytes of the body."""
        with disk_errors(self.path):
            self._file.flush()
            with self.path.open("rb") as file:
                return zlib.crc32(file.read(count))


@contextlib.contextmanager
def draft_snapshot(store: Store) -> Iterator[SnapshotDraft]:
    """A temporary file in ``snapshots/``, removed at the end unless it was published. Raises StorageFull."""
    path = store.layout.snapshots / f"{_BUILDING}{os.getpid()}"
    try:
        with disk_errors(path):
            path.parent.mkdir(exist_ok=True)
            file = path.open("wb")
        with contextlib.closing(file):
            yield SnapshotDraft(file, path)
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def publish_snapshot(store: Store, draft: SnapshotDraft, seal: Seal, *, wait_s: float = 0.0) -> SnapshotInfo:
    """Make a sealed draft the library's snapshot: rename, fsync of the folder, then one transaction; old files go last.

    Takes the writer lock for that moment. After a kill at any point the library has the old snapshot or the new one.
    Raises LibraryBusy, StorageFull.
    """
    from sqlalchemy import delete, insert

    from imgsearch.storage.catalog.beside import next_beside_generation
    from imgsearch.storage.catalog.orm_reads import driver
    from imgsearch.storage.catalog.row_writes import next_generation
    from imgsearch.storage.catalog.schema import snapshots
    from imgsearch.storage.writer import writing

    name = f"{seal.stop_slot:012d}-{seal.generation}-{seal.checksum:08x}{SNAPSHOT_SUFFIX}"
    path = draft.path.with_name(name)
    with writing(store, wait_s=wait_s) as writer:
        with disk_errors(path):
            draft.path.replace(path)  # sealed, so its bytes are durable
            reached("snapshot-renamed")
            fsync_folder(path.parent)
        reached("snapshot-named")
        row = {
            "file_name": name,
            "kind": seal.kind,
            "first_slot": seal.first_slot,
            "stop_slot": seal.stop_slot,
            "images": seal.images,
            "size_bytes": path.stat().st_size,
            "checksum": seal.checksum,
            "created_at": utc_now(),
        }
        with writer.catalog.write() as connection:
            side = store.side(driver(connection))
            connection.execute(delete(snapshots).where(snapshots.c.beside == int(side.beside)))
            connection.execute(insert(snapshots).values({**row, "beside": int(side.beside)}))
            if side.beside:
                next_beside_generation(driver(connection))
            else:
                next_generation(connection)
            reached("snapshot-recorded")
        reached("snapshot-committed")
        remove_unnamed(store)
    found = latest_snapshot(store)
    assert found is not None
    return found


def latest_snapshot(store: Store) -> SnapshotInfo | None:
    """The library's snapshot according to the catalog; its file may be gone or damaged."""
    with store.catalog.look() as connection:
        where = f"beside = {int(store.side(connection).beside)}"
        row = connection.execute(
            f"SELECT {_FIELDS} FROM snapshots WHERE {where} ORDER BY snapshot_id DESC LIMIT 1"
        ).fetchone()
    if row is None:
        return None
    snapshot_id, file_name, kind, first, stop, images, size_bytes, checksum, created_at = row
    path = store.layout.snapshots / file_name
    return SnapshotInfo(snapshot_id, path, kind, first, stop, images, size_bytes, checksum, created_at, store.model)


def read_seal(info: SnapshotInfo) -> Seal:
    """The seal of a snapshot's file, after everything that a reader relies on was checked.

    Reads the last bytes and the guarded ones, a few MB, not the rest. Raises SegmentDamaged (missing, cut, changed, of
    another row), LibraryUnsupported (newer format), LibraryError (another model's), each with the hint to build again.
    """
    try:
        with info.path.open("rb") as file:
            seal = _parsed(file, info)
            file.seek(0)
            guarded = file.read(seal.guarded_bytes)
    except FileNotFoundError as exc:
        raise SegmentDamaged(f"the snapshot {info.path.name} is missing", BUILD_HINT) from exc
    except OSError as exc:
        raise SegmentDamaged(f"the snapshot {info.path.name} cannot be read: {exc}", BUILD_HINT) from exc
    model = info.model
    if (seal.model, seal.query_tokens, seal.dims) != (model_key(model), model.query_tokens, model.dims):
        raise LibraryError(f"the snapshot {info.path.name} was made with another model", BUILD_HINT)
    if len(guarded) != seal.guarded_bytes or zlib.crc32(guarded) != seal.guarded_checksum:
        raise SegmentDamaged(f"the snapshot {info.path.name} is damaged: a checksum does not match", BUILD_HINT)
    return seal


def check_body(info: SnapshotInfo, progress: Callable[[int], None] | None = None) -> bool:
    """Whether every byte of the body is the one that was written; reads all of it. Raises OSError."""
    checksum, left = 0, info.size_bytes
    with info.path.open("rb") as file:
        left = _parsed(file, info).body_bytes
        file.seek(0)
        while left and (content := file.read(min(left, 8 << 20))):
            checksum, left = zlib.crc32(content, checksum), left - len(content)
            if progress is not None:
                progress(len(content))
    return checksum == info.checksum and not left


def model_key(model: ModelId) -> str:
    """The part of a model's id that must agree beside T and D; the name may differ."""
    return f"{model.fingerprint}/{model.recipe}/{model.dtype}"


def _parsed(file: IO[bytes], info: SnapshotInfo) -> Seal:
    damaged = SegmentDamaged(f"the snapshot {info.path.name} is damaged or cut short", BUILD_HINT)
    size = os.fstat(file.fileno()).st_size
    if size != info.size_bytes or size < _FOOTER.size:
        raise damaged
    file.seek(size - _FOOTER.size)
    magic, version, length, checksum = _FOOTER.unpack(file.read(_FOOTER.size))
    if magic != _MAGIC or length > size - _FOOTER.size:
        raise damaged
    if version > SNAPSHOT_FORMAT:
        raise LibraryUnsupported(
            f"the snapshot {info.path.name} has format {version}, this program reads up to {SNAPSHOT_FORMAT}",
            BUILD_HINT,
        )
    file.seek(size - _FOOTER.size - length)
    text = file.read(length)
    if zlib.crc32(text) != checksum:
        raise damaged
    seal = _seal_of(json.loads(text))
    agreed = (seal.checksum, seal.first_slot, seal.stop_slot) == (info.checksum, info.first_slot, info.stop_slot)
    if not agreed or seal.body_bytes + length + _FOOTER.size != size or seal.guarded_bytes > seal.body_bytes:
        raise damaged
    return seal


def _seal_of(values: dict[str, Any]) -> Seal:
    """Ignores unknown names, because a later program may add some in the same format."""
    return Seal(**{field.name: values[field.name] for field in fields(Seal)})


def remove_unnamed(store: Store) -> None:
    """Remove earlier snapshots and leftovers of killed builds; a reader keeps its map of an unlinked file. The caller
    holds the writer lock."""
    with store.catalog.look() as connection:
        named = {row[0] for row in connection.execute("SELECT file_name FROM snapshots")}
    for path in store.layout.snapshots.iterdir():
        stale = path.name.startswith(_BUILDING) and not is_alive(path.name.removeprefix(_BUILDING))
        if path.name not in named and (path.suffix == SNAPSHOT_SUFFIX or stale):
            with contextlib.suppress(OSError):
                path.unlink()
    reached("snapshot-unlinked")


def is_alive(pid: str) -> bool:
    """Whether a process of that number, in decimal, runs."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:
        return True
    return True
