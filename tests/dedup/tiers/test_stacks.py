"""Names, XMP, times: what belongs together and what is called like a copy."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgsearch.dedup.belonging.stacks import (
    EDITED,
    LIVE,
    MOTION,
    RAW_AND_DNG,
    VERSIONS,
    Stack,
    StackFile,
    belong_together,
    find_stacks,
    stack_key,
)
from imgsearch.media.samples.whole import FileTraits
from imgsearch.media.sniff import RAW_EXTENSIONS

RAW_JPEG = "RAW and its JPEG"
FORMATS = {
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "heic": "HEIF",
    "tif": "TIFF",
    "png": "PNG",
    "mov": "",
    "mp4": "",
    "gif": "GIF",
}


def file(path: str, taken: str | None = None, traits: FileTraits | None = None) -> StackFile:
    extension = path.rpartition(".")[2].lower()
    path = path if path.startswith("/") else "/photos/" + path
    return StackFile(path, "RAW" if f".{extension}" in RAW_EXTENSIONS else FORMATS.get(extension, ""), taken, traits)


def together(first: str, second: str) -> str:
    one, other = file(first), file(second)
    found = belong_together(one, other)
    assert belong_together(other, one) == found
    in_folder = find_stacks([one, other])
    if one.path.rpartition("/")[0] == other.path.rpartition("/")[0]:
        expected = [Stack(found, tuple(sorted((one.path, other.path))))] if found else []
        assert in_folder == expected
        assert not found or stack_key(one.path) == stack_key(other.path)
    return found


PAIRS = {
    RAW_JPEG: [
        "IMG_1.CR2 | IMG_1.JPG", "img_1.nef | IMG_1.jpeg", "DSC_0001.NEF | DSC_0001-1.jpg",
        "DSC_0001.ARW | DSC_0001_01.jpg", "DSC_0001.CR3 | DSC_0001_02.jpg", "P1.RW2 | P1-Edit.jpg",
        "P1.RW2 | P1 (1).jpg", "P1 (1).RW2 | P1 (1).jpg",
        "PXL_20230101_120000000.RAW-02.ORIGINAL.dng | PXL_20230101_120000000.RAW-01.COVER.jpg",
        "PXL_20230101_120000000.RAW-02.ORIGINAL.dng | PXL_20230101_120000000.RAW-01.MP.COVER.jpg",
        "PXL_20230101_120000000.dng | PXL_20230101_120000000.jpg", "_MG_1.CRW | _MG_1_embedded.jpg",
        "a.DNG | A.JPG", "DSCF1.RAF | DSCF1_DxO.jpg", "raw/DSC_0001.NEF | jpg/DSC_0001.JPG",
    ],
    "RAW and its HEIC": [
        "IMG_1.DNG | IMG_1.HEIC",
    ],
    "RAW and its TIFF": [
        "IMG_1.NEF | IMG_1.tif", "DSC1.NEF | DSC1-Edit.tif", "DSC1.ARW | DSC1-Enhanced-NR-Edit-2.tif",
    ],
    RAW_AND_DNG: [
        "IMG_1.NEF | IMG_1.dng",
    ],
    EDITED: [
        "DSC_1.jpg | DSC_1-topaz-denoise-faceai.jpg", "DSC_1.jpg | DSC_1-gigapixel-standard v2-2x.jpg",
        "DSC_1.jpg | DSC_1-Colorized-Enhanced.jpg", "DSC_1.jpg | DSC_1-Repaired.jpg",
        "DSC_1.jpg | DSC_1-DeNoiseAI-low-light.jpg",
        "IMG_1234.JPG | IMG_E1234.JPG", "IMG_1234.HEIC | IMG_E1234.HEIC", "IMG_1234.HEIC | IMG_E1234.JPG",
        "AROP4792.JPG | AROPE4792.JPG", "IMG_1234 (1).HEIC | IMG_E1234 (1).HEIC", "X.jpg | X-edited.jpg",
        "X.jpg | X-bearbeitet.jpg", "X.jpg | X-modifié.jpg", "X.jpg | X-modifie\u0301.jpg",
        "X.jpg | X-ha editado.jpg", "X.jpg | X-編集済み.jpg", "X.jpg | X-edytowane.jpg", "X.jpg | X-bewerkt.jpg",
        "X.jpg | X-modificato.jpg", "X.jpg | X-отредактировано.jpg", "X.jpg | X-已编辑.jpg", "X.jpg | X-편집됨.jpg",
        "X.jpg | X-düzenlendi.jpg", "X.jpg | X-redigerad.jpg", "X.jpg | X-muokattu.jpg",
        "X.jpg | X-upraveno.jpg", "X.jpg | X-diedit.jpg", "X.jpg | X-แก้ไขแล้ว.jpg", "X.jpg | X (edited).jpg",
        "X.jpg | X_edit.jpg", "X.jpg | X_edited.jpeg", "X.jpg | X-Edit.tif", "X.tif | X-Edit-2.tif",
        "X.jpg | X-Bearbeitet.tif", "X.jpg | X-Enhanced-NR.jpg", "DSC_1.jpg | DSC_1-Verbessert-RR.jpg",
        "X(1).jpg | X-edited(1).jpg", "X.jpg | X-edited(1).jpg", "X.jpg | X.EDITED.jpg",
        "20200101_120000.jpg | 20200101_120000_edited.jpg",
        "20200101_120000.jpg | 20200101_120000_edit_1577880000000.jpg",
        "PXL_20230101_120000000.jpg | PXL_20230101_120000000~2.jpg",
        "PXL_20230101_120000000.MP.jpg | PXL_20230101_120000000.MP~2.jpg",
        "PXL_20230101_120000000.jpg | PXL_20230101_120000000.NIGHT.jpg",
        "PXL_20230101_120000000.PORTRAIT-01.COVER.jpg | PXL_20230101_120000000.PORTRAIT-02.ORIGINAL.jpg",
        "PXL_20230101_120000000.PORTRAIT.jpg | PXL_20230101_120000000.PORTRAIT.ORIGINAL.jpg",
        "PXL_20230101_120000000.PORTRAIT.jpg | PXL_20230101_120000000.PORTRAIT-modifié.jpg",
        "PXL_20230809_203449253.LONG_EXPOSURE-01.COVER.jpg | PXL_20230809_203449253.LONG_EXPOSURE-02.ORIGINAL.jpg",
        "00000PORTRAIT_00000_BURST20190530194629111.jpg | 00100lrPORTRAIT_00100_BURST20190530194629111_COVER.jpg",
        "IMG_1.jpg | IMG_1-COLLAGE.jpg", "IMG_1.jpg | IMG_1-EFFECTS.jpg", "IMG_1.jpg | IMG_1-ANIMATION.gif",
        "IMG_20150125.jpg | IMG_20150125-MIX.jpg", "IMG_1.jpg | IMG_1_shotwell.jpg",
        "a.jpg | a (Modified in GIMP).jpg", "X.jpg | X-HDR.jpg", "X.jpg | X-Pano.tif",
        "IMG_1.JPG | IMG_1_v1.JPG", "DSC1.jpg | DSC1_DxO_DeepPRIME.jpg",
        "Screenshot_2023-10-28-09-31-43-118_com.snapchat.png | Screenshot_2023-10-28-09-31-43-118_com.snapchat-ed.png",
        "X-Edit.tif | X-Edit-Edit.tif", "one/X.jpg | two/X-edited.jpg",
    ],
    VERSIONS: [
        "X-Edit.tif | X-HDR.tif", "X~2.jpg | X~3.jpg",
    ],
    MOTION: [
        "MVIMG_20200621_200240.jpg | IMG_20200621_200240.jpg",
        "PXL_20230101_120000000.MP.jpg | PXL_20230101_120000000.jpg",
        "PXL_20230101_120000000.NIGHT.MP.jpg | PXL_20230101_120000000.NIGHT.jpg",
    ],
    LIVE: [
        "IMG_1.HEIC | IMG_1.MOV", "IMG_1.JPG | img_1.mp4", "IMG_1.HEIC | IMG_1_HEVC.MOV",
        "PXL_20230101_120000000.MP.jpg | PXL_20230101_120000000.MP",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "pair"), [(kind, pair) for kind, pairs in PAIRS.items() for pair in pairs])
def test_files_that_belong_together_are_told_by_their_names(kind: str, pair: str) -> None:
    first, second = pair.split(" | ")
    assert together(first, second) == kind


@pytest.mark.parametrize(
    "pair",
    [
        "IMG_1.jpg | IMG_1 (1).jpg", "IMG_1.jpg | IMG_1(1).jpg", "IMG_1.jpg | IMG_1 - Copy.jpg",
        "IMG_1.jpg | IMG_1 copy.jpg", "IMG_1.jpg | IMG_1 copy 2.jpg", "IMG_1.jpg | IMG_1_1.jpg",
        "IMG_1.jpg | IMG_1-1.jpg", "IMG_1.jpg | IMG_1 - Kopie.jpg", "IMG_1.jpg | IMG_1 - Copy (2).jpg",
        "IMG_1.jpg | IMG_1 (copy).jpg", "IMG_1.jpg | Copy of IMG_1.jpg",
        "IMG_1.jpg | IMG_1 (another copy).jpg", "IMG_1.jpg | IMG_1 - コピー.jpg", "IMG_1.jpg | IMG_1_copy.jpg",
        "IMG_1.jpg | IMG_1.png", "IMG_1.heic | IMG_1.jpg", "IMG_1.tif | IMG_1.jpg", "IMG_1.jpg | IMG_2.jpg",
        "IMG_1.NEF | IMG_2.jpg", "IMG_1.NEF | IMG_10.jpg", "IMG_1.NEF | IMG_1 (1).NEF",
        "IMG_0001.jpg | IMG_0002.jpg", "DSC_1234.NEF | DSC_1235.JPG", "IMG_1234.jpg | IMG_E1235.jpg",
        "X-edited.jpg | X-edited (1).jpg", "X-Edit.tif | X-Edit-2.tif", "X-edited.jpg | Y.jpg",
        "X~2.jpg | X~2 (1).jpg", "PXL_20230101_120000000.MP.jpg | PXL_20230101_120000000.MP(1).jpg",
        "PXL_20230101_120000000.jpg | PXL_20230101_120000001.jpg", "edited.jpg | a.jpg",
        "IMG_1.MOV | IMG_1.MP4", "IMG_1.HEIC | IMG_2.MOV", "one/IMG_1.HEIC | two/IMG_1.MOV",
        "one/IMG_1.jpg | two/IMG_1.jpg", "meditate.jpg | m.jpg", "X(1).jpg | X-edited(2).jpg",
        "smile.jpg | .jpg", "credited.jpg | cr.jpg", "IMG_1.NEF | IMG_1.CR2",
    ],
)  # fmt: skip
def test_names_of_copies_and_of_other_pictures_are_no_stack(pair: str) -> None:
    first, second = pair.split(" | ")
    assert together(first, second) == ""


STEMS = st.text(st.characters(codec=None, exclude_characters="/\0"), min_size=1, max_size=60)
COPIES = st.sampled_from(
    [
        " (1)",
        "(2)",
        " - Copy",
        " copy",
        " copy 3",
        "_1",
        "-2",
        " - Kopie",
        " - Copy (2)",
        " (copy)",
        "_copy",
        " - コピー",
    ]
)


@settings(max_examples=100, deadline=None)
@given(STEMS, COPIES, st.sampled_from([".jpg", ".HEIC", ".png", ".NEF"]))
@example("IMG_1-edited", " (1)", ".jpg")
@example("x" * 43 + "-e", "_1", ".jpg")
@example("PXL_20230101_120000000.MP", "(2)", ".jpg")
def test_name_of_a_plain_copy_is_never_a_stack(stem: str, copy: str, extension: str) -> None:
    assert together(stem + extension, stem + copy + extension) == ""


TRAITS = st.none() | st.builds(
    FileTraits,
    film=st.booleans(),
    raw=st.booleans(),
    taken=st.sampled_from(["", "2024-05-01T10:00:00", "2024-05-01T10:00:00.250+02:00", "nonsense"]),
    camera=st.sampled_from(["", "Canon EOS R6", "Apple iPhone"]),
    document=st.sampled_from(["", "xmp.did:1234", "xmp.did:5678"]),
    derived_from=st.sampled_from(["", "xmp.did:1234", "1"]),
)
NAMES = st.sampled_from(
    ["IMG_1", "IMG_1-edited", "IMG_1 (1)", "IMG_E1234", "IMG_1234", "MVIMG_1", "a~2", "a", "\udcff"]
)
FILES = st.builds(
    lambda folder, name, extension, taken, traits: file(f"/{folder}/{name}{extension}", taken, traits),
    st.sampled_from(["p", "q/r"]),
    NAMES,
    st.sampled_from([".jpg", ".JPG", ".nef", ".dng", ".heic", ".mov", ".tif", ""]),
    st.sampled_from([None, "2024-05-01T10:00:00", "2024-05-01 10:00:00"]),
    TRAITS,
)


@settings(max_examples=100, deadline=None)
@given(FILES, FILES)
def test_belonging_together_is_symmetric(first: StackFile, second: StackFile) -> None:
    assert belong_together(first, second) == belong_together(second, first)
    assert belong_together(first, first) == ""


@settings(max_examples=60, deadline=None)
@given(st.lists(FILES, max_size=12))
def test_stacks_are_what_belongs_together_pair_by_pair(files: list[StackFile]) -> None:
    found = find_stacks(files)
    paths = [path for stack in found for path in stack.files]
    assert len(paths) == len(set(paths))
    given_files = {each.path: each for each in files}
    for stack in found:
        kinds = {belong_together(given_files[a], given_files[b]) for a, b in itertools.combinations(stack.files, 2)}
        assert stack.kind in kinds and len(stack.files) > 1
    where = {path: stack for stack in found for path in stack.files}
    for one, other in itertools.combinations(given_files.values(), 2):
        same_folder = one.path.rpartition("/")[0] == other.path.rpartition("/")[0]
        raw_or_edit = belong_together(file(one.path), file(other.path))  # by their names alone
        if same_folder and raw_or_edit and belong_together(one, other):
            assert where[one.path] is where[other.path]


def test_stack_of_several_kinds_is_one_and_called_by_the_first() -> None:
    files = [file(name) for name in ("DSC1.NEF", "DSC1.JPG", "DSC1-Edit.tif", "DSC1.MOV", "DSC2.JPG", "DSC1 (1).JPG")]
    (stack,) = find_stacks(files)
    assert stack.kind.startswith("RAW and its ")
    assert [path.removeprefix("/photos/") for path in stack.files] == [
        "DSC1 (1).JPG",
        "DSC1-Edit.tif",
        "DSC1.JPG",
        "DSC1.MOV",
        "DSC1.NEF",
    ]


def test_xmp_binds_an_edit_to_its_original_in_any_folder() -> None:
    original = file("/a/L1.jpg", traits=FileTraits(document="xmp.did:1111", original_document="xmp.did:1111"))
    export = FileTraits(document="xmp.did:2222", derived_from="xmp.did:1111")
    saved = FileTraits(document="xmp.did:3333", original_document="xmp.did:1111")
    assert belong_together(original, file("/b/print.jpg", traits=export)) == EDITED
    assert belong_together(original, file("/b/saved.jpg", traits=saved)) == EDITED
    assert find_stacks([original, file("/b/print.jpg", traits=export)]) == [
        Stack(EDITED, ("/a/L1.jpg", "/b/print.jpg"))
    ]
    raw = file("/a/L1.NEF", traits=FileTraits(raw=True, document="xmp.did:1111"))
    assert belong_together(raw, file("/b/print.jpg", traits=export)) == RAW_JPEG


def test_copies_of_one_file_have_one_document_and_are_no_edit() -> None:
    told = FileTraits(document="xmp.did:1111", original_document="xmp.did:1111", derived_from="xmp.did:0000")
    assert belong_together(file("/a/1.jpg", traits=told), file("/b/1.jpg", traits=told)) == ""
    exports = [FileTraits(document=f"xmp.did:222{at}", derived_from="xmp.did:1111") for at in range(2)]
    assert belong_together(file("/a/1.jpg", traits=exports[0]), file("/b/2.jpg", traits=exports[1])) == ""
    made_up = FileTraits(document="1"), FileTraits(document="2", derived_from="1")
    assert belong_together(file("/a/1.jpg", traits=made_up[0]), file("/b/2.jpg", traits=made_up[1])) == ""


def test_film_inside_makes_a_motion_photo_of_one_name_or_moment() -> None:
    motion = FileTraits(film=True, taken="2024-05-01T10:00:00")
    still = FileTraits(taken="2024-05-01T10:00:00")
    later = FileTraits(taken="2024-05-01T10:00:05")
    assert belong_together(file("a.jpg", traits=motion), file("a.heic", traits=still)) == MOTION
    assert belong_together(file("a.jpg", traits=motion), file("b.jpg", traits=still)) == MOTION
    assert belong_together(file("a.jpg", traits=motion), file("b.jpg", traits=later)) == ""
    assert belong_together(file("a.jpg", traits=motion), file("/else/b.jpg", traits=still)) == ""
    # Names alone are believed only where nobody looked inside.
    for traits in (motion, still):
        pair = (file("MVIMG_20200101.jpg", traits=traits), file("IMG_20200101.jpg", traits=traits))
        assert belong_together(*pair) == ""


def test_raw_and_picture_of_one_moment_belong_together_in_any_folder() -> None:
    raw = file("/raw/DSC_0001.NEF", "2024-05-01T10:00:00")
    assert belong_together(raw, file("/jpg/DSC_0001.JPG", "2024-05-01 10:00:00.50+02:00")) == RAW_JPEG
    assert find_stacks([raw, file("/jpg/DSC_0001.JPG", "2024-05-01T10:00:00")])[0].kind == RAW_JPEG
    assert belong_together(raw, file("/jpg/DSC_0001.JPG", "2023-05-01T10:00:00")) == ""  # the numbers came round
    camera = FileTraits(raw=True, taken="2024-05-01T10:00:00.10", camera="Nikon Z6")
    named = FileTraits(taken="2024-05-01T10:00:00.10", camera="Nikon Z6")
    other = FileTraits(taken="2024-05-01T10:00:00.60", camera="Nikon Z6")
    assert belong_together(file("/a/1.NEF", traits=camera), file("/b/harbour.jpg", traits=named)) == RAW_JPEG
    assert belong_together(file("/a/1.NEF", traits=camera), file("/b/harbour.jpg", traits=other)) == ""


def test_many_files_under_one_name_are_told_quickly() -> None:
    files = [file(f"Foto ({number}).jpg") for number in range(1500)]
    files += [file(f"frame~{at}_{number}.jpg") for at in range(99) for number in range(20)]
    assert all(stack.kind == VERSIONS for stack in find_stacks(files))
