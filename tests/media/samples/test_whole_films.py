"""`describe_file`: what the headers of a file tell of the film beside a still."""

import pytest
from odd_files import encode, photo
from whole_files import (
    FILM,
    animation,
    box,
    samsung_trailer,
    with_xmp,
    xmp_packet,
)
from whole_traits import JPEG, MOTION, PNG, heif_bytes, track


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
