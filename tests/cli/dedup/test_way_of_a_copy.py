"""The way of a copy from `imgsearch dedup find DIR` to the plan: a real search is traced, and passes what the page on
the architecture says (`traced` says what a stay is). `imgsearch/app.py` opens the library that was made of the folder;
it never sees the copy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from traced import Trace, rooms_of, told_in
from written_twice import write_twice

import imgsearch.dedup.plan.file  # noqa: F401  imports are not followed, and cost less here
import indexer.service  # noqa: F401
from imgsearch.cli import main
from imgsearch.dedup.evidence import examination
from imgsearch.dedup.pixels.inspection.task import answer
from imgsearch.media.decode_pool import HardenedPool, Job
from imgsearch.media.limits import LIMITS

LOOKING = ("imgsearch/dedup/tiers/confirmation.py", "imgsearch/dedup/pixels/inspection")
"""Copies of equal bytes are not looked at."""

ASKING = (
    "imgsearch/cli/main.py",
    "imgsearch/cli/dedup/find.py",
    "imgsearch/cli/folder_library.py",
    "imgsearch/dedup/find.py",
    "imgsearch/dedup/tiers/exact.py",
    "imgsearch/dedup/tiers/perceptual.py",
    "imgsearch/dedup/evidence/examination.py",
    "imgsearch/dedup/groups/grouping.py",
    "imgsearch/dedup/belonging",
    *LOOKING,
)
FORMING = (
    "imgsearch/dedup/groups/star_groups.py",
    "imgsearch/dedup/plan/records.py",
    "imgsearch/dedup/plan/file.py",
)
ROOMS = ("indexer", "imgsearch/index", "imgsearch/storage", "imgsearch/media")
OPENING = ("imgsearch/app.py",)
COMPUTING = (
    "imgsearch/media/fingerprint.py",
    "imgsearch/media/signature.py",
    "imgsearch/media/sniff.py",
    "imgsearch/media/facts/takeout_names.py",
    "imgsearch/media/walking/program_folders.py",
    "imgsearch/storage/disk_errors.py",
    "imgsearch/dedup/pixels/inspection/filters.py",
)
"""Of these rooms and folders, what computes from its arguments, or looks at the names on the disk alone."""


class PoolHere(HardenedPool):
    """Runs its task in this process, where it is traced."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def run(self, jobs: Iterable[Job], read: Callable[[dict[str, Any], bytes], Any]) -> Iterator[tuple[Job, Any]]:
        for job in jobs:
            yield job, read(*answer(json.loads(json.dumps(job.arguments)), {}, LIMITS))

    def close(self, *, interrupted: bool = False) -> None:
        pass


def write_alike(folder: Path, picture: Path) -> Path:
    """``picture`` in a new folder, and the same as JPEG."""
    folder.mkdir()
    (folder / "a.png").write_bytes(picture.read_bytes())
    with Image.open(picture) as image:
        image.convert("RGB").save(folder / "b.jpg", quality=85)
    return folder


@pytest.mark.parametrize(("write", "passed_by"), [(write_alike, ()), (write_twice, LOOKING)])
def test_way_of_a_copy_has_eighteen_stays(
    write: Callable[[Path, Path], Path],
    passed_by: tuple[str, ...],
    tmp_path: Path,
    drawn: list[Path],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(examination, "HardenedPool", PoolHere)
    folder = write(tmp_path / "photos", drawn[0])
    trace = Trace((*ROOMS, "imgsearch/dedup/belonging", "imgsearch/dedup/pixels/inspection"), COMPUTING)
    with trace.following():
        assert main(["dedup", "find", str(folder), "--quiet"]) == 0
    assert "1 file to move" in capsys.readouterr().out
    assert trace.asking(ROOMS) == {*ASKING, *OPENING} - {*passed_by}
    assert {*FORMING, *ROOMS} <= {called for _, called in trace.calls}
    stays = (*ASKING, *FORMING, *ROOMS)
    assert len(stays) <= 18 and len(rooms_of(stays)) <= 10
    told = told_in("How a copy is found and moved")
    assert [one for one in (*stays, *OPENING) if one not in told] == []
