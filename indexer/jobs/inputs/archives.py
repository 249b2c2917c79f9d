"""Members of tar archives. Popular readers end quietly where an archive is cut off or damaged. Here an end mark must be
at its end, and whatever else is there becomes an input that failed, by name.

Only headers are read: a million members of 100 KB take a million short reads.
"""

from __future__ import annotations

import math
import os
import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from imgsearch.errors import UsageError
from imgsearch.media.sniff import IMAGE_EXTENSIONS, begins_like_an_image
from imgsearch.media.walking.walk_counts import problem_reason
from indexer.jobs.inputs.listing import Listed, Passed

BLOCK = 512
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK": "zip"}


def list_archive(path: str, passed: Passed) -> Iterator[Listed]:
    """The pictures in a tar, in its order, each with the place of its bytes. Raises UsageError for a compressed one."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            yield from _members(path, file, status.st_size, (status.st_size, status.st_mtime_ns), passed)
    except OSError as exc:
        yield Listed(path, lost=f"the archive cannot be read: {problem_reason(exc)}")


def _members(path: str, file: BinaryIO, size: int, stamp: tuple[int, int], passed: Passed) -> Iterator[Listed]:
    _refuse_compressed(path, file)
    names: dict[str, int] = {}
    count, damage, end = 0, "", 0
    try:
        with tarfile.TarFile(fileobj=file, errorlevel=2) as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # else a member costs a kilobyte until the end
                if member.size < 0 or archive.offset <= end:
                    raise tarfile.ReadError(f"a member of {member.size} bytes")
                count, end = count + 1, archive.offset
                if not member.isreg():
                    passed.add("folders, links and devices in archives")
                elif not _is_picture(file, member):
                    passed.add("other files in archives")
                else:
                    name = f"{path}/{_unique(_safe(member.name), names)}"
                    lost = _unreadable(member, size)
                    time_ns = _time_ns(member.mtime)
                    yield Listed(name, member.size, time_ns, path, member.offset_data, stamp, lost)
            end = archive.offset
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as exc:
        damage = str(exc)
    if damage or not _ends_well(file, end, size):
        yield Listed(path, lost=_lost_end(count, end, size, damage))
    elif follows := _after_end(file, end):
        yield Listed(path, lost=f"{follows} bytes follow the archive's end mark, perhaps a second archive: not read")


def _time_ns(seconds: float) -> int:
    """Any number that a header may hold, as the catalog can hold it."""
    return int(max(-(2.0**62), min(seconds * 1e9, 2.0**62))) if math.isfinite(seconds) else 0


def _is_picture(file: BinaryIO, member: tarfile.TarInfo) -> bool:
    """By its extension, or, without one, by its first bytes: as a folder is walked."""
    name = posixpath.basename(member.name)
    if name.startswith("."):
        return False
    extension = PurePosixPath(name).suffix.lower()
    if extension:
        return extension in IMAGE_EXTENSIONS
    return begins_like_an_image(os.pread(file.fileno(), 64, member.offset_data), name)


def _safe(name: str) -> str:
    """The member's name as a path that stays below its archive, whatever it is."""
    return posixpath.normpath("/" + name.replace("\0", "_")).lstrip("/") or "_"


def _unique(name: str, names: dict[str, int]) -> str:
    """An archive may hold two members of one name; the second one is called "name (2)"."""
    names[name] = names.get(name, 0) + 1
    return name if names[name] == 1 else f"{name} ({names[name]})"


def _unreadable(member: tarfile.TarInfo, size: int) -> str:
    """Why a member cannot be read; '' if it can."""
    if member.issparse():
        return "it is stored with holes (a sparse member), which is not read"
    if member.offset_data + member.size <= size:
        return ""
    have = max(0, size - member.offset_data)
    return f"the archive is cut off: {have} of the member's {member.size} bytes are there"


def _ends_well(file: BinaryIO, end: int, size: int) -> bool:
    """Whether a block of zeros, the mark of an archive's end, comes after the last member."""
    return end + BLOCK <= size and not any(os.pread(file.fileno(), BLOCK, end))


def _after_end(file: BinaryIO, end: int) -> int:
    """How many bytes follow the end mark that are no padding: tar, and whoever reads like it, never sees them."""
    file.seek(end)
    at = end
    while piece := file.read(1 << 20):
        if any(piece):
            return os.fstat(file.fileno()).st_size - at
        at += len(piece)
    return 0


def _lost_end(count: int, end: int, size: int, damage: str) -> str:
    why = f" ({damage})" if damage else ""
    if end >= size:
        return f"the archive is cut off after {count} members{why}: it has no end mark, so more may be missing"
    return f"the archive is damaged after {count} members, at byte {end} of {size}{why}: what follows is unknown"


def _refuse_compressed(path: str, file: BinaryIO) -> None:
    head = file.read(8)
    file.seek(0)
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            raise UsageError(
                f"{path} is compressed ({name}), expected a plain tar, whose members can be read one by one",
                "unpack it first: gunzip, unxz, unzstd; pictures gain nothing from it",
            )
