"""The words of a name, in one form for the full-text index and for queries.

Two rules: a text always finds itself, in every script; and it is found without its marks if people leave them out
while typing: Latin, Greek, Cyrillic, Hebrew and Arabic points ("Cafe" finds "Café"), not the voicing of kana, not the
vowel signs of India. Scripts that put no spaces between words, and Korean, are cut into letters, so that a phrase finds
any part. Apple's decomposed names and composed ones are equal. Source: Unicode Standard Annex 15 (NFKD, NFC), and
Lucene's ArabicNormalizer and CJKBigramFilter for the rules of folding and cutting.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

SEAM = "¦"
"""Separates the two readings of a text in the index. It is not a word, so no phrase reaches across it."""

# Marks that people leave out: combining marks of Latin, Greek and Cyrillic, Hebrew points, Arabic vowels and hamzas,
# Syriac points, the nukta of Devanagari, variation selectors.
_LEFT_OUT = (
    *((0x300, 0x36F), (0x483, 0x489), (0x591, 0x5BD), (0x5BF, 0x5BF), (0x5C1, 0x5C2), (0x5C4, 0x5C5), (0x5C7, 0x5C7)),
    *((0x610, 0x61A), (0x64B, 0x65F), (0x670, 0x670), (0x6D6, 0x6DC), (0x6DF, 0x6E4), (0x6E7, 0x6E8), (0x6EA, 0x6ED)),
    *((0x711, 0x711), (0x730, 0x74A), (0x8CA, 0x8E1), (0x8E3, 0x8FF), (0x93C, 0x93C), (0x1AB0, 0x1ACE)),
    *((0x1DC0, 0x1DFF), (0x20D0, 0x20F0), (0x2DE0, 0x2DFF), (0xA66F, 0xA672), (0xA674, 0xA67D), (0xA69E, 0xA69F)),
    *((0xFE20, 0xFE2F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF)),
)
# Letters that nobody sees: fillers, joiners, tatweel, Mongolian selectors.
_UNSEEN = {0x34F, 0x640, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0}
# What Unicode does not decompose and keyboards lack; Persian and Urdu forms of Arabic letters.
_SAME = {
    "ı": "i",
    "ȷ": "j",
    "ł": "l",
    "Ł": "L",
    "ø": "o",
    "Ø": "O",
    "đ": "d",
    "Đ": "D",
    "ħ": "h",
    "Ħ": "H",
    "ŧ": "t",
    "Ŧ": "T",
    "ð": "d",
    "Ð": "D",
    "æ": "ae",
    "Æ": "Ae",
    "œ": "oe",
    "Œ": "Oe",
    "þ": "th",
    "Þ": "Th",
    "ى": "ي",
    "ی": "ي",
    "ک": "ك",
    "ة": "ه",
    "ہ": "ه",
    "ۀ": "ه",
    "ە": "ه",
    "ґ": "г",
    "Ґ": "Г",
}
# Whatever people take for an apostrophe: typographic ones, accents and primes that keyboards give in its place, those
# among the letters (Ukrainian, Hawaiian, ayn and hamza), of Armenian, Hebrew (geresh) and Greek, saltillo. Some of them
# would fall apart into a space and a mark.
_APOSTROPHES = dict.fromkeys(
    (
        *(0x60, 0xB4, *range(0x2B9, 0x2C2), 0x2C8, 0x2CA, 0x2CB, 0x2EE, 0x374, 0x384, 0x55A, 0x5F3, 0x5F4),
        *(0x7F4, 0x7F5, 0x1FBD, 0x1FBF, 0x1FEF, 0x1FFD, 0x1FFE, 0x2018, 0x2019, 0x201B, 0x2032, 0x2035, 0x275B, 0x275C),
        *(0xA78B, 0xA78C, 0xFF07, 0xFF40),
    ),
    "'",
)
# Inside a word what joins it and parts it: the half-space of Persian, Catalan's point.
_HALF_SPACES = re.compile(r"(?<=\w)[\u200c·](?=\w)")
# Spellings that people use for one another, read a second time so: umlauts as on keyboards without them, Arabic letters
# of other languages (Lucene's Persian, Sorani and Urdu rules), chillus of Malayalam and the Bengali letter like them,
# letters of Japanese names, Yiddish digraphs, letters with hooks, Armenian's yev, Catalan's l with its point, Tamil's
# shri. `_alike` has those of whole scripts.
_PAIRS = """
ä=ae ö=oe ü=ue å=aa ø=oe Ä=Ae Ö=Oe Ü=Ue Å=Aa Ø=Oe
ٱ=ا ڪ=ك ے=ي ۓ=ي ھ=ه ې=ي ۍ=ي ګ=گ
ৎ=ত্ ஶ=ஸ ຼ=ລ և=եվ եւ=եվ ŀ=l· Ŀ=L· ँ=ं
ൺ=ണ് ൻ=ന് ർ=ര് ൽ=ല് ൾ=ള് ൿ=ക്
髙=高 﨑=崎 德=徳 臺=台 眞=真 ヶ=ケ ヵ=カ
ײ=יי װ=וו ױ=וי ə=e Ə=E ɓ=b ɗ=d ƙ=k ŋ=n Ŋ=N
"""
_SPELLINGS: dict[str, str] = dict(pair.split("=") for pair in _PAIRS.split())
_SPELLED_OTHERWISE = re.compile("|".join(_SPELLINGS))
# A nasal before a consonant that is spoken with it is also written as a point (Devanagari, Gujarati: Lucene's
# HindiNormalizer); a tone mark is also typed behind the point of sara am (Thai, Lao).
_NASALS = re.compile("ङ्(?=[क-घ])|ञ्(?=[च-झ])|ण्(?=[ट-ढ])|न्(?=[त-ध])|म्(?=[प-भ])")
_NASALS_GUJARATI = re.compile("ઙ્(?=[ક-ઘ])|ઞ્(?=[ચ-ઝ])|ણ્(?=[ટ-ઢ])|ન્(?=[ત-ધ])|મ્(?=[પ-ભ])")
_TONE_BEHIND = re.compile("([\u0e4d\u0ecd])([\u0e48-\u0e4b\u0ec8-\u0ecb])")
_HAS_ALIKE = re.compile("[\u0400-\u052f\u10a0-\u10cf\u1200-\u137f\u2d00-\u2d2f\u3400-\u9fff\U00020bb7]")
_SYMBOLS = range(0x1F000, 0x1FB00)  # emoji, also those that this Python's Unicode does not know yet
_CUT = (
    *((0xE01, 0xE3A), (0xE40, 0xE4E), (0xE80, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17D3), (0x17D7, 0x17DD)),
    *((0x1950, 0x19DF), (0x1A20, 0x1AAD), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x303C)),
    *((0x3040, 0x3098), (0x309D, 0x318F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0xA4CF)),
    *((0xA9E0, 0xA9FF), (0xAA60, 0xAADF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0x16FE0, 0x18DFF)),
    *((0x1AFF0, 0x1B2FF), (0x20000, 0x3FFFD)),
)


def _within(code: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(first <= code <= last for first, last in ranges)


class _Letters(dict[int, "str | None"]):
    """For `str.translate`, filled as letters come: what becomes of each of a decomposed text."""

    def __missing__(self, code: int) -> str | None:
        self[code] = found = self._find(code)
        return found

    def _find(self, code: int) -> str | None:
        letter = chr(code)
        kind = unicodedata.category(letter)
        if kind == "Cf" and code != 0x200B:  # a zero width space is a space
            return None
        if code in _UNSEEN or _within(code, _LEFT_OUT):
            return None
        return str(unicodedata.decimal(letter)) if kind == "Nd" else _SAME.get(letter, letter)


class _Kinds(dict[int, str]):
    """For `str.translate`: U upper case, l lower, o other letter, d digit, s a letter cut off by itself, m mark, and a
    space for all that separates words. Letters that this Python's Unicode does not know count as letters."""

    def __missing__(self, code: int) -> str:
        self[code] = found = self._find(code)
        return found

    def _find(self, code: int) -> str:
        letter = chr(code)
        kind = unicodedata.category(letter)
        if kind[0] == "M":
            return "m"
        if code in _SYMBOLS or kind[0] in "ZPS" or kind in ("Cc", "Cf", "Cs"):
            return " "
        if kind == "Nd":
            return "d"
        if _within(code, _CUT):
            return "s"
        return "U" if letter.isupper() else "l" if letter.islower() else "o"


