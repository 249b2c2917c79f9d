"""What goes along with a picture, whose it is, and whether two companions say the same."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.dedup.belonging.companions import (
    FolderListing,
    FolderNames,
    companions_of,
    owners_of,
    same_companion,
    shared_with,
)
from imgsearch.dedup.belonging.contents import film_seconds
from imgsearch.media.sniff import IMAGE_EXTENSIONS

LONG = "PXL_20230809_203449253.LONG_EXPOSURE-02.ORIGINAL.jpg"
EMOJI = "\U0001f600" * 24 + ".jpg"

COMPANIONS = {
    "IMG_1.jpg": ["IMG_1.xmp", "IMG_1.jpg.xmp", "img_1.XMP", "IMG_1.aae", "IMG_1.jpg.json", "IMG_1.json", "IMG_1.WAV"],
    "IMG_1234.HEIC": ["IMG_1234.MOV", "IMG_1234.mp4", "IMG_O1234.AAE", "IMG_1234.AAE", "IMG_1234_HEVC.MOV"],
    "IMG_1234 (1).HEIC": ["IMG_O1234 (1).AAE", "IMG_1234 (1).MOV"],
    "AROP4792.JPG": ["AROPO4792.AAE"],
    "a.nef": ["a.nef.xmp", "a.xmp", "a_01.nef.xmp", "a.nef.dop", "a.NEF.pp3", "a.pp3", "a.on1", "a.nef.cos", "a.vrd"],
    "a.cr3": ["a.dr4", "a.thm", "a.cr3.wav", "a.lrv", "a.cr3.arp"],
    "DSCN0001.JPG": ["DSCA0001.WAV", "DSCB0001.WAV"],
    "scan.tif": ["scan.tfw", "scan.tif.aux.xml", "scan.tif.ovr", "scan.txt", "scan.tifw", "scan.tif.points"],
    "c.jpg": ["c.acr", "c.jpg.out.pp3", "c.jpg_original", "c.jpg.md5", "c.geojson", "c.pts", "c.ogg", "c.jpg.spd"],
    "b.jpg": [f"b.jpg{'.supplemental-metadata'[:length]}.json" for length in range(1, 23)],
    "b(1).jpg": [
        "b.jpg(1).json",
        "b.jpg.supplemental-metadata(1).json",
        "b.jpg.supplemental-m(1).json",
        "b.jpg.métadonnées supplémentaires(1).json",
        "b(1).jpg.json",
    ],
    "scan(3).jpg": ["scan(3).jpg.supplemental-metadata.json", "scan.jpg(3).supplemental-metadata.json"],
    LONG: [LONG[:46] + ".json"],
    "05yqt21kruxwwlhhgrwrdyb6chhwszi9bqmzu16w0 2.jpg.png": ["05yqt21kruxwwlhhgrwrdyb6chhwszi9bqmzu16w0 2.jp.json"],
    "original_1d4caa6f-16c6-4c3d-901b-9387de10e528_P.jpg": ["original_1d4caa6f-16c6-4c3d-901b-9387de10e528_.json"],
    "Backyard_ceremony_wedding_photography_xxxxxxx_m(494).jpg": [
        "Backyard_ceremony_wedding_photography_xxxxxxx_(494).json"
    ],
    "13039_327707840323_537645323_9470255_27214_n(1).jpg": ["13039_327707840323_537645323_9470255_27214_n.j(1).json"],
    "PXL_20230115_103045123.PORTRAIT-01.COVER.jpg": ["PXL_20230115_103045123.PORTRAIT-01.COVER.jpg.s.json"],
    EMOJI: ["\U0001f600" * 23 + ".json"],
    "PXL_20230101_120000000.MP.jpg": ["PXL_20230101_120000000.MP", "PXL_20230101_120000000.MP.mp4"],
    "caf\udce9.jpg": ["caf\udce9.xmp", "caf\udce9.jpg.json"],
    "Bibliothe\u0300que.jpg": ["Biblioth\u00e8que.xmp"],
    "no-extension": ["no-extension.xmp", "no-extension.json"],
}
OTHERS = {
    "IMG_1.jpg": [
        "IMG_10.xmp",
        "IMG_1.png",
        "IMG_1.jpg.png",
        "IMG_1(1).xmp",
        "IMG_1.jpg(1).json",
        "IMG_11.mov",
        "IMG_1.NEF",
    ],
    "IMG_1(1).jpg": ["IMG_1.jpg.json", "IMG_1.jpg.supplemental-metadata.json", "IMG_1.jpg(2).json", "IMG_1.xmp"],
    "IMG_1.jpg.jpg": ["IMG_1.xmp"],
    "IMG_E1234.JPG": ["IMG_1234.AAE", "IMG_O1234.AAE", "IMG_1234.MOV"],
    "IMG_1-edited.jpg": ["IMG_1.jpg.json", "IMG_1.xmp"],
    "a.jpg": ["metadata.json", "b.json", ".xmp", "a", "a.jpg.jpg", "a.zip", "a.psd", "a.html"],
}


@pytest.mark.parametrize(("picture", "beside"), [(p, each) for p, beside in COMPANIONS.items() for each in beside])
def test_companion_is_found_and_belongs_to_its_picture(picture: str, beside: str) -> None:
    names = [picture, beside, "unrelated.txt", "zz.jpg"]
    assert companions_of(f"/p/{picture}", names) == [f"/p/{beside}"]
    if "." in picture:  # the folder's other pictures are told by their suffix
        assert owners_of(f"/p/{beside}", names) == [f"/p/{picture}"]
        assert shared_with(f"/p/{beside}", names) == [f"/p/{picture}"]
    assert shared_with(f"/p/{picture}", names) == []


@pytest.mark.parametrize(("picture", "beside"), [(p, each) for p, beside in OTHERS.items() for each in beside])
def test_other_files_are_no_companions(picture: str, beside: str) -> None:
    assert companions_of(f"/p/{picture}", [picture, beside]) == []
    assert f"/p/{picture}" not in owners_of(f"/p/{beside}", [picture, beside])


def test_sidecar_of_a_stem_is_shared_by_its_pictures() -> None:
    names = ["A.NEF", "a.jpg", "a.xmp", "a.jpg.xmp", "A.NEF.dop", "b.jpg"]
    assert companions_of("/p/A.NEF", names) == ["/p/A.NEF.dop", "/p/a.xmp"]
    assert companions_of("/p/a.jpg", names) == ["/p/a.jpg.xmp", "/p/a.xmp"]
    assert owners_of("/p/a.xmp", names) == ["/p/A.NEF", "/p/a.jpg"]
    assert owners_of("/p/a.jpg.xmp", names) == ["/p/a.jpg"]
    assert shared_with("/p/a.jpg", names) == ["/p/A.NEF"]
    assert shared_with("/p/b.jpg", names) == []


def test_darktable_duplicate_belongs_to_the_picture_that_is_there() -> None:
    assert companions_of("/p/a.nef", ["a.nef", "a_01.nef", "a_01.nef.xmp"]) == []
    assert companions_of("/p/a_01.nef", ["a.nef", "a_01.nef", "a_01.nef.xmp"]) == ["/p/a_01.nef.xmp"]


def test_notes_of_a_forgotten_duplicate_are_shared() -> None:
    stem = "original_1d4caa6f-16c6-4c3d-901b-9387de10e528_"
    names = [stem + "P.jpg", stem + "P(1).jpg", stem + ".json"]
    assert owners_of(f"/p/{stem}.json", names) == [f"/p/{stem}P(1).jpg", f"/p/{stem}P.jpg"]
    assert shared_with(f"/p/{stem}P.jpg", names) == [f"/p/{stem}P(1).jpg"]


PARTS = st.sampled_from(
    ["a", "A", "IMG_1234", "IMG_O1234", "a(1)", "DSCN0001", "x.MP", "e\u0301", "\udcff", ".jpg", ".nef", ".xmp",
     ".json", ".mov", ".wav", "(1)", "_01", ".supplemental-metadata", ".s", "_hevc", ".aae", "x" * 44]
)  # fmt: skip
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("".join)


@settings(max_examples=80, deadline=None)
@given(NAMES, st.lists(NAMES, max_size=12))
def test_companions_are_never_pictures_and_owners_agree(picture: str, names: list[str]) -> None:
    listing = FolderListing({*names, picture})
    found = companions_of(f"/p/{picture}", listing)
    assert found == sorted(found) == companions_of(f"/p/{picture}", [*names, picture])
    for path in found:
        name = path.removeprefix("/p/")
        assert name in listing and name != picture
        assert Path(name).suffix.lower() not in IMAGE_EXTENSIONS
        if Path(picture).suffix.lower() in IMAGE_EXTENSIONS:
            assert f"/p/{picture}" in owners_of(path, listing)


def test_folder_is_read_where_no_names_are_given(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.xmp", "b.xmp"):
        (tmp_path / name).touch()
    (tmp_path / "a.json").mkdir()
    assert companions_of(str(tmp_path / "a.jpg")) == [str(tmp_path / "a.xmp")]
    assert companions_of(str(tmp_path / "nowhere" / "a.jpg")) == []
    assert owners_of(str(tmp_path / "a.xmp")) == [str(tmp_path / "a.jpg")]


def test_folder_names_are_read_once_and_forgotten_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, read = os.scandir, list[str]()

    def scandir(path: str) -> Any:
        read.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    folders = [str(tmp_path / name) for name in "abc"]
    for folder in folders:
        os.mkdir(folder)  # noqa: PTH102
        (Path(folder) / "x.jpg").touch()
    names = FolderNames(most_folders=2)
    for folder in (folders[0], folders[0], folders[1], folders[0], folders[2], folders[0], folders[1]):
        assert list(names.of(folder)) == ["x.jpg"]
    assert read == [folders[0], folders[1], folders[2], folders[1]]
    (Path(folders[1]) / "y.jpg").touch()
    assert len(names.of(folders[1])) == 1
    names.forget(folders[1])
    names.forget("/never/asked")
    assert sorted(names.of(folders[1])) == ["x.jpg", "y.jpg"]


def film(path: Path, seconds: float, *, long_form: bool = False) -> str:
    scale = 600
    if long_form:
        mvhd = struct.pack(">B3xQQIQ", 1, 0, 0, scale, int(seconds * scale)) + bytes(80)
    else:
        mvhd = struct.pack(">B3xIIII", 0, 0, 0, scale, int(seconds * scale)) + bytes(80)
    mvhd = struct.pack(">I4s", len(mvhd) + 8, b"mvhd") + mvhd
    moov = struct.pack(">I4s", len(mvhd) + 8, b"moov") + mvhd
    mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + 1000) + bytes(1000)
    path.write_bytes(struct.pack(">I4s", 16, b"ftyp") + b"qt  \0\0\0\0" + mdat + moov)
    return str(path)


def test_long_film_of_the_same_number_is_no_live_photo(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").touch()
    (tmp_path / "IMG_2.HEIC").touch()
    short, long = film(tmp_path / "IMG_1.MOV", 2.8), film(tmp_path / "IMG_2.MOV", 95, long_form=True)
    assert film_seconds(short) == pytest.approx(2.8)
    assert film_seconds(long) == 95
    assert companions_of(str(tmp_path / "IMG_1.HEIC")) == [short]
    assert companions_of(str(tmp_path / "IMG_2.HEIC")) == []
    assert owners_of(long) == []


@pytest.mark.parametrize("data", [b"", b"x", b"\0\0\0\0moov", b"\0\0\0\x08moov", b"\0\0\0\x01moov", b"\xff" * 40,
                                  b"\0\0\0\x18moov\0\0\0\x10mvhd\0\0\0\0"])  # fmt: skip
def test_damaged_film_has_no_length(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mov").write_bytes(data)
    assert film_seconds(str(tmp_path / "a.mov")) is None


def notes(**changed: Any) -> dict[str, Any]:
    return {
        "title": "IMG_1.jpg",
        "description": "",
        "imageViews": "3",
        "creationTime": {"timestamp": "1", "formatted": "1 Jan 1970"},
        "photoTakenTime": {"timestamp": "1700000000", "formatted": "14 Nov 2023"},
        "url": "https://photos.google.com/1",
        "googlePhotosOrigin": {"mobileUpload": {"deviceFolder": {"localFolderName": "a"}, "deviceType": "IOS_PHONE"}},
    } | changed


def written(path: Path, content: Any) -> str:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(path)


def test_equal_bytes_and_takeouts_changes_are_the_same(tmp_path: Path) -> None:
    first = written(tmp_path / "1.json", notes())
    same = notes(
        imageViews="9",
        url="https://else",
        creationTime={"timestamp": "2"},
        photoTakenTime={"formatted": "14. Nov. 2023", "timestamp": "1700000000"},
        googlePhotosOrigin={"mobileUpload": {"deviceType": "IOS_PHONE"}},
    )
    same["googlePhotosOrigin"]["mobileUpload"]["deviceFolder"] = {"localFolderName": "b"}
    second = written(tmp_path / "2.json", json.dumps(same, indent=2).encode())
    assert same_companion(first, second) and same_companion(second, first) and same_companion(first, first)
    for changed in ({"description": "x"}, {"title": "y"}, {"photoTakenTime": {"timestamp": "2"}}, {"favorited": True}):
        assert not same_companion(first, written(tmp_path / "3.json", notes(**changed)))


def test_other_companions_are_the_same_only_byte_for_byte(tmp_path: Path) -> None:
    one, two = written(tmp_path / "1.xmp", b"<x/>" * 500_000), written(tmp_path / "2.xmp", b"<x/>" * 500_000)
    assert same_companion(one, two)
    assert not same_companion(one, written(tmp_path / "3.xmp", b"<x/>" * 499_999 + b"<y/>"))
    assert not same_companion(one, written(tmp_path / "4.xmp", b"<x/>"))
    labels = (
        written(tmp_path / "1.json", {"url": "a", "shapes": []}),
        written(tmp_path / "2.json", {"url": "b", "shapes": []}),
    )
    assert not same_companion(*labels)  # another program's JSON: its url may be what it says


def test_unreadable_companion_is_never_the_same(tmp_path: Path) -> None:
    one = written(tmp_path / "1.json", notes())
    os.mkfifo(tmp_path / "pipe.json")
    for other in (b"[" * 100_000, b"\xff\xfe", b"", b"null", b'{"title": 1' + b"0" * 5000 + b"}", b"[1]"):
        assert not same_companion(one, written(tmp_path / "2.json", other))
        assert same_companion(str(tmp_path / "2.json"), str(tmp_path / "2.json"))
    for path in (str(tmp_path / "nothing.json"), str(tmp_path), str(tmp_path / "pipe.json"), "\0", ""):
        assert not same_companion(one, path) and not same_companion(path, one) and not same_companion(path, path)
