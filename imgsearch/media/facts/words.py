"""What people wrote in an image's metadata: tags, titles, captions, names of people, a rating. Texts that a camera or a
program writes into every image are left out. No bytes raise an exception."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from PIL import Image

from imgsearch.media.containers.header import Header
from imgsearch.media.facts.encodings import iptc_text, plain_text, tidy, user_comment, windows_text
from imgsearch.media.metadata.exif import table_of, tag_of
from imgsearch.media.metadata.iptc import read_charset, read_iptc
from imgsearch.media.metadata.xmp import Xmp
from imgsearch.records import Word

_EXIF_IFD, _USER_COMMENT, _DESCRIPTION = 0x8769, 0x9286, 0x010E
_XP_TITLE, _XP_COMMENT, _XP_KEYWORDS, _XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F
_RATING, _RATING_PERCENT = 0x4746, 0x4749
_TITLES = ("dc:title", "photoshop:Headline")
_CAPTIONS = (
    "dc:description", "exif:UserComment", "tiff:ImageDescription", "acdsee:caption", "acdsee:notes",
    "Iptc4xmpCore:AltTextAccessibility", "Iptc4xmpCore:ExtDescrAccessibility",
)  # fmt: skip
_TAGS = ("dc:subject", "acdsee:keywords", "mwg-kw:Keyword")
# Properties that hold several tags in one text, and what separates the tags.
_PATHS = {
    "lr:hierarchicalSubject": r"\|",
    "mediapro:CatalogSets": r"\|",
    "digiKam:TagsList": "/",
    "MicrosoftPhoto:LastKeywordXMP": "/",
    "MicrosoftPhoto:LastKeywordIPTC": "/",
    "pdf:Keywords": "[,;]",
}
_ASSIGNED = re.compile(r'Assigned="1">([^<]+)<')  # ACDSee writes its categories as XML inside a text
_IPTC_TITLES, _IPTC_CAPTIONS, _IPTC_TAGS = (5, 105), (120,), (25,)
_MOST, _MOST_LETTERS = 500, 40_000  # of one image; this fits into a worker's answer, and is a hundred captions
# Windows writes stars as percents: 1, 25, 50, 75 and 99.
_STARS_OF_PERCENT = ((1, 1), (13, 2), (38, 3), (63, 4), (88, 5))
# Descriptions that cameras and programs write into every picture.
_NO_WORDS = re.compile(
    r"olympus digital camera|(konica )?minolta digital camera|sony dsc|samsung( camera pictures)?|digital camera|"
    r"exif_jpeg_picture|(kodak )?digital still camera|dcim.*|<?digimax.*>?|pentax image|screenshot|untitled|default|"
    r"image description|jpeg|hdrnet|hdrpl|oplus_\d+|ascii|charset=.*|my (beautiful )?picture|picture|"
    r"cof|dav|oznor|sdr|fbt|rhdr|mde|nor|ptr|edf|burst|btf|hdr|"
    r"(created|processed|edited|made|optimi[sz]ed|compressed) (with|by|using) .*|file written by .*|creator: gd-jpeg.*|"
    r"lead technologies.*|applemark|n/a|none|null|unknown|0+",
    re.DOTALL,
)


def is_worded(text: str) -> bool:
    """Whether a text says something about its own image, not something that the camera writes into all of them."""
    letters = "".join(char for char in text if char.isprintable()).strip().lower()
    return any(map(str.isalnum, letters)) and not _NO_WORDS.fullmatch(letters)


def words_of(header: Header, xmp: Xmp) -> tuple[Word, ...]:
    """The words in EXIF, XMP, IPTC and comments. Each text comes once, with the first source that has it."""
    found = [*_exif_words(header.exif, header.tables), *xmp_words(xmp, "xmp"), *_iptc_words(header.iptc)]
    source = "png" if header.text_chunks else "comment"
    found += [Word("title", tidy(text), source) for text in header.titles]
    found += [Word("caption", tidy(text), source) for text in header.words]
    return distinct_words(found)


def xmp_words(xmp: Xmp, source: str) -> list[Word]:
    """The words in an XMP packet, in the file or beside it."""
    tags = [text for name in _TAGS for text in xmp.properties.get(name, ())]
    for name, mark in _PATHS.items():
        tags += [part for path in xmp.properties.get(name, ()) for part in re.split(mark, path)]
    tags += [part for text in xmp.properties.get("acdsee:categories", ()) for part in _ASSIGNED.findall(text)]
    found = [Word("tag", tidy(text), source) for text in tags[: 4 * _MOST]]
    found += [Word("person", tidy(text), source) for text in xmp.people]
    found += [Word("person", tidy(text), source) for text in xmp.properties.get("Iptc4xmpExt:PersonInImage", ())]
    for kind, names in (("title", _TITLES), ("caption", _CAPTIONS)):
        found += [Word(kind, tidy(text), source) for name in names for text in xmp.properties.get(name, ())]
    return found


def distinct_words(found: Iterable[Word]) -> tuple[Word, ...]:
    """The words that say something, each once. Tags and people are compared without case. A text that is both title and
    caption counts as a title."""
    kept: dict[tuple[str, str], Word] = {}
    letters = 0
    for word in sorted(found, key=lambda each: each.kind == "caption"):  # stable
        if not is_worded(word.text) or word.text[0] in "{[":  # JSON, which only programs write
            continue
        named = word.kind in ("tag", "person")
        key = ("tag" if named else "text"), word.text.casefold()
        if key not in kept and len(kept) < _MOST and letters + len(word.text) <= _MOST_LETTERS:
            kept[key] = word
            letters += len(word.text)
    return tuple(kept.values())


def joined_words(own: Iterable[Word], beside: Iterable[Word]) -> tuple[Word, ...]:
    """A content's own words, and those beside it of the kinds that it lacks. Google's mark of a favourite always
    counts: no picture holds one."""
    own = tuple(own)
    kinds = {word.kind for word in own}
    return distinct_words([*own, *(word for word in beside if word.kind not in kinds or is_mark(word))])


def is_mark(word: Word) -> bool:
    """Whether a tag is not a person's word but Google's mark of a favourite."""
    return word.kind == "tag" and word.source == "takeout"


def rating_of(header: Header, xmp: Xmp) -> tuple[int | None, str | None]:
    """The rating, 1 to 5 stars or -1 for rejected, and its source; (None, None) if there is none."""
    tables = (header.exif, table_of(header.exif, _EXIF_IFD))
    for table in tables:
        stars = _stars(tag_of(table, _RATING)) or _stars_of_percent(tag_of(table, _RATING_PERCENT))
        if stars:
            return stars, "exif"
    stars = xmp_rating(xmp)
    return (stars, "xmp") if stars else (None, None)


def xmp_rating(xmp: Xmp) -> int | None:
    """The rating in an XMP packet; None if there is none."""
    told = _stars(xmp.first("xmp:Rating")) or _stars_of_percent(xmp.first("MicrosoftPhoto:Rating"))
    return told or _stars(xmp.first("acdsee:rating"))


def _exif_words(exif: Image.Exif, tables: Mapping[int, Image.Exif]) -> list[Word]:
    details = tables.get(_EXIF_IFD) or table_of(exif, _EXIF_IFD)
    tags = re.split(r"[;\n]", windows_text(tag_of(exif, _XP_KEYWORDS)))
    texts = [
        ("title", windows_text(tag_of(exif, _XP_TITLE))),
        ("caption", plain_text(tag_of(exif, _DESCRIPTION))),
        ("caption", user_comment(tag_of(details, _USER_COMMENT))),
        ("caption", windows_text(tag_of(exif, _XP_COMMENT))),
        ("caption", windows_text(tag_of(exif, _XP_SUBJECT))),
    ]
    return [Word("tag", tag.strip(), "exif") for tag in tags] + [Word(kind, text, "exif") for kind, text in texts]


def _iptc_words(data: bytes) -> list[Word]:
    if not data:
        return []
    datasets, charset = read_iptc(data), read_charset(data)
    found = []
    for kind, numbers in (("tag", _IPTC_TAGS), ("title", _IPTC_TITLES), ("caption", _IPTC_CAPTIONS)):
        values = [value for number in numbers for value in datasets.get(number, ())]
        found += [Word(kind, iptc_text(value, charset), "iptc") for value in values]
    return found


def _stars(value: Any) -> int | None:
    number = _number(value)
    return round(number) if number is not None and (number == -1 or 0.5 < number <= 5) else None


def _stars_of_percent(value: Any) -> int | None:
    number = _number(value)
    if number is None or not 1 <= number <= 100:
        return None
    return next(stars for least, stars in reversed(_STARS_OF_PERCENT) if number >= least)


def _number(value: Any) -> float | None:
    value = value[0] if isinstance(value, tuple | list) and value else value
    try:
        return float(Fraction(value.strip())) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