_LETTERS, _KINDS = _Letters(), _Kinds()
_BREAKS = re.compile(r"[\W_]")
_PLAIN = re.compile(r"sm*|d[dm]*|[Ulom]+")
_CAMEL = re.compile(r"sm*|d[dm]*|U+(?=Ul)|U*[lom]+|U+")  # "MyHTMLPage2": my, html, page, 2
_CAPITALS_INSIDE = re.compile(r"[lom]U|UUl")
_ASCII_WORDS = re.compile(r"[a-z]+|[0-9]+")
_ASCII_CAPITALS_INSIDE = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_INNER = re.compile(r"(?<=[Ulom])'(?=[Ulo])")  # of kinds in which apostrophes stand as such
_ASCII_INNER = re.compile(r"(?<=[A-Za-z])'(?=[A-Za-z])")
_MOST_FREE = 3  # apostrophes of one word that are left out one by one: "O'Brien's", "rock'n'roll"


def _bare(text: str) -> str:
    """Without the marks that people leave out; upper case stays."""
    if text.isascii():
        return text.replace("`", "'")
    whole = unicodedata.normalize("NFD", text).translate(_APOSTROPHES)  # before they fall apart
    whole = unicodedata.normalize("NFKD", whole).translate(_LETTERS)
    return unicodedata.normalize("NFC", whole.translate(_APOSTROPHES))


