"""Checks the texts that go with images: one for all or one each, and short enough for the language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgsearch.errors import UsageError
from imgsearch.generation.decoding import Decoding

MAX_PROMPT_TOKENS = 512
"""Most ids in a prompt: T5's own length, and far more than any question that BLIP-2 was trained on."""


def count_of(images: Any) -> int:
    """The number of images. Raises UsageError for anything but a list, above all for a single image."""
    if not isinstance(images, Sequence):
        raise UsageError(f"received {type(images).__name__}, expected a list of PIL pictures", "put it into a list")
    return len(images)


def texts_for(texts: str | Sequence[str], count: int, what: str) -> list[str]:
    """One text an image. ``what`` names the texts in errors. Raises UsageError."""
    if not isinstance(texts, (str, Sequence)):
        raise UsageError(f"the {what} are {type(texts).__name__}, expected texts", "give one string, or a list")
    found = [texts] * count if isinstance(texts, str) else list(texts)
    if len(found) != count:
        raise UsageError(f"{len(found)} {what} were given for {count} pictures", "give one, or one a picture")
    for text in found:
        if not isinstance(text, str):
            raise UsageError(f"one of the {what} is {type(text).__name__}, expected a text", "give strings")
    return found


def check_room(config: Any, prompts: Sequence[list[int]], settings: Decoding) -> None:
    """Raise UsageError for a prompt that the language model of a Blip2Config cannot read. OPT has a limited number of
    positions, and the image takes some of them."""
    room = MAX_PROMPT_TOKENS
    if not config.text_config.is_encoder_decoder:
        positions = int(config.text_config.max_position_embeddings)
        room = min(room, positions - config.num_query_tokens - settings.max_new_tokens)
    longest = max(map(len, prompts), default=0)
    if longest > room:
        raise UsageError(
            f"a prompt or question of {longest:,} tokens was given, and this generator reads at most {max(0, room):,} "
            f"beside {settings.max_new_tokens} new ones",
            "shorten it, or ask for fewer new tokens",
        )
