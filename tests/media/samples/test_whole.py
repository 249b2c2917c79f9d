"""`describe_file`: what the headers of a file tell, without decoding it."""

import contextlib
import io
import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from iso_files import coded, iso_file
from odd_files import encode, in_mode, p3_profile, photo, png_chunk, tiff_of
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational
from whole_files import (
    FILM,
    Page,
    animation,
    box,
    deep_png,
    mpo_bytes,
    ppm_bytes,
    samsung_trailer,
    tiff_bytes,
    with_segment,
    with_xmp,
    write,
    xmp_packet,
)

from imgsearch.errors import MediaError
from imgsearch.media.samples.whole import FileTraits, describe_file, read_samples
from imgsearch.media.source import ContentChanged

JPEG = encode(photo(), "JPEG", quality=90)
PNG = encode(photo(), "PNG")


@pytest.fixture
def traits(tmp_path: Path):
    def read(data: bytes, name: str = "picture") -> FileTraits:
        return describe_file(write(tmp_path, name, data))

    return read


def exif_of(
    details: dict[int, object] | None = None, gps: dict[int, object] | None = None, **tags: object
) -> Image.Exif:
    exif = Image.Exif()
    names = {"make": 0x010F, "model": 0x0110, "software": 0x0131, "edited": 0x0132, "description": 0x010E}
    for name, value in tags.items():
        exif[names[name]] = value
    exif.get_ifd(0x8769).update(details or {})
    exif.get_ifd(0x8825).update(gps or {})
    return exif


def test_ordinary_photograph_has_one_picture(traits) -> None:
    found = traits(JPEG)
    assert found == FileTraits(lossless=False, steps=736)  # libjpeg's table of quality 90
    assert traits(PNG) == FileTraits(lossless=True)


def test_traits_survive_json(traits) -> None:
    exif = exif_of({0x9003: "2019:05:03 10:00:00", 0x829A: IFDRational(1, 250)}, make="Canon", model="Canon EOS R5")
    found = traits(encode(photo(), "JPEG", exif=exif))
    stored = json.loads(json.dumps(found.to_json()))
    assert FileTraits.from_json(stored | {"later": 1}) == found
    assert stored["told"] == ["camera", "date"]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_frames_are_counted(traits, kind: str) -> None:
    assert traits(animation(kind, ["red", "green", "blue"])).images == 3
    assert traits(encode(photo(), kind)).images == 1


def test_default_image_of_an_apng_is_counted(traits) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "green", "blue")]
    data = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True)
    assert traits(data).images == 3


def test_pictures_of_an_mpo_are_counted_by_their_kind(traits) -> None:
    other = encode(photo(seed=1), "JPEG")
    counts = {0x020002: 2, 0x020003: 2, 0x020001: 2, 0x010001: 1, 0x010002: 1, 0: 2}
    for kind, count in counts.items():
        assert traits(mpo_bytes([JPEG, other], [0x030000, kind])).images == count, hex(kind)
    assert traits(mpo_bytes([JPEG, other, other], [0x020002, 0x020002, 0x010002])).images == 3


def test_gain_and_depth_maps_are_no_pictures(traits) -> None:
    own = [b'hdrgm:Version="1.0"', b"<HDRGainMap:HDRGainMapVersion>1", b"<apdi:AuxiliaryImageType>", b'GDepth:Near="1"']
    for words in own:
        mapped = with_xmp(encode(photo().convert("L"), "JPEG"), words)
        found = traits(mpo_bytes([JPEG, mapped], [0x030000, 0]))
        assert (found.images, found.maps) == (1, 1), words
    iso = with_segment(JPEG, 0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    assert traits(mpo_bytes([JPEG, iso], [0x030000, 0])).images == 1
    directory = xmp_packet(
        elements='<Container:Directory Item:Semantic="Primary"/><Container:D Item:Semantic="GainMap"/>'
    )
    assert traits(mpo_bytes([with_xmp(JPEG, directory), JPEG], [0x030000, 0])).images == 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode(photo(), "PNG", dpi=(300, 300)), 300),
        (encode(photo(), "JPEG", dpi=(600, 600)), 600),
        (encode(photo(), "TIFF", dpi=(1200, 1200)), 1200),
        (encode(photo(), "TIFF", resolution=118.11, resolution_unit="cm"), 300),
        (encode(photo(), "JPEG", dpi=(72, 72)), 0),  # programs write these without knowing
        (encode(photo(), "PNG", dpi=(96, 96)), 0),
        (PNG, 0),
    ],
)
def test_printed_size_is_told_where_a_program_knew_it(traits, data: bytes, expected: int) -> None:
    assert traits(data).density == pytest.approx(expected, abs=0.5)


