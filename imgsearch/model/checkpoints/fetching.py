"""One file of a Hugging Face repository into the local cache: resumed where an earlier try stopped, and checked.

huggingface_hub 2.4 begins a killed download at byte 0 (its partial file has a new name at each call). Here the partial
file is named after the content, beside the blob that it becomes; the request itself, its redirects and its retries are
huggingface_hub's. Layout of the cache: its documentation, "Understand caching"."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from imgsearch.errors import CheckpointInvalid
from imgsearch.files import publish
from imgsearch.progress import StageProgress

_SHA256, _GIT_SHA1, _MD5 = (re.compile(rf"[0-9a-f]{{{digits}}}") for digits in (64, 40, 32))
PARTIAL = ".imgsearch-part"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository at a commit. ``etag``: sha256 of a large file, git's sha1 of a small one, or, of another
    server, md5 where it says so; ``sha256`` as the listing has it, "" where it says nothing; ``size`` in bytes.
    ``on_hub``: served by Hugging Face, which alone is shown the person's token."""

    repository: str
    commit: str
    name: str
    url: str
    etag: str
    size: int
    sha256: str = ""
    on_hub: bool = True


class Cache:
    """The folder of one repository in huggingface_hub's cache."""

    def __init__(self, cache: Path, repository: str) -> None:
        self.folder = cache / f"models--{repository.replace('/', '--')}"
        self.blobs = self.folder / "blobs"

    def snapshot(self, commit: str) -> Path:
        """Where the files of a commit are."""
        return self.folder / "snapshots" / commit

    def missing_bytes(self, file: RemoteFile) -> int:
        """What of a file is still to be fetched."""
        if (self.blobs / file.etag).is_file():
            return 0
        partial = self._partial(file)
        return max(0, file.size - (partial.stat().st_size if partial.is_file() else 0))

    def fetch(self, file: RemoteFile, told: StageProgress) -> None:
        """Bring a file here, unless it is. Raises CheckpointInvalid where what arrived is not what was announced, and
        what huggingface_hub and the file system raise; what came so far is kept then."""
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # documented, not listed

        self.blobs.mkdir(parents=True, exist_ok=True)
        blob = self.blobs / file.etag
        with WeakFileLock(self.blobs / f"{file.etag}.lock"):
            if not blob.is_file():
                self._download(file, told)
                publish(self._partial(file), blob)
        (self.blobs / f"{file.etag}.lock").unlink(missing_ok=True)
        self._link(file, blob)

    def set_main(self, commit: str) -> None:
        """Note which commit "main" is: by that a load finds the files."""
        refs = self.folder / "refs"
        refs.mkdir(parents=True, exist_ok=True)
        (refs / "main").write_text(commit, encoding="utf-8")

    def _partial(self, file: RemoteFile) -> Path:
        return self.blobs / f"{file.etag}{PARTIAL}"

    def _download(self, file: RemoteFile, told: StageProgress) -> None:
        partial = self._partial(file)
        for last in (False, True):
            resumed = partial.stat().st_size if partial.is_file() else 0
            if resumed > file.size:
                partial.unlink()
                resumed = 0
            if resumed < file.size or not partial.is_file():
                _get(file, partial, resumed, told)
            if is_whole(partial, file, told):
                return
            partial.unlink()
            if last or not resumed:  # a part from another day may be damaged: once from the beginning
                break
        raise CheckpointInvalid(
            f"{file.name} of {file.repository} arrived damaged: its hash is not the one that was announced",
            "run the same command again; if it stays so, something on the way changes the file",
        )

    def _link(self, file: RemoteFile, blob: Path) -> None:
        pointer = self.snapshot(file.commit) / file.name
        pointer.parent.mkdir(parents=True, exist_ok=True)
        if pointer.is_file():
            return
        pointer.unlink(missing_ok=True)  # a link to a blob that is gone
        try:
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:  # a file system without links
            shutil.copyfile(blob, pointer)


def is_whole(path: Path, file: RemoteFile, told: StageProgress) -> bool:
    """Whether a file on disk is the one that was announced, by its size and its hash; by its size alone where no hash
    is known. Cost: 2 s a GB."""
    if path.stat().st_size != file.size:
        return False
    expected = file.sha256 or file.etag
    if _SHA256.fullmatch(expected):
        found = hashlib.sha256()
    elif _GIT_SHA1.fullmatch(expected):
        found = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    elif _MD5.fullmatch(expected) and not file.on_hub:
        found = hashlib.md5(usedforsecurity=False)
    else:
        return True
    with path.open("rb") as stream:
        done = 0
        while block := stream.read(1 << 22):
            found.update(block)
            done += len(block)
            told(f"checking {file.name}", done, file.size)
    return found.hexdigest() == expected


def _get(file: RemoteFile, partial: Path, resumed: int, told: StageProgress) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers, disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    with _Counted(partial, file, told) as stream:
        stream.seek(resumed)
        told(f"fetching {file.name}", resumed, file.size)
        http_get(
            file.url,
            stream,
            resume_size=resumed,
            headers={**build_hf_headers(token=None if file.on_hub else False), "Accept-Encoding": "identity"},
            expected_size=file.size,
            displayed_filename=file.name,
        )


class _Counted(io.FileIO):
    """A file that tells how far it is."""

    def __init__(self, path: Path, file: RemoteFile, told: StageProgress) -> None:
        super().__init__(path, "r+" if path.exists() else "w+")
        self._file, self._told = file, told

    def write(self, data: object) -> int:
        left = memoryview(data)  # type: ignore[arg-type]
        while left:
            left = left[super().write(left) :]
        self._told(f"fetching {self._file.name}", self.tell(), self._file.size)
        return len(memoryview(data))  # type: ignore[arg-type]
