"""Files by open folder and name, so that no symbolic link is followed and no existing name is ever overwritten."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 1 << 20
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_RENAME_NOREPLACE = 1
_NOT_OFFERED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.EACCES, *_NOT_OFFERED)


class Refused(Exception):  # never leaves the room
    """The file is left as it is; the text says why, for the report."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Distinguishes an open file from every other file and from its own state before a change."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def same_file(self, other: Identity) -> bool:
        return (self.device, self.inode) == (other.device, other.inode)

    def same_content(self, other: Identity) -> bool:
        """Whether it is the same file and was not written to; a rename or a link changes only ctime."""
        return self.same_file(other) and (self.size_bytes, self.mtime_ns) == (other.size_bytes, other.mtime_ns)


@contextlib.contextmanager
def open_folder(root: str, folder: str, *, create: bool = False) -> Iterator[int]:
    """Yields a descriptor of ``folder``, which is ``root`` or lies below it; both without symbolic links
    (`resolve_folder`). Each part is opened from the one above, never through a link. ``create`` makes missing folders,
    but not the root. Raises Refused if a part is a link or not a folder, FileNotFoundError if one is missing."""
    try:
        descriptor = _descend(os.open(root, _FOLDER_FLAGS), folder[len(root.rstrip("/")) :].strip("/"), create)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused(f"{folder} is not a plain folder any more") from exc
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _descend(descriptor: int, relative: str, create: bool) -> int:
    """Opens the folder ``relative`` below an open one and closes the latter."""
    for part in relative.split("/") if relative else ():
        try:
            try:
                below = os.open(part, _FOLDER_FLAGS, dir_fd=descriptor)
            except FileNotFoundError:
                if not create:
                    raise
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
                os.fsync(descriptor)
                below = os.open(part, _FOLDER_FLAGS, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def resolve_folder(root: str, path: str) -> tuple[str, str]:
    """(root, folder of the file ``path``), absolute and without symbolic links; if the root is a file, its folder is
    the root. Raises Refused if a link leads the folder out of the root."""
    real_root = os.path.realpath(str(Path(root).parent) if root == path else root)
    folder = os.path.realpath(str(Path(path).parent))
    if folder != real_root and not folder.startswith(real_root.rstrip("/") + "/"):
        raise Refused(f"a symbolic link leads out of {root}")
    return real_root, folder


@contextlib.contextmanager
def open_file(folder: int, name: str) -> Iterator[int]:
    """Yields a descriptor for reading; raises Refused for anything but a regular file."""
    try:
        descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise Refused("it is a symbolic link") from exc
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused("it is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def look(folder: int, name: str) -> Identity | None:
    """The identity of the file at a name, without following a link; None if the name is free."""
    try:
        return Identity.of(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return None


def lock_file(descriptor: int, *, alone: bool) -> None:
    """Keep other runs from moving the file while this run has it open, or (``alone``) from relying on it. The lock is
    advisory and counts only between these programs. Raises Refused if another run holds it."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise Refused("another run is working with it") from exc
    except OSError:
        return  # a file system without locks


def digest_of(descriptor: int, sink: Callable[[bytes], object] | None = None) -> tuple[str, Identity]:
    """The sha256 (hex) of all bytes, and the file's identity, equal before and after; ``sink`` gets the bytes too.
    Raises Refused if the file changed in between."""
    before = Identity.of(os.fstat(descriptor))
    found = hashlib.sha256()
    offset = 0
    while chunk := os.pread(descriptor, CHUNK_BYTES, offset):
        found.update(chunk)
        offset += len(chunk)
        if sink is not None:
            sink(chunk)
    if Identity.of(os.fstat(descriptor)) != before:
        raise Refused("it changed while it was read")
    return found.hexdigest(), before


def rename_exclusive(from_folder: int, name: str, to_folder: int, new_name: str) -> None:
    """Rename without ever replacing: FileExistsError if the new name is taken, OSError EXDEV between file systems.

    Uses renameat2(RENAME_NOREPLACE) if the system and the file system have it. Otherwise it makes a second link and
    then removes the first name (a kill in between leaves one file with two names). With neither (FAT) it raises EXDEV:
    copy instead."""
    number = _renameat2(from_folder, name, to_folder, new_name)
    if number == 0:
        return
    if number not in _NOT_OFFERED:
        raise OSError(number, os.strerror(number), name, None, new_name)
    try:
        os.link(name, new_name, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False)
    except OSError as exc:
        if exc.errno in _NO_LINKS:
            raise OSError(errno.EXDEV, "no rename that keeps what is there", name) from exc
        raise
    os.unlink(name, dir_fd=from_folder)


def _renameat2(from_folder: int, name: str, to_folder: int, new_name: str) -> int:
    """0, or the number of the error; ENOSYS if the C library has no such call."""
    call = getattr(_C_LIBRARY, "renameat2", None)
    if call is None:
        return errno.ENOSYS
    ctypes.set_errno(0)
    flags = ctypes.c_uint(_RENAME_NOREPLACE)
    failed = call(from_folder, os.fsencode(name), to_folder, os.fsencode(new_name), flags)
    return ctypes.get_errno() if failed else 0


_C_LIBRARY = ctypes.CDLL(None, use_errno=True)


def copy_file(source: int, folder: int, name: str) -> tuple[str, int]:
    """Copy an open file to a new name, with times, mode, owner and extended attributes as far as the system allows;
    fsync; read again and compare. Returns (sha256 of the bytes, inode of the copy). Raises Refused if the copy reads
    differently or the source changed in between, OSError for what the disk refuses; the half copy is then removed."""
    target = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        try:
            found, _ = digest_of(source, lambda chunk: _write_all(target, chunk))
            copy_attributes(source, target)
            os.fsync(target)
            with contextlib.suppress(OSError):
                os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)  # the comparison reads from the disk
            again, identity = digest_of(target)
            if again != found:
                raise Refused("its copy does not read as it does")
        except (OSError, Refused):
            os.unlink(name, dir_fd=folder)
            raise
    finally:
        os.close(target)
    return found, identity.inode


def _write_all(descriptor: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(descriptor, chunk) :]


def copy_attributes(source: int, target: int) -> None:
    """Copy owner, mode, extended attributes (including access lists) and times. Skips what the system does not allow,
    except the times, which can always be set."""
    status = os.fstat(source)
    with contextlib.suppress(OSError):
        os.fchown(target, status.st_uid, status.st_gid)
    with contextlib.suppress(OSError):
        os.fchmod(target, stat.S_IMODE(status.st_mode))
    with contextlib.suppress(OSError):
        for name in os.listxattr(source):
            with contextlib.suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def remove_file(folder: int, name: str) -> None:
    """Unlink a name that only this program uses; does nothing if it is free."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