def folded(text: str) -> str:
    """``text`` as a whole in the form that is compared, with its spaces and signs: for patterns with ``*``."""
    return _bare(text).casefold()


def words(text: str) -> list[str]:
    """The words of ``text``, in order: "IMG_2041 Café" gives img, 2041, cafe; "東京2019" gives 東, 京, 2019."""
    return readings(text, whole_only=True)[0] if text else []


def readings(text: str, *, whole_only: bool = False) -> list[list[str]]:
    """The words, and where capitals stand inside words a second time, cut there: "MyHoliday" is [["myholiday"],
    ["my", "holiday"]]. An apostrophe inside a word parts it and does not: "O'Brien" is [["o", "brien"], ["obrien"]].
    Other spellings come last: "Müller" is [["muller"], ["mueller"]]. [[]] for a text without words."""
    if text.isascii():
        return _forms(text, whole_only)
    found = _forms(text, whole_only)
    composed = unicodedata.normalize("NFC", text)
    if whole_only or (other := _spelled_otherwise(composed)) == composed:
        return found
    second = _forms(other, whole_only)
    return [list(each) for each in dict.fromkeys(map(tuple, [*found, *second]))]


def _spelled_otherwise(composed: str) -> str:
    other = _SPELLED_OTHERWISE.sub(lambda at: _SPELLINGS[at[0]], composed)
    other = _NASALS_GUJARATI.sub("ં", _NASALS.sub("ं", _TONE_BEHIND.sub(r"\2\1", other)))
    return other.translate(_alike()) if _HAS_ALIKE.search(other) else other


