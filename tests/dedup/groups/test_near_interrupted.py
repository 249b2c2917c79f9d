"""Ctrl-C while pairs are looked at: the program ends without a traceback, and leaves no process and no look behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from pictured_library import PicturedLibrary, picture

from imgsearch.dedup.groups import near

SCRIPT = """
import signal
import sys
import time
from pathlib import Path
from imgsearch.dedup.groups import near
from imgsearch.dedup.tiers import pair_verification
from imgsearch.storage import open_store

pair_verification._AT_ONCE = 8
seen = []
with open_store(Path(sys.argv[1])) as store:
    def told(done, total):
        if done and not seen:
            seen.append(done)
            print("looking", flush=True)
            for _ in range(600):  # a signal that comes just before one long sleep is heard after it
                time.sleep(0.1)
    try:
        near.compare_near(store, store.evidence(), store.inventory().image_ids, print, progress=told)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("stopped", flush=True)
        sys.exit(130)
"""


def processes_of(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark.encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_text())
            except OSError:
                pass
    return [command for command in found if command]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="tells processes by /proc")
@pytest.mark.parametrize("times", [1, 2])
def test_interrupted_looks_end_without_a_trace_and_are_kept(tmp_path, times):
    library = PicturedLibrary(tmp_path)
    for number in range(10):
        library.save(picture(number // 5).crop((number, 2 * number, 200 + number, 150 + number)), f"{number}.png")
    library.index(f"{number}.png" for number in range(10))
    mark = uuid.uuid4().hex
    program = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(library.store.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "IMGSEARCH_TEST_MARK": mark},
    )
    assert program.stdout is not None and program.stdout.readline() == "looking\n"
    assert len(processes_of(mark)) > 1
    for _ in range(times):
        program.send_signal(signal.SIGINT)
    said, complaint = program.communicate(timeout=60)
    assert "Traceback" not in complaint
    assert (program.returncode, said) == (130, "stopped\n"), complaint
    deadline = time.monotonic() + 20  # the killed need a moment to be gone
    while processes_of(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(mark) == []
    assert library.store.evidence().looked(f"{near.KIND}-{near.RECIPE}")
