"""Dates of file names and sidecars' names."""

from __future__ import annotations

import os
import unicodedata
from datetime import datetime

import pytest

from imgsearch.media.facts.names import date_of_file, name_date
from imgsearch.media.facts.sidecar_names import FoundSidecars, Sidecar, SidecarFolder, SidecarListing, digest_of

AT = "2019-07-14T15:30:12"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG_20190714_153012.jpg", AT),
        ("VID_20190714_153012.jpg", AT),
        ("20190714_153012(0).jpg", AT),
        ("IMG20190714153012.jpg", AT),
        ("P_20190714_153012_HDR.jpg", AT),
        ("PXL_20210102_030405678.MP.jpg", "2021-01-02T03:04:05.678+00:00"),
        ("Screenshot_2019-07-14-15-30-12.png", AT),
        ("Screenshot_20190714-153012_Chrome.jpg", AT),
        ("Screenshot from 2019-07-14 15-30-12.png", AT),
        ("Screen Shot 2019-07-14 at 3.30.12 PM.png", AT),
        ("Bildschirmfoto 2019-07-14 um 15.30.12.png", AT),
        ("Captura de pantalla 2019-07-14 a las 15.30.12.png", AT),
        ("WhatsApp Image 2019-07-14 at 15.30.12.jpeg", AT),
        ("IMG-20190714-WA0001.jpg", "2019-07-14"),
        ("signal-2019-07-14-153012.jpg", AT),
        ("photo_2019-07-14_15-30-12.jpg", AT),
        ("2019-07-14 15.30.12.jpg", AT),
        ("WP_20190714_15_30_12_Pro.jpg", AT),
        ("WP_20140102_003.jpg", "2014-01-02"),
        ("2019年7月14日.jpg", "2019-07-14"),
        ("写真 2019年07月14日 15時30分12秒.jpg", AT),
        ("2019년 7월 14일 오후 3시 30분 12초.jpg", AT),
        ("2019年13月14日.jpg", None),
        ("民國108年7月14日.jpg", None),
        ("2019_0714_153012_001.JPG", AT),
        ("DJI_20190714153012_0001_D.JPG", AT),
        ("FB_IMG_1563117012345.jpg", "2019-07-14T15:10:12+00:00"),
        ("mmexport1563117012345.jpg", "2019-07-14T15:10:12+00:00"),
        ("Scan 14.07.2019.jpg", "2019-07-14"),
        ("IMG_20190714_253012.jpg", "2019-07-14"),
        ("IMG_20190714_240012.jpg", "2019-07-14T00:00:12"),
        ("Screenshot 2019-07-14 at 3.30.12\u202fPM.png", AT),  # macOS since 13
        ("Screenshot 2019-07-14 at 12.30.12\u202fAM.png", "2019-07-14T00:30:12"),
        ("Captura de pantalla 2019-07-14 a la(s) 3.30.12 p.m..png", AT),
        ("Captura de pantalla 2019-07-14 a la(s) 3.30.12\u202fp.\u00a0m..png", AT),
        ("スクリーンショット 2019-07-14 午後3.30.12.png", AT),
        ("截屏2019-07-14 下午3.30.12.png", AT),
        ("스크린샷 2019-07-14 오후 3.30.12.png", AT),
        (unicodedata.normalize("NFD", "스크린샷 2019-07-14 오후 3.30.12.png"), AT),
        ("Στιγμιότυπο 2019-07-14, 3.30.12 μ.μ..png", AT),
        ("لقطة شاشة ٢٠١٩-٠٧-١٤ في ٣.٣٠.١٢ م.png", AT),
        ("viber image 2019-07-14 , 15.30.12.jpg", AT),
        ("2019-07-14T15_30_12Z.jpg", AT + "+00:00"),
        ("20190714T153012Z.jpg", AT + "+00:00"),
        ("CamScanner 07-14-2019 15.30.12.jpg", AT),
        ("WhatsApp-Image-2019-07-14-at-15.30.12.jpeg", AT),
        ("photo_5@14-07-2019_15-30-12.jpg", AT),  # Telegram's export
        ("img20190714_15301234.jpg", AT + ".34"),  # Epson: hundredths
        ("2019071415301200-0123456789ABCDEF0123456789ABCDEF.jpg", AT),  # Nintendo Switch: a counter
        ("LINE_ALBUM_20190714_190714_1.jpg", "2019-07-14"),
        ("LINE_1563117012345.jpg", "2019-07-14T15:10:12+00:00"),
        ("00100lPORTRAIT_00100_BURST20190714153012345_COVER.jpg", AT + ".345"),
        ("signal-2019-07-14-15-30-12-345.jpg", AT + ".345"),
        ("grim-20190714_15h30m12s.png", AT),
        ("dji_mimo_20190714_153012_0_1563117012345_photo.jpg", AT),
        ("2019-07-14_15-30-12_UTC.jpg", AT + "+00:00"),  # Instaloader
        ("2019-07-14T15-30-12+0530.jpg", AT + "+05:30"),
        ("Picsart_19-07-14_15-30-12-123.jpg", AT + ".123"),
        ("Foto 14.07.19, 15 30 12.jpg", AT),  # iOS
        ("Photo on 7-14-19 at 3.30 PM.jpg", "2019-07-14T15:30"),  # Photo Booth
        ("Photo on 14-07-2019 at 15.30 #2.jpg", "2019-07-14T15:30"),
        ("Photo on 7-8-19 at 3.30 PM.jpg", None),  # nobody knows which is the month
        ("2019-07-14 15h30.jpg", "2019-07-14T15:30"),
        ("Adobe Scan Jul 14, 2019.jpg", "2019-07-14"),
        ("Scannable Document on Jul 14, 2019 at 3_30_12 PM.jpg", AT),
        ("14-July-2019 15.30.12.jpg", AT),
        ("Scan 2019-7-14.jpg", "2019-07-14"),
        ("Halo 7_14_2019 3_30_12 PM.png", AT),  # Xbox Game Bar
        ("FILE190714-153012F.jpg", AT),  # dashcams
        ("EMER190714-153012-000123.JPG", AT),
        ("1563117012345.jpg", "2019-07-14T15:10:12+00:00"),
        ("Screenshot_1563117012.png", "2019-07-14T15:10:12+00:00"),
        *(
            (name, None)
            for name in ("10 marathon 2019.jpg", "IMG 2019.1.2.3.jpg", "9781563117012.jpg", "1920x1080.jpg")
        ),
        *(
            (name, None)
            for name in (
                "1_14_2019.jpg",
                "FILE191332-153012.jpg",
                "DSC01234.jpg",
                "DSC_2019.jpg",
                "IMG_2019.jpg",
                "12345678.jpg",
                "20191332.jpg",
            )
        ),
        *((name, None) for name in ("received_1563117012345678.jpg", "4006381333931.jpg", "3f20190714ab12.jpg")),
        *((name, None) for name in ("19850714_101010.jpg", "29990714_101010.jpg", "20190230_101010.jpg")),
        *((name, None) for name in ("550e8400-e29b-41d4-a716-446655440000.jpg", "Photo 07-08-2019.jpg", "")),
    ],
)
def test_a_name_tells_its_date_and_a_number_none(name, expected):
    assert name_date(name) == expected


