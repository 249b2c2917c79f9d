from __future__ import annotations

import random

from imgsearch.media.walking.walk import FileEntry
from imgsearch.storage import FileState
from indexer.scanning.pending_files import KnownFiles, PendingFiles


def test_pending_files_come_back_as_they_were_put() -> None:
    pending = PendingFiles(7, "/r")
    rows = [("a.png", 5, 10**18, False), ("", 0, -3, True), ("ä/\udce9 b.png", 2**40, 7, False)]
    for path, size, time, changed in rows:
        pending.append(path, size, time, changed=changed)
    got = [pending.at(index) for index in range(len(pending))]
    assert [(f.relative_path, f.size_bytes, f.mtime_ns, f.changed) for f in got] == rows
    assert [f.path for f in got] == ["/r/a.png", "/r", "/r/ä/\udce9 b.png"]
    assert pending.sizes.tolist() == [5, 0, 2**40]


def test_known_files_agree_with_a_dictionary() -> None:
    draw = random.Random(3)
    states = [FileState(f"f{n}.png", draw.randrange(3), draw.randrange(3), n) for n in range(500)]
    walked = [
        FileEntry("/r/" + path, path, draw.randrange(3), draw.randrange(3), 1, 1)
        for path in draw.sample([f"f{n}.png" for n in range(700)], 450)
    ]
    table = {state.relative_path: (state.size_bytes, state.mtime_ns) for state in states}
    known = KnownFiles(states)
    for first in range(0, len(walked), 64):
        chunk = walked[first : first + 64]
        have, same = known.compare([entry.relative_path for entry in chunk], chunk)
        assert have.tolist() == [entry.relative_path in table for entry in chunk]
        assert same.tolist() == [table.get(e.relative_path) == (e.size_bytes, e.mtime_ns) for e in chunk]
    gone = table.keys() - {entry.relative_path for entry in walked}
    assert {state.relative_path for state in known.unmet(states)} == gone
    assert known.met == len(table) - len(gone)


def test_known_files_of_nothing_know_nothing() -> None:
    known = KnownFiles([])
    have, same = known.compare(["a"], [FileEntry("/a", "a", 1, 1, 1, 1)])
    assert (have.tolist(), same.tolist(), len(known), list(known.unmet([]))) == ([False], [False], 0, [])
