"""The query language: plain words describe the image; among them may be filters, exclusions and images to compare with
(docs/search.md)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.records import Clause, Filters
from imgsearch.search.query.as_typed import MEANT, NAMES, plain_value
from imgsearch.search.query.description import LONGEST_QUERY, Query, readable, require_words, spoken_form
from imgsearch.search.query.filter_values import FILTERS
from imgsearch.search.query.near import require_whole_name

LIKE_A_FILTER = re.compile(r"([^\W\d_]{2,})[:：](.*)", re.DOTALL)
r"""Two or more letters and a colon: "folder:x". Not a time (10:30), a drive (C:\x) or anything before "//". The wide
colon of Japanese and Chinese keyboards counts only after the name of a filter."""

_CLOSED_BY = {
    '"': '"',
    "“": "”“",
    "”": "”“",
    "„": "“”",
    "‟": "”",
    "«": "»",
    "»": "«",
    "＂": "＂",
    "「": "」",
    "『": "』",
}
"""Quotes, and what closes each: phones and word processors put curly ones in place of straight ones. A straight quote
that is never closed ends with the text; any other is then a sign like others."""

_MINUSES = "-−－﹣‐"
_PLACE_BEGUN = re.compile(r"near[:：][-−+\d.]+(,[-−+\d.]+)?,", re.IGNORECASE)
_PLACE_GOES_ON = re.compile(r"\s+[-−+\d.]+(?:\s*,\s*[\d.]+\s?(?:km\b)?)?", re.IGNORECASE)
"""``near:48.86, 2.35``, as maps write places."""

_TOWN_BEGUN = re.compile(r"near[:：][^\W\d_][^,\s]*,", re.IGNORECASE)
_TOWN_GOES_ON = re.compile(r"\s+(?:\d[\d.]*\s?(?:km\b)?|[A-Z][\w.'-]*)(?=\s|$)")
"""``near:Paris, Texas`` and ``near:Lisbon, 5 km``: a comma goes on with a capital or a number."""


NO_FILTERS = Filters()

MOST_COMPARED = 100
"""Images of one query: each that is a file is decoded and embedded for it."""


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """What a person asks for: ``description`` in plain words, "" if there are none; texts that the image must not show;
    filters; and images (paths, or ids in the library): those to be ``similar`` to, or one to be ``like``, where the
    description is the difference; and, beside these, those to be less like. ``notes`` tell how a value was taken that
    may have been meant otherwise."""

    description: str
    excluded: tuple[str, ...] = ()
    filters: Filters = NO_FILTERS
    similar: tuple[str, ...] = ()
    like: str | None = None
    unlike: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> tuple[str, ...]:
        """The images to be like, by ``similar:`` or ``like:``."""
        return (self.like,) if self.like is not None else self.similar


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece between spaces. ``text`` is without its quotes, ``quoted`` if it began with one. ``key`` is what came
    before the colon, ``unwanted`` a minus before everything."""

    text: str
    quoted: bool = False
    key: str = ""
    unwanted: bool = False


def parse_query(query: Query, *, by_image: bool = False) -> ParsedQuery:
    """Parse the query's text and require that it asks for something. This happens once for a query, before anything
    heavy is loaded for it; all later steps get the result. ``by_image``: the query comes with an image to compare with.

    Raises UsageError for a wrong filter, for more images than can be compared with, and for a text that holds neither
    a word that a model can read nor a filter nor an image."""
    if len(query.text) > LONGEST_QUERY:
        raise UsageError(
            f"the query has {len(query.text):,} letters, expected {LONGEST_QUERY:,} or fewer",
            "a few words and filters are enough",
        )
    parsed = parse(readable(query.text))
    named = bool(parsed.compared)
    if by_image and named:
        raise UsageError("the query names a picture and comes with another", "leave similar: and like: out")
    if parsed.description or not (by_image or named or parsed.filters or parsed.excluded):
        require_words(parsed.description)
    for unwanted in parsed.excluded:
        require_words(unwanted)
    return parsed


