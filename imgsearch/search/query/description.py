"""Makes a person's text fit for the model, and tells the person where that changes it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from imgsearch.errors import UsageError
from imgsearch.model.text import clean_text

MAX_K = 100_000
MAX_WORDS = 50
"""LAVIS keeps the first 50 words of a caption."""

MAX_TOKENS = 32
"""Word pieces that the model was trained to read, including [CLS] and [SEP]."""

_TYPE_HINT = 'for example Query("a red boat", k=10)'

LONGEST_QUERY = 200_000
"""Letters of a query, filters included: the model reads 32 word pieces, and to take millions apart takes minutes."""

LONGEST_WORD = 100
"""Letters. The word-piece tokenizer takes a longer word for an unknown one."""

EXAMPLE = 'say what the picture shows, for example: imgsearch search "a red boat left of a tree"'


@dataclass(frozen=True, slots=True)
class Query:
    """``text`` as typed. ``k``: answers wanted. ``rerank``: candidates that ITM re-reads (-1: chosen by device, 0:
    none); each that shows something excluded is replaced by one more. ``cursor``: from an earlier answer, for the page
    after it. ``everything``: continue after the last image that shows what was asked for, to the end of the library.
    ``budget_ms``: stop re-ranking after this time; an answer shortened so need not be the beginning of a longer one."""

    text: str
    k: int = 10
    rerank: int = -1
    cursor: str | None = None
    everything: bool = False
    budget_ms: float | None = None

    def __post_init__(self) -> None:
        self._require_types()
        if not 1 <= self.k <= MAX_K:
            raise UsageError(f"got k = {self.k}, expected 1 to {MAX_K:,}", "for example -k 10")
        if not -1 <= self.rerank <= MAX_K:
            raise UsageError(
                f"got rerank = {self.rerank}, expected 0 to {MAX_K:,}, or -1", "0 turns re-ranking off, -1 is automatic"
            )
        if self.budget_ms is not None and not self.budget_ms >= 0:
            raise UsageError(f"got a budget of {self.budget_ms} ms, expected 0 or more", "for example --budget-ms 200")

    def _require_types(self) -> None:
        wanted: tuple[tuple[str, type | tuple[type, ...], str], ...] = (
            ("text", str, "a text"),
            ("k", int, "a whole number"),
            ("rerank", int, "a whole number"),
            ("cursor", (str, type(None)), "the text of an earlier answer's next_cursor, or None"),
            ("everything", bool, "True or False"),
            ("budget_ms", (int, float, type(None)), "milliseconds, or None"),
        )
        for name, kinds, expected in wanted:
            value = getattr(self, name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
                raise UsageError(
                    f"got {name} = {value!r:.60} ({type(value).__name__}), expected {expected}", _TYPE_HINT
                )


def readable(text: str) -> str:
    """``text`` without what no model reads. Control characters and lone surrogates become spaces, so that a tab or a
    line end separates words, and bytes that were not UTF-8 are dropped."""
    kept = (" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in text)
    return " ".join("".join(kept).split())


def spoken_form(text: str) -> str:
    """The description in ``text`` as the model's captions are written: straight apostrophes and hyphens, no quotes;
    wide letters, digits and signs of Asian keyboards and the ligatures of PDFs as plain ones; without soft hyphens and
    other marks that nobody sees. Letters of other scripts stay, however alike they look."""
    return " ".join(text.translate(_SPOKEN).split())


_PLAIN_FORMS = (*range(0xFF01, 0xFF5F), *range(0xFB00, 0xFB07), 0x17F, 0x2026)
_UNSEEN = (
    0xAD,
    0x34F,
    0x61C,
    *range(0x200C, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    0xFE0E,
    0xFE0F,
    0xFEFF,
)
_SPOKEN: dict[int, str] = {
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in _PLAIN_FORMS},
    **dict.fromkeys(_UNSEEN, ""),
    **dict.fromkeys(map(ord, "\u200b“”„‟«»「」『』＂"), " "),
    **dict.fromkeys(map(ord, "‘’‛ʼ＇"), "'"),
    **dict.fromkeys(map(ord, "‐‑‒–—−"), "-"),
}


def require_words(text: str) -> None:
    """Raise UsageError with the reason if a readable ``text`` holds nothing that the model could search for."""
    words = clean_text(text).split()
    if not text:
        raise UsageError("the query is empty", EXAMPLE)
    if not any(letter.isalnum() for word in words for letter in word):
        raise UsageError(f"the query {_short(text)!r} holds no word, and the model reads words only", EXAMPLE)
    if all(len(word) > LONGEST_WORD for word in words):
        raise UsageError(f"the query is one word of {len(words[0]):,} letters, which the model cannot read", EXAMPLE)


def query_notes(text: str, pieces: int = 0) -> tuple[str, ...]:
    """One sentence for each part of a readable ``text`` that the model will not see. ``pieces``: word pieces that the
    model takes it for."""
    notes = []
    spoken = clean_text(text, max_words=len(text))  # a text has no more words than characters
    words = spoken.split()
    if len(words) > MAX_WORDS:
        notes.append(f"the query has {len(words):,} words; only the first {MAX_WORDS} count")
    if pieces > MAX_TOKENS:
        notes.append(f"the query is {pieces} word pieces long; the model reads the first {MAX_TOKENS}")
    if any(len(word) > LONGEST_WORD for word in words[:MAX_WORDS]):
        notes.append(f"a word of more than {LONGEST_WORD} letters is unknown to the model")
    symbols = sorted({letter for letter in spoken if unicodedata.category(letter) == "So"})
    if symbols:
        notes.append(f"the model reads words; it does not know {' '.join(symbols[:5])}")
    return tuple(notes)


def _short(text: str, letters: int = 40) -> str:
    return text if len(text) <= letters else text[:letters] + "..."
