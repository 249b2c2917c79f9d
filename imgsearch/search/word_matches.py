"""Images whose tags, titles or captions hold all words of a description: candidates in addition to the vectors' ones.

An image matches if people's words about it contain every word of the description except the small ones (`SMALL_WORDS`).
Whole words count, in any script; an English plural counts for its singular and the other way round.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence

from imgsearch import wordforms
from imgsearch.records import Word

MOST_MATCHES = 4096
"""Images with these words that are considered, the newest first; the vectors choose among them."""

MOST_LIFTED = 32
"""Images that are re-ranked in addition to the best by vectors: up to 0.2 s more on two cores with the small model."""

LONGEST_SHOWN = 80
"""Letters of a matching text that an answer shows."""

_SMALL = """a an and are as at be by for from had has have her his i in is it its me my of on or our picture image photo
photograph photos pictures images some that the their there these this those to was we were where which who with your
you"""
SMALL_WORDS = frozenset(_SMALL.split())
"""Left out of a description before its words are looked for."""

_NEAR = 20  # words that may stand between those of a description in a long text
_MOST_CHOICES = 256  # of singulars and plurals together, in one expression

_PLAIN = re.compile(r"[a-z]{3,}")


def content_words(description: str) -> list[str]:
    """The words of the description in order, without the small ones and without repetitions."""
    found = [word for word in re.split(r"[\s,;.!?()\"]+", description) if wordforms.words(word)]
    return list(dict.fromkeys(word for word in found if word.lower() not in SMALL_WORDS))


def word_expression(description: str) -> str:
    """The FTS5 query for all content words; "" if there are none."""
    words = content_words(description)
    return " AND ".join(f"({' OR '.join(wordforms.phrase(form) for form in word_forms(word))})" for word in words)


def near_expression(description: str) -> str:
    """The same for long texts, in which all content words must stand near one another. "" also where they say too
    little to be looked for there: single letters and signs."""
    words = content_words(description)
    if not any(_tells(word) for word in words):
        return ""
    choices = [_phrases(word) for word in words]
    if math.prod(map(len, choices)) > _MOST_CHOICES:
        choices = [each[:1] for each in choices]
    if len(choices) == 1:
        return " OR ".join(f'"{phrase}"' for phrase in choices[0])
    together = (" ".join(f'"{phrase}"' for phrase in chosen) for chosen in itertools.product(*choices))
    return " OR ".join(f"NEAR({each}, {_NEAR})" for each in together)


def _phrases(word: str) -> list[str]:
    """The word, in singular and plural, as what stands between the quotes of an FTS5 expression."""
    found = [" ".join(each) for form in word_forms(word) for each in wordforms.readings(form) if each]
    return list(dict.fromkeys(found))


def _tells(word: str) -> bool:
    """Whether a word is rarely read by chance: three Latin letters, two digits or two letters of other scripts."""
    letters = [letter for letter in word if letter.isalnum()]
    return len(letters) >= (3 if word.isascii() and any(map(str.isalpha, letters)) else 2)


def shown_lines(description: str, lines: Iterable[str]) -> str:
    """Those lines that hold a word of the description, two at most: '"Invoice No. 10031", "Total 12.50"'."""
    forms = [form for word in content_words(description) for form in word_forms(word)]
    found = [line for line in lines if any(wordforms.holds(line, form) for form in forms)]
    most = sorted(found, key=lambda line: -sum(wordforms.holds(line, form) for form in forms))[:2]
    return ", ".join(f'"{_short(line, forms)}"' for line in found if line in most)


def shown_words(description: str, words: Iterable[Word]) -> str:
    """Those of an image's words that hold a word of the description: 'tag "beach", caption "Anna at the lake"'."""
    forms = [form for word in content_words(description) for form in word_forms(word)]
    found = [word for word in words if any(wordforms.holds(word.text, form) for form in forms)]
    return ", ".join(f'{word.kind} "{_short(word.text, forms)}"' for word in found[:3])


def word_forms(word: str) -> Sequence[str]:
    """An English word in singular and plural, as far as its ending shows them; any other as it is."""
    plain = word.lower()
    if not _PLAIN.fullmatch(plain):
        return (word,)
    forms = [plain, plain + "s", plain + "es"]
    if plain.endswith("y"):
        forms.append(plain[:-1] + "ies")
    if plain.endswith("ies") and len(plain) > 4:
        forms.append(plain[:-3] + "y")
    if plain.endswith("s") and not plain.endswith("ss") and len(plain) > 3:
        forms.append(plain[:-1])
        if plain.endswith("es"):
            forms.append(plain[:-2])
    return tuple(dict.fromkeys(forms))


def _short(text: str, forms: Sequence[str]) -> str:
    """A long text around the place of a word."""
    text = " ".join(text.split())
    if len(text) <= LONGEST_SHOWN:
        return text
    at = min((place for form in forms if (place := text.lower().find(form.lower())) >= 0), default=0)
    start = max(0, at - LONGEST_SHOWN // 2)
    part = text[start : start + LONGEST_SHOWN].strip()
    return f"{'...' if start else ''}{part}{'...' if start + LONGEST_SHOWN < len(text) else ''}"