def parse(text: str) -> ParsedQuery:
    """Read a query. Raises UsageError for a filter that does not exist or has a wrong value, and for images that
    cannot be compared with together. Anything else is taken as words. A quote that is never closed ends with the text.
    """
    words: list[str] = []
    excluded: list[str] = []
    clauses: list[Clause] = []
    notes: list[str] = []
    images: dict[str, list[str]] = {"similar": [], "like": [], "unlike": []}
    negate = False
    tokens = list(_without_joints([token for _, _, token in _placed(text)]))
    for place, token in enumerate(tokens):
        if negate and token.quoted and not token.key:
            words.pop()
            excluded.append(token.text)
        elif token.key == "similar" or (token.key == "like" and not token.unwanted):
            images["unlike" if token.unwanted else token.key].append(_named(token))
        elif token.key:
            if token.key == "near":
                require_whole_name(token.text, [one.text for one in takewhile(_is_word, tokens[place + 1 :])])
            clauses.append(_clause(token))
            notes += FILTERS[token.key].notes(token.text)
        elif token.unwanted:
            excluded.append(token.text)
        else:
            words.append(token.text)
        negate = token.text.lower() == "not" and not (token.quoted or token.key or token.unwanted)
    spoken = spoken_form(" ".join(words))
    unwanted = tuple(filter(None, map(spoken_form, excluded)))
    similar, like, unlike = (tuple(dict.fromkeys(named)) for named in images.values())
    _require_comparable(similar, like, unlike)
    filters = Filters(tuple(clauses))
    return ParsedQuery(
        spoken, unwanted, filters, similar, like[0] if like else None, unlike, tuple(dict.fromkeys(notes))
    )


def _is_word(token: _Token) -> bool:
    return not (token.key or token.quoted or token.unwanted)


def _require_comparable(similar: Sequence[str], like: Sequence[str], unlike: Sequence[str]) -> None:
    if like and (similar or like[1:]):
        raise UsageError(
            "the query names two pictures to compare with and like:, expected one", "like:photo.jpg at night"
        )
    if unlike and not (similar or like):
        raise UsageError("-similar: stands alone", "similar:one.jpg -similar:another.jpg")
    if len(similar) + len(unlike) > MOST_COMPARED:
        raise UsageError(
            f"the query compares with {len(similar) + len(unlike):,} pictures, expected {MOST_COMPARED} or fewer",
            "leave some out",
        )


def _without_joints(tokens: Sequence[_Token]) -> Iterator[_Token]:
    """The tokens without an OR or AND between two filters. Raises UsageError where it means what no query can say."""
    for place, token in enumerate(tokens):
        between = 0 < place < len(tokens) - 1 and tokens[place - 1].key and tokens[place + 1].key
        if not between or token.quoted or token.text not in ("OR", "AND", "|", "||", "&&"):
            yield token
            continue
        before, after = tokens[place - 1], tokens[place + 1]
        any_of = before.key == after.key and before.key in Filters.ANY and not (before.unwanted or after.unwanted)
        if any_of != (token.text in ("OR", "|", "||")):
            raise UsageError(
                f"{token.text} cannot stand between {before.key}: and {after.key}:",
                f"of several {', '.join(f'{name}:' for name in Filters.ANY)} any one may hold, "
                "all other filters must hold together; leave the word out",
            )


def _named(token: _Token) -> str:
    if not token.text.strip():
        raise UsageError(f"{token.key}: names no picture", f"for example {token.key}:holiday.jpg")
    return token.text


def _clause(token: _Token) -> Clause:
    reader: Callable[[str], Any] = FILTERS[token.key].read
    if token.key == "like":
        raise UsageError("-like: is not possible", "for example like:holiday.jpg -similar:another.jpg")
    return Clause(token.key, reader(plain_value(token.key, token.text)), token.unwanted)


def without_filter(text: str, name: str) -> str:
    """A query without what it asks for by the filter ``name``. What it excludes by it (``-year:2019``) stays."""
    kept = [text[start:end] for start, end, token in _placed(text) if token.key != name or token.unwanted]
    return " ".join(kept)


