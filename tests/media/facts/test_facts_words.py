"""Tags, titles and captions, in the encodings of cameras and programs."""

from __future__ import annotations

import pytest
from facts_files import bag, dataset, exif, facts, jpeg, png, xmp

from imgsearch.media.facts.encodings import user_comment

ACDSEE = (
    "&lt;Categories&gt;&lt;Category Assigned=&quot;0&quot;&gt;Pets"
    "&lt;Category Assigned=&quot;1&quot;&gt;Dog&lt;/Category&gt;&lt;/Category&gt;&lt;/Categories&gt;"
)
NESTED = (
    '<mwg-kw:Keywords rdf:parseType="Resource"><mwg-kw:Hierarchy><rdf:Bag><rdf:li rdf:parseType="Resource">'
    "<mwg-kw:Keyword>France</mwg-kw:Keyword><mwg-kw:Children><rdf:Bag>"
    '<rdf:li mwg-kw:Keyword="Paris"/></rdf:Bag></mwg-kw:Children></rdf:li></rdf:Bag></mwg-kw:Hierarchy>'
    "</mwg-kw:Keywords>"
)
UTF_8 = dataset(1, 90, b"\x1b%G")


def words(data: bytes) -> list[tuple[str, str, str]]:
    return [tuple(word) for word in facts(data).words]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ASCII\0\0\0a day out", "a day out"),
        (b"UNICODE\0" + "Großmutter".encode("utf-16-le"), "Großmutter"),
        (b"UNICODE\0" + "Großmutter".encode("utf-16-be"), "Großmutter"),
        (b"UNICODE\0" + "東京の夜景と桜".encode("utf-16-le"), "東京の夜景と桜"),
        (b"UNICODE\0" + "東京の夜景と桜".encode("utf-16-be"), "東京の夜景と桜"),
        (b"UNICODE\0" + "лодка на реке".encode("utf-16"), "лодка на реке"),
        (b"UNICODE\0plain letters", "plain letters"),
        (b"JIS\0\0\0\0\0" + "こんにちは".encode("iso2022_jp"), "こんにちは"),
        (b"JIS\0\0\0\0\0" + "こんにちは".encode("iso2022_jp")[3:-3], "こんにちは"),
        (b"JIS\0\0\0\0\0" + "こんにちは".encode("shift_jis"), "こんにちは"),
        (bytes(8) + "Zürich".encode(), "Zürich"),
        ("Zürich".encode(), "Zürich"),
    ],
)
def test_a_user_comment_is_read_by_the_code_that_it_names(value, expected):
    assert user_comment(value) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (jpeg(exif({0x010E: "Anna at the lake"})), [("caption", "Anna at the lake", "exif")]),
        (jpeg(exif({0x010E: "Zürich".encode()})), [("caption", "Zürich", "exif")]),
        (
            jpeg(exif({0x9C9E: "beach;New York\0".encode("utf-16-le"), 0x9C9B: "Título\0".encode("utf-16-le")})),
            [("tag", "beach", "exif"), ("tag", "New York", "exif"), ("title", "Título", "exif")],
        ),
        (
            jpeg(packet=xmp(elements=bag("dc:subject", "beach") + bag("lr:hierarchicalSubject", "places|USA|Beach"))),
            [("tag", "beach", "xmp"), ("tag", "places", "xmp"), ("tag", "USA", "xmp")],
        ),
        (
            jpeg(packet=xmp(elements=bag("digiKam:TagsList", "Pets/Dog"))),
            [("tag", "Pets", "xmp"), ("tag", "Dog", "xmp")],
        ),
        (
            jpeg(iptc=UTF_8 + dataset(2, 25, "Brücke".encode()) + dataset(2, 120, b"An der Elbe")),
            [("tag", "Brücke", "iptc"), ("caption", "An der Elbe", "iptc")],
        ),
        (jpeg(iptc=dataset(2, 25, "Brücke".encode("latin-1"))), [("tag", "Brücke", "iptc")]),
        (
            jpeg(iptc=dataset(1, 90, b"\x1b-L") + dataset(2, 25, "лодка".encode("iso8859-5"))),
            [("tag", "лодка", "iptc")],
        ),
        (png({"Title": "Заря"}), [("title", "Заря", "png")]),
        (png({"Description": "At sea", "title": "T"}), [("title", "T", "png"), ("caption", "At sea", "png")]),
        (jpeg(packet=xmp(elements=bag("acdsee:keywords", "dog"))), [("tag", "dog", "xmp")]),
        (
            jpeg(packet=xmp("acdsee:categories='" + ACDSEE + "' acdsee:caption='A walk'")),
            [("tag", "Dog", "xmp"), ("caption", "A walk", "xmp")],
        ),
        (
            jpeg(packet=xmp(elements=bag("mediapro:CatalogSets", "People|Ann"))),
            [("tag", "People", "xmp"), ("tag", "Ann", "xmp")],
        ),
        (jpeg(packet=xmp(elements=NESTED)), [("tag", "France", "xmp"), ("tag", "Paris", "xmp")]),
        (
            jpeg(packet=xmp(elements=bag("MicrosoftPhoto:LastKeywordXMP", "A/B")).replace(b"photo/1.0/", b"photo/1.0")),
            [("tag", "A", "xmp"), ("tag", "B", "xmp")],
        ),
        (jpeg(packet=xmp('tiff:ImageDescription="At sea"')), [("caption", "At sea", "xmp")]),
        *(
            (
                jpeg(
                    packet=b'<?xml version="1.0" encoding="%s"?>' % name.encode()
                    + xmp(elements=bag("dc:subject", text)).decode().encode(name)
                ),
                [("tag", text, "xmp")],
            )
            for name, text in (
                ("ISO-8859-1", "Brücke"),
                ("windows-1251", "лодка"),
                ("Shift_JIS", "桜"),
                ("koi8-r", "лес"),
            )
        ),
        (jpeg(comment="Großmutter", charset="cp1252"), [("caption", "Großmutter", "comment")]),
        (jpeg(comment="grandmother"), [("caption", "grandmother", "comment")]),
        (jpeg(exif({0x010E: "OLYMPUS DIGITAL CAMERA         "})), []),
        (jpeg(exif({0x010E: "SONY DSC"}, {0x9286: b"ASCII\0\0\0Screenshot"})), []),
        (jpeg(comment='{"nodes": [1, 2]}'), []),
    ],
)
def test_words_are_read_from_every_place(data, expected):
    assert words(data) == expected


