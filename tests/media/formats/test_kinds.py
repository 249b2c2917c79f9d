"""What a file is, told by its first bytes; what is not read is named."""

import struct

import pytest
from known_pictures import RGB_IMAGE
from odd_files import encode
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes
from imgsearch.media.sniff import IMAGE_EXTENSIONS, LOOK_INSIDE_EXTENSIONS, begins_like_an_image, sniff


def test_extensions_are_read_or_looked_into_never_both() -> None:
    assert not IMAGE_EXTENSIONS & LOOK_INSIDE_EXTENSIONS
    wanted = "hif jfif jpe pjpeg avifs apng psd psb tga dds jp2 j2k jpx jpf icns pam pfm jxl"
    assert {"." + name for name in wanted.split()} <= IMAGE_EXTENSIONS
    assert ".svg" in LOOK_INSIDE_EXTENSIONS


def test_only_pictures_begin_like_pictures() -> None:
    assert begins_like_an_image(encode(RGB_IMAGE, "JPEG")[:64], "x.svg")
    for data in (
        b"<svg xmlns='x'/>",
        b"BMW is a maker of cars",
        b"P1 is what I said",
        b"",
        b"\0" * 64,
        b"MZ" + bytes(62),
    ):
        assert not begins_like_an_image(data[:64], "x.txt")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypmif3avif", "AVIF"),
        (b"\0\0\0\x18ftypmif3heic", "HEIF"),
        (b"\0\0\0\x18ftypavci\0\0\0\0mif1avci", "HEIF"),
        (b"\0\0\0\x18ftypj2ki\0\0\0\0mif1miaf", "HEIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", ""),
        (b"8BPS\0\2", "PSD"),
        (b"8BPS\0\7", ""),
        (b"II\xbc\x01", "JXR"),
    ],
)
def test_kinds_are_told_by_their_first_bytes(head: bytes, kind: str) -> None:
    assert sniff(head.ljust(64, b"\0")).format == kind


def test_every_kind_that_is_told_has_a_reader() -> None:
    from imgsearch.media.opening import register_format
    from imgsearch.media.sniff import _PREFIXES

    own = {"RAW", "PSD", "PAM", "JXL", "JXR", "HDR"}
    for kind in {kind.format for _, kind in _PREFIXES if kind.format} | {
        "TGA",
        "DIB",
        "PCX",
        "PCD",
        "CUR",
        "XBM",
        "HEIF",
    }:
        if kind not in own:
            register_format(kind)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x8aMNG\r\n\x1a\n", "an MNG animation"),
        (b"XPDS", "a DPX picture"),
        (b"FORM\0\0\0\x20ILBMBMHD", "an Amiga picture"),
        (b"gimp xcf v011", "a GIMP document"),
        (b"v/1\x01\2\0\0\0", "an OpenEXR picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjpm ", "layers"),
        (b"RIFF\x10\0\0\0ACONanih", "an animated mouse pointer"),
    ],
)
def test_format_that_is_not_read_is_named_and_not_called_damaged(head: bytes, words: str) -> None:
    with pytest.raises(MediaError, match=f"{words}.*not supported"):
        decode_bytes(head.ljust(200, b"\0"), 8)


def test_icons_of_classic_mac_os_are_not_called_damaged() -> None:
    with pytest.raises(MediaError, match="not supported: a macOS icon file of ICN#, icl8"):
        decode_bytes(b"icns\0\0\0\x18ICN#\0\0\0\x08icl8\0\0\0\x08", 8)


@pytest.mark.parametrize("head", [b"\0\0\0\x08wide", b"\0\0\x10\0moov", b"\0\0\1\xba", b"0&\xb2u\x8ef\xcf\x11"])
def test_videos_of_other_containers_are_called_videos(head: bytes) -> None:
    assert sniff(head.ljust(200, b"\0"), "x.jpg").description == "a video"


def test_icon_arrays_of_os2_are_named() -> None:
    with pytest.raises(MediaError, match="OS/2, which is not supported"):
        decode_bytes(b"BA" + struct.pack("<IIHH", 40, 0, 0, 0) + b"CI" + bytes(60), 8, name="x.ico")


@pytest.mark.parametrize("kind", ["PNG", "JPEG2000"])
def test_macos_icon_is_refused_by_the_size_inside(kind: str) -> None:
    """Pillow goes by the entry's name, which says 128 pixels, and takes what the entry's own header asks for."""
    inner = encode(Image.new("RGB", (128, 128)), kind)
    size = (128).to_bytes(4, "big")
    huge = inner.replace(2 * size, 2 * (60_000).to_bytes(4, "big"))
    assert huge != inner
    icon = b"icns" + (16 + len(huge)).to_bytes(4, "big") + b"ic07" + (8 + len(huge)).to_bytes(4, "big") + huge
    with pytest.raises(MediaError, match="60000 x 60000 pixels: decoding it needs"):
        decode_bytes(icon, 32)