def pieces_of(text: str) -> list[tuple[str, str, str, bool]]:
    """A query's pieces as they stand in it, for showing them: (piece, name of the filter or "", value, excluded).
    Nothing is checked."""
    return [
        (text[start:end], token.key, token.text if token.key else "", token.unwanted)
        for start, end, token in _placed(text)
    ]


@lru_cache(64)
def _placed(text: str) -> tuple[tuple[int, int, _Token], ...]:
    """Tokens with their beginnings and ends. A page asks three times: for the answer, its heading, its files' names."""
    return tuple(_scanned(text))


def _scanned(text: str) -> Iterator[tuple[int, int, _Token]]:
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        begin = place
        unwanted = (
            text[place] in _MINUSES
            and place + 1 < len(text)
            and not (text[place + 1].isspace() or text[place + 1] in _MINUSES)
        )
        start = place + unwanted
        if _opens_quote(text, start):
            inner, place = _quoted(text, start)
            yield begin, place, _Token(inner.replace('"', ""), quoted=True, unwanted=unwanted)
        else:
            piece, place = _piece(text, start)
            yield begin, place, _keyed(piece, unwanted)


def _opens_quote(text: str, start: int) -> bool:
    return text[start] == '"' or (text[start] in _CLOSED_BY and _closing_quote(text, start) > start + 1)


def _closing_quote(text: str, start: int) -> int:
    """The place of the quote that closes the one at ``start``; -1 if there is none."""
    ends = [text.find(closing, start + 1) for closing in _CLOSED_BY[text[start]]]
    return min((end for end in ends if end >= 0), default=-1)


def _quoted(text: str, start: int) -> tuple[str, int]:
    """The text between the quote at ``start`` and the next that closes it, and the position after that."""
    end = _closing_quote(text, start)
    return (text[start + 1 :], len(text)) if end < 0 else (text[start + 1 : end], end + 1)


def _piece(text: str, start: int) -> tuple[str, int]:
    """The text from ``start`` to the next space. A quote right after a filter's colon keeps the spaces up to the next
    quote."""
    end = start
    while end < len(text) and not text[end].isspace():
        after_colon = text[end - 1] in ":：" and end > start
        if after_colon and LIKE_A_FILTER.fullmatch(text[start:end]) and _opens_quote(text, end):
            inner, after = _quoted(text, end)
            return text[start:end] + inner, after
        end += 1
    for begun, goes_on in ((_PLACE_BEGUN, _PLACE_GOES_ON), (_TOWN_BEGUN, _TOWN_GOES_ON)):
        if begun.fullmatch(text, start, end) and (more := goes_on.match(text, end)):
            end = more.end()
    return text[start:end], end


def _keyed(written: str, unwanted: bool) -> _Token:
    match = LIKE_A_FILTER.fullmatch(written)
    if match is None or match[1].lower() not in NAMES:  # a name may hold a straight quote; elsewhere it says nothing
        match = LIKE_A_FILTER.fullmatch(written := written.replace('"', ""))
    if match is None or match[2].startswith("//"):
        return _Token(written, unwanted=unwanted)
    key = unicodedata.normalize("NFKC", match[1]).lower()
    if key not in FILTERS and (written[match.end(1)] != ":" or not match[2]):
        return _Token(written, unwanted=unwanted)
    if not match[2]:
        raise UsageError(
            f"no value follows {key}:", f"for example {FILTERS[key].example}; a word with a colon in quotes"
        )
    if key not in FILTERS:
        raise UsageError(
            f"there is no filter {key!r}{_closest(key)}",
            f"the filters are {', '.join(FILTERS)}; put quotes around words with a colon",
        )
    return _Token(match[2], key=key, unwanted=unwanted)


def _closest(key: str) -> str:
    import difflib

    if key in MEANT:
        return f"; {MEANT[key]}" if MEANT[key] else ""
    found = difflib.get_close_matches(key, FILTERS, 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
