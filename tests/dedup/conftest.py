"""Fixtures that the tests of this room share."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from desks import Desk, make_copy


@pytest.fixture
def copy():
    return make_copy


@pytest.fixture
def desk(tmp_path, monkeypatch):
    # A killed process leaves the same files with and without fsync, which takes most of the time here.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    (tmp_path / "photos").mkdir()
    return Desk(tmp_path / "photos", tmp_path / "quarantine")


@pytest.fixture
def other_disk(tmp_path):
    """A folder on another file system than tmp_path; skips where there is none."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture(params=["same disk", "other disk"])
def any_desk(request, desk):
    """A desk with the quarantine on the same and on another file system."""
    if request.param == "other disk":
        desk.quarantine = request.getfixturevalue("other_disk") / "quarantine"
    return desk
