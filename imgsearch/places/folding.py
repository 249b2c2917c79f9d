"""One form for the names of places, however they are written: "São Paulo", "sao paulo" and "SAO-PAULO" are one."""

from __future__ import annotations

import re
import unicodedata

_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ə": "e", "ŋ": "n"}
)
"""Letters of Latin that Unicode does not take apart."""

_DROPPED = re.compile("['’ʻʼ`´‘\u200b-\u200f]")
_BETWEEN = re.compile(r"[^\w\n\t]+|_")
_MARKS = re.compile("[\u0300-\u036f]")


def folded(text: str) -> str:
    """``text`` without case, accents and punctuation, words apart by one space; lines and tabs stay. Marks that are
    letters of their own, as in Indic scripts, stay too."""
    text = unicodedata.normalize("NFKD", text.casefold()).translate(_LETTERS)
    text = _MARKS.sub("", text)
    text = unicodedata.normalize("NFC", text)
    text = _BETWEEN.sub(" ", _DROPPED.sub("", text))
    return re.sub(" ?([\n\t]) ?", r"\1", text).strip(" ")