def test_maps_are_told_apart_by_their_bytes(traits) -> None:
    one, other = (with_xmp(encode(photo(seed=seed).convert("L"), "JPEG"), b'hdrgm:Version="1.0"') for seed in (1, 2))
    found = [traits(mpo_bytes([JPEG, each], [0x030000, 0])) for each in (one, other, one)]
    named = [traits(with_appended_map(each)) for each in (one, other, one)]
    for first, second, again in (found, named):
        assert (first.maps, len(first.map_digest)) == (1, 64)
        assert first.map_digest == again.map_digest != second.map_digest
    as_text = with_xmp(mpo_bytes([JPEG, one], [0x030000, 0]), b'GDepth:Data="AAAA"')
    assert (traits(as_text).maps, traits(as_text).map_digest) == (2, "")


def with_appended_map(data: bytes) -> bytes:
    """A JPEG whose gain map only Google's container of items names; it lies before a film of 40 bytes."""
    items = (("Primary", 0), ("GainMap", len(data)), ("MotionPhoto", 40))
    elements = "".join(f'<Container:Item Item:Semantic="{name}" Item:Length="{size}"/>' for name, size in items)
    return with_xmp(JPEG, xmp_packet(elements=elements)) + data + bytes(40)


def test_maps_of_a_heic_are_told_apart_by_their_bytes(traits) -> None:
    shown, maps = coded(photo(), "HEIF"), [coded(photo(seed=seed).convert("L"), "HEIF") for seed in (1, 2)]
    digests = []
    for each in maps:
        each.properties.append((b"auxC", bytes(4) + b"urn:com:apple:photo:2020:aux:hdrgainmap\0"))
        each.references = (b"auxl", (1,))
        found = traits(iso_file([shown, each]))
        assert (found.images, found.maps) == (1, 1)
        digests.append(found.map_digest)
    assert "" not in digests and len(set(digests)) == 2


def test_part_that_was_cut_off_is_not_counted(traits) -> None:
    stereo = mpo_bytes([JPEG, encode(photo(seed=1), "JPEG")], [0x020002, 0x020002])
    assert traits(stereo).images == 2
    assert traits(stereo[: len(JPEG) + 90]).images == 1


def test_icons_and_netpbm_files_are_counted(traits) -> None:
    icon = traits(encode(photo(64, 64), "ICO", sizes=[(64, 64), (32, 32), (16, 16)]))
    assert (icon.images, icon.main) == (3, 0)
    assert traits(ppm_bytes(np.asarray(photo()), 255) * 3).images == 3


def test_depth_is_that_of_the_samples(traits) -> None:
    deep = np.arange(60, dtype=np.uint16).reshape(4, 5, 3)
    assert traits(deep_png(deep)).depth == 16
    assert traits(tiff_bytes([Page(deep)])).depth == 16
    assert traits(ppm_bytes(deep, 65535)).depth == 16
    assert traits(ppm_bytes(deep, 1023)).depth == 10
    assert traits(encode(in_mode(photo(), "F"), "TIFF")).depth == 32
    assert traits(encode(photo().convert("1"), "PNG")).depth == 1
    assert traits(encode(photo().quantize(4), "PNG", bits=2)).depth == 8  # a palette
    assert traits(JPEG).depth == traits(encode(photo(), "GIF")).depth == 8


def test_depth_of_heif_is_told_by_its_properties(traits) -> None:
    hevc = bytes(17) + bytes([0b11111010]) + bytes(5)  # bit_depth_luma_minus8 = 2
    assert traits(heif_bytes([box(b"hvcC", hevc)])).depth == 10
    assert traits(heif_bytes([box(b"pixi", bytes(4) + bytes([3, 12, 12, 12]))])).depth == 12


