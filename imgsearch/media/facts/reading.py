"""A file's header -> its facts: when, where, with which camera, what people wrote. No bytes raise an exception.

EXIF wins over XMP, and XMP over IPTC, as everywhere here. The date when an image was taken wins over the dates when it
was scanned, made or changed (Metadata Working Group, guidelines 2.0, 5.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from PIL import Image

from imgsearch.media.containers.header import Header
from imgsearch.media.facts.dates import any_date, gps_date, has_time, iptc_date, mail_date, parse_date
from imgsearch.media.facts.encodings import iptc_text, plain_text
from imgsearch.media.facts.places import Coordinates, exif_place, xmp_place
from imgsearch.media.facts.words import rating_of, words_of
from imgsearch.media.metadata.exif import camera_name, table_of, tag_of, text_of
from imgsearch.media.metadata.iptc import read_iptc
from imgsearch.media.metadata.xmp import Xmp, parse_xmp
from imgsearch.records import FileFacts

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_MAKE, _MODEL = 0x010F, 0x0110
# Date, sub-seconds, offset.
_ORIGINAL, _DIGITIZED, _CHANGED = (0x9003, 0x9291, 0x9011), (0x9004, 0x9292, 0x9012), (0x0132, 0x9290, 0x9010)
_TIME_ZONE = 0x882A  # TimeZoneOffset
_XMP_ORIGINAL = ("exif:DateTimeOriginal", "photoshop:DateCreated")
_XMP_MADE = ("exif:DateTimeDigitized", "xmp:CreateDate", "acdsee:datetime", "tiff:DateTime", "dc:date")

Table = Mapping[int, Any] | Image.Exif


NO_FACTS = FileFacts()


def file_facts(header: Header) -> FileFacts:
    """All facts in a header. 0.1 ms without metadata, 0.5 ms with all kinds of them."""
    if is_silent(header):
        return NO_FACTS
    xmp = parse_xmp(header.xmp)
    taken, taken_source = _taken(header, xmp)
    place, place_source = next(_places(header, xmp), (None, None))
    rating, rating_source = rating_of(header, xmp)
    return FileFacts(
        taken_at=taken,
        taken_source=taken_source,
        camera=_camera(header, xmp),
        latitude=None if place is None else place.latitude,
        longitude=None if place is None else place.longitude,
        place_source=place_source,
        rating=rating,
        rating_source=rating_source,
        words=words_of(header, xmp),
    )


def is_silent(header: Header) -> bool:
    """Whether a header has no metadata at all, as most drawings and downloads have none."""
    blocks = header.xmp or header.iptc or header.tables or header.created or header.words or header.software
    return not (blocks or len(header.exif) or len(header.more_exif))


def details_of(header: Header) -> Table:
    """EXIF's own table, below the first directory or in a block of its own."""
    return header.tables.get(_EXIF_IFD) or table_of(header.exif, _EXIF_IFD)


def gps_of(header: Header) -> Table:
    """EXIF's GPS table, below the first directory or in a block of its own."""
    return header.tables.get(_GPS_IFD) or table_of(header.exif, _GPS_IFD)


def shot_date(header: Header, xmp: Xmp) -> str:
    """When the exposure was made, to the second, from EXIF or XMP; never a date of editing. "" if neither has it."""
    tables = _date_tables(header)
    exif = [_exif_date(table, tags) for tags in (_ORIGINAL, _DIGITIZED) for table in tables]
    told = [parse_date(xmp.first(name)) for name in (*_XMP_ORIGINAL, "exif:DateTimeDigitized")]
    return next((text for text in (*exif, *told) if has_time(text)), "")


def other_clocks(header: Header) -> dict[str, str]:
    """The times of a shot by clocks beside the camera's: "gps_time" and "iptc_time", to the second; without those that
    are unknown. Each is comparable only with its own kind: GPS runs in UTC, IPTC often names a wrong offset."""
    iptc = read_iptc(header.iptc) if header.iptc else {}
    told = {"gps_time": _gps_date(gps_of(header)), "iptc_time": _iptc_date(iptc, 55, 60) or _iptc_date(iptc, 62, 63)}
    return {name: text[:19] for name, text in told.items() if has_time(text)}


def xmp_date(xmp: Xmp) -> str:
    """The date in an XMP packet; "" if there is none."""
    return next((text for name in (*_XMP_ORIGINAL, *_XMP_MADE) if (text := parse_date(xmp.first(name)))), "")


def _taken(header: Header, xmp: Xmp) -> tuple[str | None, str | None]:
    """(date, source), the best. Where it tells no day, as "2019:02:30" does not, one of the same month by another clock
    of the shot completes it."""
    dates = ((text, source) for text, source in _all_dates(header, xmp) if text)
    text, source = next(dates, ("", ""))
    if 0 < len(text) < 10:
        shot = ((more, by) for more, by in _shot_dates(header, xmp) if len(more) >= 10 and more.startswith(text))
        text, source = next(shot, (text, source))
    return (text, source) if text else (None, None)


