import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgsearch.media.walking.program_folders import (
    Included,
    program_folder,
    program_folder_above,
    program_folder_in,
)
from imgsearch.media.walking.walk import Walk

PROGRAMS = {
    "an Apple Photos library": ["Photos Library.photoslibrary", "FOTOS.PHOTOSLIBRARY"],
    "an iPhoto library": ["a.photolibrary", "iPhoto Library.migratedphotolibrary", "iPhoto Library"],
    "an Aperture library": ["Aperture Library.aplibrary", "x.migratedaplibrary"],
    "Lightroom's previews and catalog data": ["Catalog Previews.lrdata", "My.lrlibrary", "My.lrcat-data"],
    "a Capture One catalog": ["Shoot.cocatalog", "Shoot.cosessiondb"],
    "originals that Picasa keeps of its edits": [".picasaoriginals"],
    "thumbnails of a file manager": [".thumbnails", ".Thumbs"],
    "thumbnails and system data of a Synology NAS": ["@eaDir", "@EADIR"],
    "thumbnails and system data of a QNAP NAS": [".@__thumb", "@__thumb"],
    "a recycle bin of Windows": ["$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "Recycled"],
    "a recycle bin of a NAS": ["#recycle", "@Recycle", "@RECYCLE"],
    "a recycle bin": [".Trash", ".Trashes", ".Trash-1000", ".trash-0"],
    "snapshots": ["@Recently-Snapshot", "#snapshot", "~snapshot", ".snapshots", ".zfs", "@GMT-2024.01.02-03.04.05"],
    "system data of Windows": ["System Volume Information"],
    "system data of macOS": [".Spotlight-V100", ".fseventsd", ".DocumentRevisions-V100", ".TemporaryItems"],
    "attributes that macOS keeps for files": ["__MACOSX"],
    "digiKam's recycle bin": [".dtrash"],
    "versions that Syncthing keeps": [".stversions", ".stfolder"],
    "a store of a sync program": [".dropbox.cache"],
    "files that a disk check found": ["lost+found"],
}
ORDINARY = [
    "2024", "Photos", "Library", "thumbs", "thumbnails", "cache", "Cache", "Settings", "CaptureOne", "Trash",
    "preview", "Previews", "originals", "Originals", "library", "upload", "small", "storage", "i", "profile", "lrdata",
    "app", "key", "photoslibrary", "Pictures.2024", "a.b.c", "Lightroom", "snapshot", "recycle", "Recycling", "@home",
    "#1", "~me", "trash-art", ".", "..", "", "\udcff\udcfe", "bin", "backups", "x.library",
]  # fmt: skip


@pytest.mark.parametrize(("words", "name"), [(words, name) for words, names in PROGRAMS.items() for name in names])
def test_folder_of_a_program_is_known_by_its_name(words: str, name: str) -> None:
    assert program_folder(name) == words
    assert program_folder(name.upper()) == program_folder(name.lower()) == words


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_folder_is_no_program_folder(name: str) -> None:
    assert program_folder(name) is None
    assert program_folder_in("/photos", name) is None


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/p/Session/CaptureOne/Cache/Thumbnails/a.jpg", "/p/Session/CaptureOne/Cache"),
        ("/p/captureone/Settings153/a.cos", "/p/captureone/Settings153"),
        ("/srv/nextcloud/appdata_ocx1y2/preview/0/1.jpg", "/srv/nextcloud/appdata_ocx1y2"),
        ("/srv/appdata_abc/preview/0/1.jpg", "/srv/appdata_abc/preview"),
        ("/home/me/.cache/thumbnails/large/1.png", "/home/me/.cache/thumbnails"),
        ("/home/me/.local/share/Trash/files/1.png", "/home/me/.local/share/Trash"),
        ("/srv/piwigo/_data/i/1.jpg", "/srv/piwigo/_data/i"),
        ("/p/A.photoslibrary/B.lrdata/1.jpg", "/p/A.photoslibrary"),
        ("/p/A.photoslibrary", "/p/A.photoslibrary"),
        ("/p/A.photoslibrary/", "/p/A.photoslibrary"),
    ],
)
def test_outermost_folder_of_a_program_is_found_in_a_path(path: str, folder: str) -> None:
    found = program_folder_above(path)
    assert found is not None and found.path == folder
    assert found.words == program_folder_in(*os.path.split(folder))