def heif_bytes(properties: list[bytes], *, film: bytes = b"", kinds: tuple[bytes, ...] = (b"hvc1",)) -> bytes:
    """A HEIC without pixels: items of these kinds that all have the same properties; the first is the main one."""
    infos = b"".join(
        box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", number, 0, kind) + b"\0")
        for number, kind in enumerate(kinds, 1)
    )
    info = box(b"iinf", bytes(4) + struct.pack(">H", len(kinds)) + infos)
    uses = bytes([len(properties), *range(1, len(properties) + 1)])
    ipma = (
        bytes(4) + struct.pack(">I", len(kinds)) + b"".join(struct.pack(">H", n + 1) + uses for n in range(len(kinds)))
    )
    meta = box(b"hdlr", bytes(8) + b"pict" + bytes(13)) + box(b"pitm", bytes(4) + struct.pack(">H", 1)) + info
    meta += box(b"iprp", box(b"ipco", b"".join(properties)) + box(b"ipma", ipma))
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + box(b"meta", bytes(4) + meta) + film


def track(handler: bytes, samples: int) -> bytes:
    sizes = box(b"stsz", bytes(8) + struct.pack(">I", samples))
    media = box(b"hdlr", bytes(8) + handler + bytes(13)) + box(b"minf", box(b"stbl", sizes))
    return box(b"moov", box(b"trak", box(b"mdia", media)))


def test_pictures_of_a_heic_are_counted_without_its_metadata(traits) -> None:
    assert traits(heif_bytes([], kinds=(b"hvc1", b"Exif", b"hvc1", b"mime"))).images == 2
    assert traits(heif_bytes([], film=track(b"pict", 24))).images == 24


def test_alpha_is_told_from_the_header(traits) -> None:
    clear = photo().convert("RGBA")
    clear.putalpha(100)
    for kind in ("PNG", "WEBP", "TIFF", "AVIF", "QOI", "JPEG2000"):
        assert traits(encode(clear, kind)).has_alpha, kind
        assert not traits(encode(photo(), kind)).has_alpha, kind
    assert traits(encode(clear, "WEBP", lossless=True)).has_alpha
    assert traits(encode(photo().quantize(8), "GIF", transparency=0)).has_alpha
    assert traits(encode(photo(), "PNG", transparency=(1, 2, 3))).has_alpha


def test_lossless_is_told_from_the_encoding(traits) -> None:
    for kind in ("PNG", "BMP", "GIF", "TIFF", "ICO", "QOI", "PPM"):
        assert traits(encode(photo(), kind)).lossless is True, kind
    assert traits(encode(photo(), "TIFF", compression="jpeg")).lossless is False
    assert traits(encode(photo(), "WEBP")).lossless is False
    assert traits(encode(photo(), "WEBP", lossless=True)).lossless is True
    assert traits(animation("WEBP", ["red", "blue"], lossless=True)).lossless is True
    assert traits(encode(photo(), "AVIF")).lossless is None
    assert traits(encode(photo(), "JPEG2000", irreversible=True)).lossless is False


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def grey_profile(gamma: float) -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    table = b"kTRC" + struct.pack(">II", 144, len(curve))
    header = bytes(16) + b"GRAYXYZ " + bytes(12) + b"acsp" + bytes(88)
    return header + struct.pack(">I", 1) + table + curve


def test_profile_is_empty_for_srgb_and_named_for_others(traits) -> None:
    assert traits(encode(photo(), "JPEG", icc_profile=srgb())).profile == ""
    wide = {traits(encode(photo(), kind, icc_profile=p3_profile())).profile for kind in ("JPEG", "PNG", "WEBP", "TIFF")}
    assert len(wide) == 1
    assert wide.pop().startswith("Display P3 ")
    assert traits(encode(photo(), "JPEG", icc_profile=b"rubbish" * 40)).profile == ""
    grey = photo().convert("L")
    assert traits(encode(grey, "JPEG", icc_profile=grey_profile(2.2))).profile == ""
    assert traits(encode(grey, "JPEG", icc_profile=grey_profile(1.8))).profile.startswith("GRAY ")
    # A grey profile on a picture of colours says nothing.
    assert traits(encode(photo(), "JPEG", icc_profile=grey_profile(1.8))).profile == ""


def test_code_points_name_a_profile(traits) -> None:
    def tagged(*codes: int) -> str:
        return traits(PNG[:33] + png_chunk(b"cICP", bytes(codes)) + PNG[33:]).profile

    assert tagged(1, 13, 0, 1) == ""
    assert tagged(9, 16, 0, 1) == "cicp 9-16"
    assert tagged(12, 13, 0, 1) == traits(encode(photo(), "PNG", icc_profile=p3_profile())).profile
    nclx = box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 18, 9, 128))
    assert traits(heif_bytes([nclx])).profile == "cicp 9-18"


