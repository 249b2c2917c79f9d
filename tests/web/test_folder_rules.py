"""Folders that a page may offer: below the roots, whatever links and names say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imgsearch.errors import ImgsearchError, UsageError
from web.problems import Forbidden, NotFound
from web.services.welcome import folders
from web.services.welcome.folders import FolderRules

ODD = os.fsdecode(b"caf\xe9")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with pictures, hidden things, links in and out, and a neighbour that is nobody's business."""
    for name in ("home/Pictures/2019", f"home/Pictures/{ODD}", "home/.ssh", "home2/private", "other"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a.JPG", "b.heic", "notes.txt", ".hidden.jpg"):
        (tmp_path / "home/Pictures" / name).touch()
    (tmp_path / "home/away").symlink_to(tmp_path / "other")
    (tmp_path / "home/inside").symlink_to(tmp_path / "home/Pictures")
    (tmp_path / "home/round").symlink_to(tmp_path / "home")
    (tmp_path / "home/nowhere").symlink_to(tmp_path / "gone")
    return tmp_path / "home"


def test_listing_shows_folders_alone_by_name(home: Path) -> None:
    found = FolderRules.of([home]).listing(str(home / "Pictures"))
    assert [name for name, _ in found.folders] == ["2019", ODD] and found.pictures == 2
    assert found.parent == str(home) and not found.elsewhere and not found.cut


def test_listing_leaves_out_what_is_hidden_or_leads_away(home: Path) -> None:
    found = FolderRules.of([home]).listing(None)
    assert [name for name, _ in found.folders] == ["inside", "Pictures", "round"] and found.elsewhere == 1
    assert found.path == str(home) and found.parent is None


def test_listing_of_several_roots_names_them(home: Path) -> None:
    rules = FolderRules.of([home, home.parent / "other", home / "Pictures"])
    assert {path for _, path in rules.listing(None).folders} == {str(home), str(home.parent / "other")}
    assert rules.listing(str(home)).parent == ""


def test_listing_ends_at_its_limit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST", 1)
    found = FolderRules.of([home]).listing(str(home / "Pictures"))
    assert len(found.folders) == 1 and found.cut


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (lambda home: str(home.parent / "other"), Forbidden),
        (lambda home: str(home.parent / "home2" / "private"), Forbidden),
        (lambda home: str(home.parent / "not there"), Forbidden),  # as if it were: nobody learns which folders exist
        (lambda home: str(home / "away"), Forbidden),
        (lambda home: str(home / ".." / "other"), Forbidden),
        (lambda home: str(home / "Pictures" / ".." / ".." / "home2"), Forbidden),
        (lambda home: "/", Forbidden),
        (lambda home: "/proc/self/root" + str(home.parent / "other"), Forbidden),
        (lambda home: str(home / "gone"), NotFound),
        (lambda home: str(home / "nowhere" / "x"), Forbidden),
        (lambda home: str(home / "Pictures" / "a.JPG" / "x"), NotFound),
        (lambda home: str(home / "Pictures" / "a.JPG"), UsageError),
        (lambda home: "Pictures", UsageError),
        (lambda home: "", UsageError),
        (lambda home: str(home) + "\0/x", UsageError),
        (lambda home: str(home) + "/x" * 3000, UsageError),
        (lambda home: str(home) + "/" + "x" * 300, UsageError),
        (lambda home: str(home) + "/\ud800", UsageError),
        (lambda home: "~nobody-of-that-name/x", UsageError),
    ],
)
def test_no_other_path_is_read(home: Path, path: Callable[[Path], str], error: type[ImgsearchError]) -> None:
    with pytest.raises(error):
        FolderRules.of([home]).real(path(home))


def test_what_lies_inside_is_read_by_its_real_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    rules = FolderRules.of([home])
    for given in (home / "inside", home / "round" / "Pictures", "~/Pictures", f"{home}/./Pictures/../Pictures/"):
        assert rules.real(str(given)) == home / "Pictures"
    assert rules.real(str(home / "Pictures" / ODD)).name == ODD


def test_a_root_that_is_a_link_is_followed(home: Path) -> None:
    rules = FolderRules.of([home / "inside"])
    assert rules.real(str(home / "Pictures" / "2019")) == home / "Pictures" / "2019"
    with pytest.raises(Forbidden):
        rules.real(str(home))


def test_without_roots_nothing_is_read(home: Path) -> None:
    for call in (FolderRules(()).real, FolderRules(()).listing):
        with pytest.raises(Forbidden):
            call(str(home))
    with pytest.raises(Forbidden):
        FolderRules(()).listing(None)


def test_a_folder_that_may_not_be_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_folder: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(UsageError, match="cannot be listed: Permission denied"):
        FolderRules.of([home]).listing(str(home))