def _shot_dates(header: Header, xmp: Xmp) -> Iterator[tuple[str, str]]:
    """The dates of the exposure itself: neither of a scan nor of a change."""
    yield from ((text, "exif") for text in _exif_dates(_date_tables(header), _ORIGINAL))
    yield from ((parse_date(xmp.first(name)), "xmp") for name in _XMP_ORIGINAL)
    yield _iptc_date(read_iptc(header.iptc) if header.iptc else {}, 55, 60), "iptc"
    yield _gps_date(gps_of(header)), "gps"


def _all_dates(header: Header, xmp: Xmp) -> Iterator[tuple[str, str]]:
    tables = _date_tables(header)
    iptc = read_iptc(header.iptc) if header.iptc else {}
    yield from ((text, "exif") for text in _exif_dates(tables, _ORIGINAL))
    yield from ((parse_date(xmp.first(name)), "xmp") for name in _XMP_ORIGINAL)
    yield _iptc_date(iptc, 55, 60), "iptc"
    yield from ((text, "exif") for text in _exif_dates(tables, _DIGITIZED))
    yield parse_date(xmp.first("exif:DateTimeDigitized")), "xmp"
    yield _iptc_date(iptc, 62, 63), "iptc"
    yield from ((text, "exif") for text in _exif_dates(tables, _CHANGED))
    yield from ((parse_date(xmp.first(name)), "xmp") for name in _XMP_MADE)
    yield from ((any_date(text), "png") for text in header.created)
    yield _gps_date(gps_of(header)), "gps"
    yield parse_date(xmp.first("exif:GPSTimeStamp"), offset="Z"), "gps"


def _date_tables(header: Header) -> tuple[Table, ...]:
    """The tables that may hold dates: EXIF's, and the first directory, where some programs misplace them."""
    more = header.more_exif
    behind: tuple[Table, ...] = (table_of(more, _EXIF_IFD), more) if len(more) else ()
    return (details_of(header), header.exif, *behind)


def _exif_date(table: Table, tags: tuple[int, int, int]) -> str:
    date, part, offset = tags
    value = tag_of(table, date)
    if value is None:
        return ""
    text = plain_text(value)
    return parse_date(text, text_of(tag_of(table, part)), text_of(tag_of(table, offset))) or mail_date(text)


def _exif_dates(tables: tuple[Table, ...], tags: tuple[int, int, int]) -> Iterator[str]:
    """A date in each table that has one. Its sub-seconds and offset may stand in another table: EXIF keeps the date of
    the last change in the first directory and the two others in its own table."""
    date, part, offset = tags
    for table in tables:
        if text := plain_text(tag_of(table, date)):
            zone = _text_in((table, *tables), offset) or _other_offset(tables, text)
            yield parse_date(text, _text_in((table, *tables), part), zone) or mail_date(text)


def _other_offset(tables: tuple[Table, ...], text: str) -> str:
    """The offset of the same moment under another of EXIF's dates, or TIFF/EP's whole hours; "" without either. Some
    phones write OffsetTime alone. An offset beside a later date may be that of an editor elsewhere."""
    for date, _, offset in (_ORIGINAL, _DIGITIZED, _CHANGED):
        told, at = _text_in(tables, offset), _text_in(tables, date)
        if told and (not at or at[:19] == text[:19]):
            return told
    hours = next((found for table in tables if (found := tag_of(table, _TIME_ZONE)) is not None), None)
    hours = hours[0] if isinstance(hours, tuple | list) and hours else hours
    return f"{hours:+03d}:00" if isinstance(hours, int) else ""


def _text_in(tables: tuple[Table, ...], tag: int) -> str:
    return next((text for table in tables if (text := text_of(tag_of(table, tag)))), "")


def _iptc_date(datasets: Mapping[int, list[bytes]], day: int, time: int) -> str:
    days, times = datasets.get(day, []), datasets.get(time, [])
    return iptc_date(iptc_text(days[0], b""), iptc_text(times[0], b"") if times else "") if days else ""


def _gps_date(gps: Table) -> str:
    day, time = text_of(tag_of(gps, 29)), tag_of(gps, 7)
    if not day:
        return ""
    try:
        hour, minute, second = (float(Fraction(each.numerator, each.denominator)) for each in time)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return gps_date(day, None)
    return gps_date(day, (hour, minute, second) if 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 61 else None)


def _places(header: Header, xmp: Xmp) -> Iterator[tuple[Coordinates, str]]:
    for place, source in (
        (exif_place(gps_of(header)), "exif"),
        (exif_place(table_of(header.more_exif, _GPS_IFD)) if len(header.more_exif) else None, "exif"),
        (xmp_place(xmp), "xmp"),
    ):
        if place is not None:
            yield place, source


def _camera(header: Header, xmp: Xmp) -> str | None:
    for exif in (header.exif, header.more_exif):
        if len(exif) and (name := camera_name(text_of(tag_of(exif, _MAKE)), text_of(tag_of(exif, _MODEL)))):
            return name
    return camera_name(text_of(xmp.first("tiff:Make")), text_of(xmp.first("tiff:Model")))