def test_gamma_of_a_png_names_a_profile(traits) -> None:
    def with_gamma(value: int) -> str:
        return traits(PNG[:33] + png_chunk(b"gAMA", struct.pack(">I", value)) + PNG[33:]).profile

    assert with_gamma(45455) == ""
    assert with_gamma(100_000) == "gamma 1.00"


def test_adobe_rgb_is_told_by_the_interoperability_index(traits) -> None:
    # Pillow does not write the table: EXIF -> Interoperability IFD (0xA005) -> index "R03".
    interop = struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    details = struct.pack("<HHHIII", 1, 0xA005, 4, 1, 8 + 18 + 18, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0) + details + interop
    assert traits(encode(photo(), "JPEG", exif=exif)).profile.startswith("Adobe RGB ")


MOTION = [
    'GCamera:MotionPhoto="1"',
    f'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(FILM)}"',
]


@pytest.mark.parametrize("properties", MOTION)
def test_motion_photo_holds_a_film(traits, properties: str) -> None:
    named = with_xmp(JPEG, xmp_packet(properties))
    assert traits(named + FILM).film
    assert not traits(named).film  # an editor kept the words and dropped the film
    assert not traits(JPEG).film


def test_motion_photo_by_its_directory_holds_a_film(traits) -> None:
    items = f'<Container:Directory Item:Semantic="MotionPhoto" Item:Length="{len(FILM)}"/>'
    assert traits(with_xmp(JPEG, xmp_packet(elements=items)) + FILM).film


def test_appended_film_is_found_without_words(traits) -> None:
    assert traits(JPEG + FILM).film
    assert traits(JPEG + FILM + b"LIVE_1234567890").film  # Huawei
    assert traits(PNG + FILM).film
    assert traits(encode(photo(), "WEBP") + FILM).film
    assert not traits(JPEG + b"PK\x03\x04" + bytes(500)).film


def test_samsungs_trailer_tells_of_a_film(traits) -> None:
    film = (0x0A30, b"MotionPhoto_Data", FILM)
    stamp = (0x0A01, b"Image_UTC_Data", b"1556870400000")
    assert traits(JPEG + samsung_trailer([stamp, film])).film
    assert not traits(JPEG + samsung_trailer([stamp])).film


def test_heic_holds_a_film_beside_its_still(traits) -> None:
    assert traits(heif_bytes([], film=box(b"mpvd", FILM))).film
    assert traits(heif_bytes([], film=track(b"vide", 40))).film
    assert not traits(heif_bytes([])).film
    assert not traits(animation("AVIF", ["red", "blue"])).film


RESOURCE = 'rdf:parseType="Resource"'
REGION = '<rdf:li><rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face"/></rdf:li>'
REGIONS = f"<mwg-rs:RegionList><rdf:Bag>{REGION}</rdf:Bag></mwg-rs:RegionList>"
TITLE = '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">東京</rdf:li></rdf:Alt></dc:title>'


def taken(traits, details: dict[int, object], **tags: object) -> str:
    return traits(encode(photo(), "JPEG", exif=exif_of(details, **tags))).taken


def test_capture_time_has_sub_seconds_and_offset(traits) -> None:
    date = "2019:05:03 10:00:00"
    assert taken(traits, {0x9003: date}) == "2019-05-03T10:00:00"
    assert taken(traits, {0x9003: date, 0x9291: "25", 0x9011: "+02:00"}) == "2019-05-03T10:00:00.25+02:00"
    assert taken(traits, {0x9003: date, 0x9291: "250 "}) == "2019-05-03T10:00:00.25"
    assert taken(traits, {0x9003: date, 0x9291: "00", 0x9011: "Z"}) == "2019-05-03T10:00:00.0+00:00"
    assert taken(traits, {0x9004: date, 0x9292: "5", 0x9291: "9"}) == "2019-05-03T10:00:00.5"
    assert taken(traits, {0x9003: "2019:05:03 24:10:00"}) == "2019-05-03T00:10:00"


def test_capture_time_is_never_the_time_of_editing(traits) -> None:
    assert taken(traits, {}, edited="2024:01:01 00:00:00") == ""
    for nothing in ("0000:00:00 00:00:00", "    :  :     :  :  ", "2019:02:30 10:00:00", "yesterday"):
        assert taken(traits, {0x9003: nothing}, edited="2024:01:01 00:00:00") == "", nothing