def test_the_time_of_the_file_comes_last():
    when = datetime(2014, 5, 13, 16, 53, 20)
    assert date_of_file("a.jpg", int(when.timestamp()) * 10**9) == ("2014-05-13T16:53:20", "file")
    assert date_of_file("IMG-20190714-WA0001.jpg", 0) == ("2019-07-14", "name")
    assert date_of_file("a.jpg", 0) == (None, None)  # a clock that never was set
    assert date_of_file("a.jpg", 2**63 - 1)[0] is None


@pytest.mark.parametrize(
    ("picture", "beside", "expected"),
    [
        ("IMG.jpg", ["IMG.xmp", "IMG.jpg.xmp", "OTHER.xmp"], ["IMG.jpg.xmp", "IMG.xmp"]),
        ("IMG.JPG", ["img.XMP"], ["img.XMP"]),
        ("IMG.jpg", ["IMG.jpg.json"], ["IMG.jpg.json"]),
        ("IMG.jpg", ["IMG.jpg.supplemental-metadata.json"], ["IMG.jpg.supplemental-metadata.json"]),
        ("IMG.jpg", ["IMG.jpg.suppl.json", "IMG2.jpg.json"], ["IMG.jpg.suppl.json"]),
        ("IMG(1).jpg", ["IMG.jpg(1).json", "IMG.jpg.json"], ["IMG.jpg(1).json"]),
        (
            "IMG(1).jpg",
            ["IMG.jpg.supplemental-metadata(1).json", "IMG.jpg.supplemental-metadata.json"],
            ["IMG.jpg.supplemental-metadata(1).json"],
        ),
        ("IMG.jpg", ["IMG.jpg.Metadaten.json"], ["IMG.jpg.Metadaten.json"]),
        (
            "IMG(1).jpg",
            ["IMG.jpg.métadonnées supplémentaires(1).json"],
            ["IMG.jpg.métadonnées supplémentaires(1).json"],
        ),
        ("IMG.jpg", ["IMG.jpg.métadonnées supplémentaires(1).json", "IMG.png.metadaten.json", "IMG.v2.json"], []),
        ("IMG-edited.jpg", ["IMG.jpg.supplemental-metadata.json"], ["IMG.jpg.supplemental-metadata.json"]),
        ("IMG-bearbeitet(1).jpg", ["IMG.jpg(1).json"], ["IMG.jpg(1).json"]),
        *(
            (f"IMG-{word}.jpg", ["IMG.jpg.json"], ["IMG.jpg.json"])
            for word in ("संपादित", "แก้ไขแล้ว", "أُعدِّلت", "ha editado")
        ),
        ("x" * 60 + ".jpg", ["x" * 46 + ".json"], ["x" * 46 + ".json"]),
        ("x" * 60 + "(1).jpg", ["x" * 47 + "(1).json"], ["x" * 47 + "(1).json"]),
        ("IMG_2.jpg", ["IMG_1.jpg.json", "metadata.json"], []),
    ],
)
def test_sidecars_belong_to_a_picture_by_their_names(picture, beside, expected):
    listing = SidecarListing([Sidecar(name, 1, 2) for name in beside])
    assert [sidecar.name for sidecar in listing.of(picture)] == expected


def test_a_digest_changes_with_any_sidecar():
    one, two = Sidecar("a.xmp", 1, 2), Sidecar("a.jpg.json", 1, 2)
    digests = {digest_of(found) for found in ([], [one], [two], [one, two], [one._replace(mtime_ns=3)])}
    assert len(digests) == 5 and digest_of([]) == 0


def test_a_folder_gives_back_what_it_was_given(tmp_path):
    folder = SidecarFolder()
    given = [Sidecar("a.xmp", 5, 7), Sidecar(os.fsdecode(b"b\xff.json"), 2**40, 2**62)]
    for sidecar in given:
        folder.add(*sidecar)
    assert list(folder) == given
    (tmp_path / "x.XMP").write_text("x")
    found = FoundSidecars(lambda _: False)
    found.note_folder(os.fspath(tmp_path))
    assert [sidecar.name for sidecar in found.folders[""]] == ["x.XMP"]
