"""The one place where texts are cleaned before they become word pieces. No torch."""

from __future__ import annotations

import re

MAX_WORDS = 50  # LAVIS, BlipCaptionProcessor

_MARKS = re.compile(r'[.!"()*#:;~]')
_SPACES = re.compile(r"\s{2,}")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_text(text: str, max_words: int = MAX_WORDS) -> str:
    """Lower-case, turn each of ``. ! " ( ) * # : ; ~`` into a space, collapse spaces, strip, keep the first
    ``max_words`` words.

    Follows LAVIS's BlipCaptionProcessor, which the checkpoints were trained with. Lone surrogates (from file
    names or a shell with another encoding) become U+FFFD, because no tokenizer takes them.
    """
    text = _SURROGATES.sub("\ufffd", text)
    text = _SPACES.sub(" ", _MARKS.sub(" ", text.lower())).strip()
    return " ".join(text.split(" ")[:max_words])