def test_capture_time_of_xmp_counts_where_exif_is_silent(traits) -> None:
    packet = xmp_packet('exif:DateTimeOriginal="2019-05-03T10:00:00.250+02:00"')
    assert traits(with_xmp(JPEG, packet)).taken == "2019-05-03T10:00:00.25+02:00"


def test_camera_has_its_serial_number(traits) -> None:
    exif = exif_of({0xA431: "0123"}, make="Canon", model="Canon EOS R5")
    assert traits(encode(photo(), "JPEG", exif=exif)).camera == "Canon EOS R5 #0123"
    exif = exif_of({0xA431: "0000"}, make="NIKON CORPORATION", model="D90")
    assert traits(encode(photo(), "JPEG", exif=exif)).camera == "NIKON CORPORATION D90"


def test_exposure_is_told_in_lowest_terms(traits) -> None:
    details = {
        0x829A: IFDRational(10, 2500),
        0x829D: IFDRational(28, 10),
        0x8827: 400,
        0x9204: IFDRational(-2, 3),
        0x920A: IFDRational(50, 1),
        0xA403: 0,
        0x9206: IFDRational(0, 1),
        0x9209: 16,
        0xA420: "a1b2",
        0x9208: 0,
    }
    found = traits(encode(photo(), "JPEG", exif=exif_of(details))).shot
    assert found == {
        "exposure_time": "1/250",
        "f_number": "14/5",
        "iso": "400",
        "exposure_bias": "-2/3",
        "focal_length": "50",
        "white_balance": "0",
        "flash": "16",
        "image_number": "a1b2",
    }


def test_exposure_of_nothing_is_left_out(traits) -> None:
    details = {0x829A: IFDRational(0, 0), 0x9206: IFDRational(0xFFFFFFFF, 1), 0xA420: "0" * 32}
    assert traits(encode(photo(), "JPEG", exif=exif_of(details))).shot == {}


@pytest.mark.parametrize(
    ("kind", "packet"),
    [
        ("words", xmp_packet(elements="<dc:subject><rdf:Bag><rdf:li>beach</rdf:li></rdf:Bag></dc:subject>")),
        (
            "words",
            xmp_packet(elements=TITLE),
        ),
        ("rating", xmp_packet('xmp:Rating="4"')),
        ("rating", xmp_packet('xmp:Label="Red"')),
        ("place", xmp_packet('exif:GPSLatitude="47,22.5N"')),
        ("date", xmp_packet('exif:DateTimeOriginal="2019-05-03T10:00:00"')),
        ("people", xmp_packet(elements=f"<mwg-rs:Regions {RESOURCE}>{REGIONS}</mwg-rs:Regions>")),
        (
            "history",
            xmp_packet(elements='<xmpMM:History><rdf:Seq><rdf:li stRef:instanceID="x"/></rdf:Seq></xmpMM:History>'),
        ),
    ],
)
def test_kinds_of_metadata_are_told_from_xmp(traits, kind: str, packet: bytes) -> None:
    assert traits(with_xmp(JPEG, packet)).told == {kind}
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + packet
    assert traits(PNG[:33] + png_chunk(b"iTXt", text) + PNG[33:]).told == {kind}
    assert traits(encode(photo(), "WEBP", xmp=packet)).told == {kind}
    assert traits(encode(photo(), "TIFF", tiffinfo={700: packet})).told == {kind}


def test_words_of_people_are_told_and_those_of_programs_are_not(traits) -> None:
    def told(**tags: object) -> frozenset[str]:
        return traits(encode(photo(), "JPEG", exif=exif_of(**tags))).told

    assert told(description="Anna at the lake") == {"words"}
    assert told(description="OLYMPUS DIGITAL CAMERA         ") == frozenset()
    assert told(details={0x9286: b"ASCII\0\0\0a day out"}) == {"words"}
    assert told(details={0x9286: b"ASCII\0\0\0" + b" " * 40}) == frozenset()
    caption = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", 10) + b"\x1c\x02\x78\0\x05hello"
    assert traits(with_segment(JPEG, 0xED, caption)).told == {"words"}
    assert traits(encode(photo(), "JPEG", comment="grandmother")).told == {"words"}
    assert traits(encode(photo(), "JPEG", comment="CREATOR: gd-jpeg v1.0")).told == frozenset()
    note = PNG[:33] + png_chunk(b"tEXt", b"parameters\0a cat, steps: 20") + PNG[33:]
    assert traits(note).told == {"words"}
    assert traits(PNG[:33] + png_chunk(b"tEXt", b"Software\0gnome-screenshot") + PNG[33:]).told == frozenset()


