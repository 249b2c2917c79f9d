"""Finds the images below folders that a person names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.output.terminal import shell_word, shown
from imgsearch.errors import UsageError

if TYPE_CHECKING:
    from imgsearch.storage import Store


def as_rooted(store: Store, folder: str) -> tuple[str, ...]:
    """``folder`` as the library's files are named: as it is, and with symbolic links resolved, expressed by the roots
    that it lies in or that lie in it."""
    base = os.path.abspath(Path(folder).expanduser())  # noqa: PTH100  bytes-safe and without links
    real, found = os.path.realpath(base), {base}
    for root in store.roots():
        real_root = os.path.realpath(root.path)
        if _is_below(real_root, real):
            found.add(str(root.path))
        elif _is_below(real, real_root):
            found.add(os.path.join(root.path, os.path.relpath(real, real_root)))  # noqa: PTH118
    return tuple(sorted(found))


def images_below(store: Store, folder: str) -> dict[int, list[str]]:
    """Image id -> its files below ``folder``. Reads all files of the library: 1 s a million."""
    found: dict[int, list[str]] = {}
    tops = as_rooted(store, folder)
    for root in store.roots():
        for file in store.files(root.root_id):
            path = os.path.join(root.path, file.relative_path) if file.relative_path else str(root.path)  # noqa: PTH118
            if any(_is_below(path, top) for top in tops):
                found.setdefault(file.image_id, []).append(path)
    return found


def require_images(store: Store, folders: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """The number of the library's images below the folders, and these folders as its roots name them. Raises UsageError
    for a folder that does not exist or of which the library holds nothing."""
    image_ids: set[int] = set()
    for folder in folders:
        if not Path(folder).expanduser().exists():
            raise UsageError(f"there is no folder {shown(folder)}", "name a folder of pictures")
        below = images_below(store, folder)
        if not below:
            command = f"imgsearch index {shell_word(folder)} --library {shell_word(store.path)}"
            raise UsageError(
                f"the library {shown(store.path)} holds no picture below {shown(folder)}", f"add it with: {command}"
            )
        image_ids.update(below)
    return len(image_ids), tuple(sorted({top for folder in folders for top in as_rooted(store, folder)}))


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
