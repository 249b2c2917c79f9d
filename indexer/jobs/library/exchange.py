"""Puts a finished folder in the place of another."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from pathlib import Path

from imgsearch.files import fsync_folder

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)


def put_in_place(made: Path, target: Path) -> None:
    """``made``, beside ``target``, becomes ``target``; what was there is removed. At once where the system can exchange
    two names (Linux); else the old one is set aside first, and `put_interrupted_back` mends a kill in between. Raises
    OSError."""
    aside = _aside(target)
    if not target.exists():
        made.rename(target)
        fsync_folder(target.parent)
        return
    if _exchanged(made, target):
        fsync_folder(target.parent)
        shutil.rmtree(made, ignore_errors=True)
        return
    shutil.rmtree(aside, ignore_errors=True)
    target.rename(aside)
    made.rename(target)
    fsync_folder(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def put_interrupted_back(target: Path) -> None:
    """Undo an exchange that was killed between its two renames."""
    aside = _aside(target)
    if aside.exists() and not target.exists():
        with contextlib.suppress(OSError):
            aside.rename(target)


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.before")


def _exchanged(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, AttributeError):
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0)
    return False