def test_place_is_told_from_gps(traits) -> None:
    gps = {1: "N", 2: (47.0, 22.0, 30.0), 3: "E", 4: (8.0, 33.0, 0.0)}
    assert traits(encode(photo(), "JPEG", exif=exif_of(gps=gps))).told == {"place"}


def test_documents_are_told_from_xmp_but_not_those_of_ingredients(traits) -> None:
    packet = xmp_packet(
        'xmpMM:DocumentID="xmp.did:1" xmpMM:OriginalDocumentID="xmp.did:0" xmp:CreatorTool="Darkroom 3"',
        '<xmpMM:DerivedFrom stRef:instanceID="xmp.iid:7" stRef:documentID="xmp.did:7"/>'
        "<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description><xmpMM:DocumentID>other</xmpMM:DocumentID></rdf:Description>"
        "</rdf:li></rdf:Bag></xmpMM:Pantry>",
    )
    found = traits(with_xmp(JPEG, packet))
    assert (found.document, found.original_document, found.derived_from) == ("xmp.did:1", "xmp.did:0", "xmp.did:7")
    assert found.software == "Darkroom 3"
    written = traits(encode(photo(), "JPEG", exif=exif_of(software="Ver.1.00")))
    assert (written.software, written.document) == ("Ver.1.00", "")


def test_orientation_is_exifs(traits) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert traits(encode(photo(), kind, exif=exif)).orientation == 6, kind


def test_camera_raw_is_told(traits) -> None:
    exif = io.BytesIO(tiff_of([(256, 4, 1, 3000), (257, 4, 1, 2000), (258, 3, 1, 14)]))
    found = traits(exif.getvalue(), "shot.nef")
    assert (found.raw, found.depth, found.lossless) == (True, 14, True)
    assert traits(b"FUJIFILMCCD-RAW " + bytes(200), "shot.raf").raw


def test_large_photograph_is_not_read_beyond_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A header, then nothing where the pixels should be but for the last two bytes.
    header = JPEG[: JPEG.index(b"\xff\xda") + 20]
    path = tmp_path / "large.jpg"
    with path.open("wb") as out:
        out.write(header)
        out.seek(1 << 30)
        out.write(b"\xff\xd9")
    monkeypatch.setattr("imgsearch.media.containers.film.search_film", pytest.fail)
    assert describe_file(path).images == 1


def test_other_bytes_than_expected_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jpg", JPEG)
    with pytest.raises(ContentChanged):
        describe_file(path, content_hash="0" * 64)
    for data in (b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8X", b"hello", b"\0\0\0\x18ftypheic" + bytes(20)):
        with pytest.raises(MediaError):
            describe_file(write(tmp_path, "b.jpg", data))


def test_damaged_headers_raise_nothing_but_our_error(tmp_path: Path) -> None:
    small = Page(np.zeros((4, 4, 3), np.uint8), [(254, 4, [1])], below=[Page(np.zeros((8, 8, 3), np.uint16))])
    good = [
        mpo_bytes([with_xmp(JPEG, xmp_packet(MOTION[1])), JPEG], [0x020002, 0x020002]) + FILM,
        JPEG + samsung_trailer([(0x0A30, b"MotionPhoto_Data", FILM)]),
        tiff_bytes([small, Page(np.zeros((9, 9), np.uint8))]),
        tiff_bytes([small], big=True),
        heif_bytes([box(b"pixi", bytes(4) + bytes([3, 12, 12, 12]))], film=track(b"pict", 3), kinds=(b"hvc1", b"Exif")),
        deep_png(np.zeros((5, 5, 3), np.uint16)),
        encode(photo(), "JPEG", icc_profile=p3_profile(), exif=exif_of({0x9003: "2019:05:03 10:00:00"})),
        animation("GIF", ["red", "green"]),
        animation("WEBP", ["red", "green"]),
        ppm_bytes(np.asarray(photo(8, 8)), 255) * 2,
        encode(photo(32, 32), "ICO", sizes=[(32, 32), (16, 16)]),
        encode(photo(8, 8), "JPEG2000"),
    ]
    chance, path = random.Random(5), tmp_path / "damaged"
    for number in range(40 * len(good)):
        data = bytearray(good[number % len(good)])
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(min(len(data), 600))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        for read in (describe_file, read_samples):
            with contextlib.suppress(MediaError):
                read(path)
