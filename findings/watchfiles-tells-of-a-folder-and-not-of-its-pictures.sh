#!/usr/bin/env bash
# watchfiles tells of a folder that is moved into a watched one, and of none of the pictures in it; the same when it goes.
#
# A rename is one change of one name, for a folder with ten thousand pictures too: the set of changes holds the folder's path
# alone. A program that looks for paths ending in .jpg, as examples do, hears nothing of a holiday that is dragged into the
# watched folder, and nothing when it is dragged out again, while single files that come later are told. Here indexer/watch.py
# takes every folder for worth a look and walks it, which tests/indexer/test_index_command.py holds (--watch).
# Source: watchfiles 1.3.0, as on PyPI, on Linux.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    watchfiles==1.3.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

from watchfiles import watch

print("watchfiles", version("watchfiles"))
watched, outside = Path("watched").resolve(), Path("outside").resolve()
watched.mkdir()
(outside / "holiday" / "day").mkdir(parents=True)
for name in ("one.jpg", "day/two.jpg"):
    (outside / "holiday" / name).write_bytes(b"picture")


def told(act):
    """What is told while ``act`` is done, by paths below the watched folder."""
    stop, found = threading.Event(), set()

    def work():
        time.sleep(2)
        act()
        time.sleep(3)
        stop.set()

    threading.Thread(target=work).start()
    for changes in watch(watched, watch_filter=None, stop_event=stop, rust_timeout=200, yield_on_timeout=True):
        found |= {(change.name, os.path.relpath(path, watched)) for change, path in changes}
    return found


moved_in = told(lambda: (outside / "holiday").rename(watched / "holiday"))
assert (watched / "holiday" / "day" / "two.jpg").exists()
later = told(lambda: (watched / "holiday" / "three.jpg").write_bytes(b"picture"))
moved_out = told(lambda: (watched / "holiday").rename(outside / "holiday"))
for what, changes in (("moved in", moved_in), ("one picture written later", later), ("moved out", moved_out)):
    print(f"{what}: {sorted(changes)}")
as_found = moved_in == {("added", "holiday")} and moved_out == {("deleted", "holiday")}
as_found &= any(path == "holiday/three.jpg" for _, path in later)
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: two folders are told, and no picture in them"
