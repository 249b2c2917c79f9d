"""Thumbnails on disk, so that a page of images need not be decoded twice.

One WebP a content and size in the library's folder ``thumbs`` (file_cache.py): about 10 KB for the small size, 30 KB
for the medium one, 100 KB for the large one. All of them can be made again from the images.
"""

from __future__ import annotations

from pathlib import Path

from imgsearch.storage.caches.file_cache import FileCache


class ThumbStore:
    """The thumbnails of one library's images. ``recipe`` names how they were made: thumbnails of another recipe are not
    used, and are removed when room is needed. ``budget_bytes`` holds for all sizes together."""

    def __init__(self, folder: Path, recipe: str, budget_bytes: int) -> None:
        self._recipe = recipe
        self._files = FileCache(folder, ".webp", budget_bytes)

    def get(self, content_hash: str, size: str) -> bytes | None:
        """The WebP file, now the most recently used; None if there is none or it is torn."""
        key = self._key(content_hash, size)
        content = self._files.read(key)
        if content is not None and not _whole(content):
            self._files.drop(key)
            return None
        return content

    def put(self, content_hash: str, size: str, content: bytes) -> None:
        """Keep a WebP file; makes room first if the budget requires it."""
        self._files.write(self._key(content_hash, size), content)

    def _key(self, content_hash: str, size: str) -> str:
        return f"{content_hash}-{size}-{self._recipe}"


def _whole(content: bytes) -> bool:
    """Whether a WebP file is as long as its header says (RIFF: bytes 4 to 7 hold the size of everything behind)."""
    said = 8 + int.from_bytes(content[4:8], "little")
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP" and len(content) == said + said % 2
