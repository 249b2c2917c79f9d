"""The paths in a library's folder, and checks that its disk can hold a library."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from imgsearch.errors import LibraryUnsupported, SegmentDamaged, StorageFull, UsageError
from imgsearch.files import fsync_folder, reached
from imgsearch.storage.disk_errors import disk_errors

ALLOW_NETWORK = "IMGSEARCH_ALLOW_NETWORK"
SEGMENT_SUFFIX = ".vec"

_NETWORK_TYPES = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "lustre", "afs", "ncpfs", "glusterfs"}
_NETWORK_TYPES |= {"gpfs", "beegfs"}
_NETWORK_FUSE = {"sshfs", "s3fs", "rclone", "gcsfuse", "goofys", "glusterfs", "davfs", "davfs2", "curlftpfs", "ceph"}
_NETWORK_FUSE |= {"smbnetfs", "mount-s3", "mountpoint-s3", "juicefs", "gvfsd-fuse", "httpfs", "blobfuse", "blobfuse2"}


@dataclass(frozen=True, slots=True)
class LibraryLayout:
    """The paths of one library's folder; only ``make_folders`` touches the disk."""

    folder: Path

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog.db"

    @property
    def remembered(self) -> Path:
        """Where the catalog is, if it is in a database elsewhere."""
        return self.folder / "catalog.json"

    @property
    def moving(self) -> Path:
        """Where a move of the catalog that is not finished puts it."""
        return self.folder / "catalog.move.json"

    @property
    def segments(self) -> Path:
        return self.folder / "segments"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def features(self) -> Path:
        return self.folder / "features"

    @property
    def thumbs(self) -> Path:
        return self.folder / "thumbs"

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine"

    @property
    def originals(self) -> Path:
        """Of files that got other bytes, as a quarantine of its own."""
        return self.folder / "originals"

    @property
    def dedup(self) -> Path:
        return self.folder / "dedup"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    def run_lock(self, verb: str) -> Path:
        """Held by the one long run of ``verb``; see `imgsearch.storage.single_runs`."""
        return self.folder / f"{verb}.lock"

    def make_folders(self) -> None:
        """Create the folder and its parts, and fsync them. Raises UsageError (a file is there),
        StorageFull, LibraryUnsupported."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(
                f"{self.folder} is a file, expected a folder for the library",
                "choose another one with --library DIR",
            )
        try:
            with disk_errors(self.folder):
                for part in (self.segments, self.snapshots, self.features, self.thumbs, self.quarantine):
                    part.mkdir(parents=True, exist_ok=True)
                fsync_folder(self.folder)
        except (NotADirectoryError, FileExistsError) as exc:
            raise LibraryUnsupported(
                f"{exc.filename} is a file or lies below one, expected a folder for the library",
                "choose another one with --library DIR",
            ) from exc
        reached("library-folders")

    def require_writable(self, hint: str) -> None:
        """Raise StorageFull if this user, or the disk, accepts no new file in the folder."""
        if not os.access(self.folder, os.W_OK):
            raise StorageFull(f"the library {self.folder} cannot be written", hint)

    def refuse_lost_catalog(self) -> None:
        """Raises if there are segments without a catalog: they are somebody's vectors, so never build a new library
        over them."""
        if not self.catalog.exists() and any(self.segments.glob("*" + SEGMENT_SUFFIX)):
            lost = f"{self.catalog} is missing"
            if self.remembered.exists():
                lost = f"the database that {self.remembered.name} names holds no library"
            raise SegmentDamaged(
                f"{self.segments} holds vectors, but {lost}",
                f"put the catalog back from a backup, or move {self.folder} away and index again",
            )


def refuse_network_file_system(folder: Path) -> None:
    """Raise LibraryUnsupported if SQLite's WAL would be unsafe: its shared memory does not reach other machines.

    Reads /proc/self/mountinfo; if that does not exist (not Linux), nothing is refused. The environment
    variable IMGSEARCH_ALLOW_NETWORK=1 switches the refusal off.
    """
    if os.environ.get(ALLOW_NETWORK, "") not in ("", "0"):
        return
    kind = file_system_type(folder)
    network_fuse = kind.startswith("fuse.") and kind.removeprefix("fuse.") in _NETWORK_FUSE
    if kind in _NETWORK_TYPES or network_fuse:
        raise LibraryUnsupported(
            f"{folder} is on a network file system ({kind}), where a library can be damaged; expected a local disk",
            "choose a local folder with --library DIR (the pictures may stay where they are), "
            f"or set {ALLOW_NETWORK}=1 if only this computer ever opens the library",
        )


def file_system_type(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> str:
    """The type of the mount that holds ``path`` (or its nearest existing parent); '' if it is unknown."""
    try:
        lines = mountinfo.read_bytes().splitlines()
    except OSError:
        return ""
    target = os.fsencode(os.path.realpath(path)) + b"/"
    best, kind = b"", ""
    for line in lines:
        before, separator, after = line.partition(b" - ")
        fields = before.split(b" ")
        if not separator or len(fields) < 5:
            continue
        mount = _unescape(fields[4]).rstrip(b"/") + b"/"
        if target.startswith(mount) and len(mount) >= len(best):  # of two on one point the later one is on top
            best, kind = mount, after.split(b" ")[0].decode("ascii", "replace")
    return kind


def _unescape(field: bytes) -> bytes:
    """mountinfo writes space, tab, newline and backslash as three octal digits (man 5 proc)."""
    for octal in (b"040", b"011", b"012", b"134"):
        field = field.replace(b"\\" + octal, bytes([int(octal, 8)]))
    return field