@pytest.mark.parametrize("path", ["/", "", "/p/CaptureOne/Output/a.jpg", "/p/Trash/a.jpg", "/p/preview/a.jpg", "a.jpg"])
def test_ordinary_path_lies_in_no_program_folder(path: str) -> None:
    assert program_folder_above(path) is None


def test_common_name_is_a_program_folder_only_beside_its_marker(tmp_path: Path) -> None:
    for name in ("thumbs", "library", "storage", "small", "thumb2x", "Art.library"):
        (tmp_path / name).mkdir()
        expected = "thumbnails of Lychee" if name == "small" and (tmp_path / "thumb2x").exists() else None
        assert program_folder_in(str(tmp_path), name) == expected
    for marker in ("thumbs/.immich", "library/.immich", "storage/.ppstorage", "Art.library/metadata.json"):
        (tmp_path / marker).touch()
    assert program_folder_in(str(tmp_path), "thumbs") == "Immich's storage"
    assert program_folder_in(str(tmp_path), "storage") == "PhotoPrism's storage"
    assert program_folder_in(str(tmp_path), "small") == "thumbnails of Lychee"
    assert program_folder_in(str(tmp_path), "Art.library") == "an Eagle library"


def test_originals_of_immich_are_walked_and_known_to_plans(tmp_path: Path) -> None:
    for path in ("library/me/1.jpg", "thumbs/me/1.jpg", "library/.immich", "thumbs/.immich"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert [entry.relative_path for entry in Walk(tmp_path)] == ["library/me/1.jpg"]
    found = program_folder_above(str(tmp_path / "library/me/1.jpg"))
    assert found is not None and found.words == "Immich's originals"


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=30))
@example("a\ud800")
@example("a\0/thumbs")
def test_any_name_and_path_gets_an_answer(name: str) -> None:
    path = "/photos/" + name
    assert program_folder(name) is None or isinstance(program_folder(name), str)
    found = program_folder_above(path)
    assert found is None or path.startswith(found.path)
    assert not Included().matches(path)
    assert isinstance(Included([name, path]).matches(path), bool)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("photos library.PHOTOSLIBRARY", "/p/Photos Library.photoslibrary", True),
        ("*.photoslibrary", "/p/Photos Library.photoslibrary", True),
        ("*.photoslibrary", "/p/x.lrdata", False),
        ("[Originals]", "/p/[Originals]", True),
        ("/p/x.lrdata", "/p/X.LRDATA", True),
        ("/p/x.lrdata/", "/p/x.lrdata", True),
        ("/p/*/x.lrdata", "/p/a/b/x.lrdata", True),
        ("/q/x.lrdata", "/p/x.lrdata", False),
        ("lrdata", "/p/x.lrdata", False),
        ("", "/p/x.lrdata", False),
        ("Bibliothe\u0300que.photoslibrary", "/p/Biblioth\u00e8que.photoslibrary", True),
    ],
)
def test_included_matches_names_and_paths(pattern: str, path: str, matches: bool) -> None:
    assert Included([pattern]).matches(path) is matches


def test_relative_pattern_starts_at_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Included(["sub/x.lrdata"]).matches(str(tmp_path / "sub" / "x.lrdata"))


@pytest.mark.parametrize(
    ("page", "folder"), [("News.html", "News_files"), ("a.b.htm", "a.b-Dateien"), ("Brief.htm", "Brief.files")]
)
def test_pictures_of_a_saved_web_page_are_walked_and_known_to_plans(tmp_path: Path, page: str, folder: str) -> None:
    inside = tmp_path / folder / "img"
    inside.mkdir(parents=True)
    assert program_folder_above(str(inside)) is None, "a folder of a person's own"
    (tmp_path / page).write_text("<img>")
    found = program_folder_above(str(inside))
    assert found is not None and found.words == "a saved web page" and found.path == str(tmp_path / folder)
    assert program_folder_above(str(inside), originals=False) is None
