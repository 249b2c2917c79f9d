"""Puts answers into a folder, as copies or links, and never overwrites anything."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from imgsearch.cli.output.terminal import require_no_file, shown
from imgsearch.errors import StorageFull


def deliver(paths: Sequence[Path], folder: Path, *, link: bool) -> tuple[list[Path], list[str]]:
    """Copy or link ``paths`` into ``folder``, which is made if missing. Returns the path of each there, and a sentence
    for each that failed. If a name is taken by another file, "name (2).jpg" and so on is used. The same image from an
    earlier search is left as it is. Raises UsageError if ``folder`` is a file, StorageFull if it cannot be made."""
    require_no_file(folder, "--link-to DIR" if link else "--copy-to DIR")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageFull(f"{shown(folder)} cannot be made: {exc.strerror}", "name another folder") from exc
    made, lost = [], []
    for path in paths:
        try:
            made.append(_place(path.absolute(), folder, link))
        except OSError as exc:
            lost.append(f"{shown(path)} was not {'linked' if link else 'copied'}: {exc.strerror}")
    return made, lost


def _place(path: Path, folder: Path, link: bool) -> Path:
    for target in _names(path, folder):
        if os.path.lexists(target):
            if _same(path, target, link):
                return target
            continue
        try:
            if link:
                target.symlink_to(path)
            else:
                _copy(path, target)
        except FileExistsError:  # another program made it in the meantime
            continue
        return target
    raise AssertionError("the names do not end")


def _copy(path: Path, target: Path) -> None:
    """Copy a file with its times to an unused name. The copy appears complete or not at all."""
    with path.open("rb") as source, target.open("xb") as copy:
        try:
            shutil.copyfileobj(source, copy, 1 << 20)
        except BaseException:
            target.unlink()
            raise
    shutil.copystat(path, target)


def _same(path: Path, target: Path, link: bool) -> bool:
    if link:
        return target.is_symlink() and target.readlink() == path
    return target.is_file() and not target.is_symlink() and filecmp.cmp(path, target, shallow=False)


def _names(path: Path, folder: Path) -> Iterator[Path]:
    yield folder / path.name
    for number in count(2):
        yield folder / f"{path.stem} ({number}){path.suffix}"