@lru_cache(1)
def _alike() -> dict[int, str]:
    """Letters of scripts that write one for another: old and simplified Han characters, Ethiopic, Georgian, Cyrillic.
    ``data/words`` says where they are from. Read when the first such letter comes: 2 ms."""
    here = Path(__file__).resolve().parent
    installed = here / "data" / "words"
    file = (installed if installed.is_dir() else here.parent / "data" / "words") / "alike.txt"
    groups = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {ord(letter): group[0] for group in groups for letter in group[1:]}


def _forms(text: str, whole_only: bool) -> list[list[str]]:
    bare = _bare(text if text.isascii() else _HALF_SPACES.sub("'", text))
    if whole_only or "'" not in bare:
        return _readings(bare, whole_only=whole_only)
    found = [reading for form in _without_apostrophes(bare) for reading in _readings(form)]
    return found if len(found) < 3 else [list(each) for each in dict.fromkeys(map(tuple, found))]


def _without_apostrophes(bare: str) -> list[str]:
    """``bare`` itself, and with each choice of the apostrophes of each word left out."""
    if bare.isascii():
        places = [at.start() for at in _ASCII_INNER.finditer(bare)]
    else:
        kinds = "".join("'" if letter == "'" else _KINDS[ord(letter)] for letter in bare)
        places = [at.start() for at in _INNER.finditer(kinds)]
    if not places:
        return [bare]
    bits: list[int] = []  # of each apostrophe: which number in its word
    for index, place in enumerate(places):
        joined = index > 0 and not _BREAKS.search(bare, places[index - 1] + 1, place)
        bits.append(bits[-1] + 1 if joined else 0)
    choices = 1 << min(max(bits) + 1, _MOST_FREE)
    forms = []
    for choice in range(choices):
        left_out = {place for place, bit in zip(places, bits, strict=True) if choice >> min(bit, _MOST_FREE - 1) & 1}
        forms.append("".join(letter for place, letter in enumerate(bare) if place not in left_out))
    return forms


def _readings(bare: str, *, whole_only: bool = False) -> list[list[str]]:
    if bare.isascii():  # nine names of ten, five times as fast
        whole = _ASCII_WORDS.findall(bare.lower())
        if whole_only or not _ASCII_CAPITALS_INSIDE.search(bare):
            return [whole]
    kinds = bare.translate(_KINDS)
    whole = _spans(bare, kinds, _PLAIN)
    if whole_only or not _CAPITALS_INSIDE.search(kinds):
        return [whole]
    return [whole, _spans(bare, kinds, _CAMEL)]


def _spans(bare: str, kinds: str, pattern: re.Pattern[str]) -> list[str]:
    return [bare[at.start() : at.end()].casefold() for at in pattern.finditer(kinds)]


def indexed(text: str) -> str:
    """What a full-text column holds for ``text``: its readings, words between spaces. The tokenizer need only split at
    spaces: FTS5's ``ascii`` does. Cost: 3 microseconds for a usual name."""
    return f" {SEAM} ".join(" ".join(reading) for reading in readings(text))


def phrase(text: str, *, unfinished: bool = False) -> str:
    """The FTS5 expression, in brackets, that finds ``text`` in columns made by `indexed`; "" if it has no words. The
    last word may be ``unfinished``."""
    end = " *" if unfinished else ""
    found = [f'"{" ".join(reading)}"{end}' for reading in readings(text) if reading]
    return f"({' OR '.join(found)})" if found else ""


def holds(text: str, wanted: str, *, unfinished: bool = False) -> bool:
    """Whether ``wanted`` stands in ``text``, word by word: what `phrase` asks of FTS5, of a text at hand."""
    inside = indexed(text).split()
    return any(_stands(inside, reading, unfinished) for reading in readings(wanted) if reading)


def _stands(inside: list[str], reading: list[str], unfinished: bool) -> bool:
    for start in range(len(inside) - len(reading) + 1):
        part = inside[start : start + len(reading)]
        if part == reading or (unfinished and part[:-1] == reading[:-1] and part[-1].startswith(reading[-1])):
            return True
    return False
