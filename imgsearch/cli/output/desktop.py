"""Opens images with the desktop's own program."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from imgsearch.cli.output.terminal import shown

PROGRAMS = ("open",) if sys.platform == "darwin" else ("xdg-open", "gio", "wslview")
"""The first one that is installed is used."""

MOST = 20
"""Images that are opened at once, a window each."""

_WAIT_S = 5.0


def open_images(paths: Sequence[Path]) -> list[str]:
    """Open each image, at most `MOST`. Returns a sentence for each that was not opened."""
    if not paths:
        return []
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        return [f"no program that opens pictures was found ({', '.join(PROGRAMS)}); on Linux install xdg-utils"]
    lost = [reason for path in paths[:MOST] if (reason := _open(program, path))]
    if len(paths) > MOST:
        lost.append(f"only the first {MOST} of {len(paths)} pictures were opened")
    return lost


def _open(program: str, path: Path) -> str:
    """Why an image was not opened; "" if it was. A program that keeps running is left alone."""
    command = (
        [program, "open", str(path.absolute())] if Path(program).name == "gio" else [program, str(path.absolute())]
    )
    null = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
    except OSError as exc:
        return f"{shown(path)} was not opened: {exc.strerror}"
    try:
        code = process.wait(_WAIT_S)
    except subprocess.TimeoutExpired:
        return ""
    return f"{shown(path)} was not opened: {Path(program).name} ended with code {code}" if code else ""