def test_faces_are_people_and_pets_are_not():
    region = '<rdf:li><rdf:Description mwg-rs:Name="{}" mwg-rs:Type="{}"/></rdf:li>'
    inner = region.format("Anna", "Face") + region.format("Rex", "Pet")
    elements = (
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>'
        f"{inner}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )
    packet = xmp(elements=elements)
    for written in (packet, packet.decode().encode("utf-16"), packet.decode().encode("utf-16-be")):
        assert words(jpeg(packet=written)) == [("person", "Anna", "xmp")]


def test_a_tag_counts_once_and_the_number_of_words_is_bounded():
    many = jpeg(packet=xmp(elements=bag("dc:subject", "Beach", "beach", *(f"tag {n}" for n in range(1000)))))
    assert len(words(many)) == 500
    assert [word[1] for word in words(many)].count("beach") == 0


def test_people_of_iptc_and_values_with_qualifiers_are_read():
    ann = (
        '<rdf:li rdf:parseType="Resource"><e:PersonName><rdf:Alt><rdf:li>Ann</rdf:li></rdf:Alt></e:PersonName></rdf:li>'
    )
    named = 'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    people = f"<e:PersonInImageWDetails><rdf:Bag>{ann}</rdf:Bag></e:PersonInImageWDetails>"
    item = '<rdf:li rdf:parseType="Resource"><rdf:value>sea</rdf:value></rdf:li>'
    tag = f"<dc:subject><rdf:Bag>{item}</rdf:Bag></dc:subject>"
    day = '<xmp:CreateDate rdf:parseType="Resource"><rdf:value>2019-07-14</rdf:value></xmp:CreateDate>'
    found = facts(jpeg(packet=xmp(named, people + tag + day)))
    assert [tuple(word) for word in found.words] == [("tag", "sea", "xmp"), ("person", "Ann", "xmp")]
    assert found.taken_at == "2019-07-14"


def test_a_place_where_a_picture_was_made_is_one_of_iptc_too():
    inner = "<exif:GPSLatitude>33,51S</exif:GPSLatitude><exif:GPSLongitude>151,12E</exif:GPSLongitude>"
    made = f'<rdf:Bag><rdf:li rdf:parseType="Resource">{inner}</rdf:li></rdf:Bag>'
    named = 'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    found = facts(jpeg(packet=xmp(named, f"<e:LocationCreated>{made}</e:LocationCreated>")))
    assert (found.latitude, found.longitude, found.place_source) == (-33.85, 151.2, "xmp")
