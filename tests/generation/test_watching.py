"""Captions and answers heard as they are written, and given up in the middle."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest


class _GivenUp(Exception):
    pass


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_watch_hears_the_caption_grow_id_by_id(generators: dict[str, Any], images: list[Any], kind: str) -> None:
    heard: dict[int, list[str]] = {0: [], 1: [], 2: []}
    prompts = ["a", "a picture of a", ""]  # unlike lengths: batches are in another order than the pictures
    written = generators[kind].caption(
        images[:3], prompt=prompts, num_beams=1, max_new_tokens=8, watch=lambda place, text: heard[place].append(text)
    )
    for place, caption in enumerate(written):
        steps = heard[place]
        assert steps[-1] == caption.text
        assert all(after.startswith(before) for before, after in pairwise(steps))
        assert len(set(steps) - {""}) >= min(2, len(caption.token_ids))


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_watch_changes_nothing_with_beams_and_samples(generators: dict[str, Any], images: list[Any], kind: str) -> None:
    generator = generators[kind]
    for settings in ({"num_beams": 5}, {"do_sample": True, "num_captions": 3, "seed": 5}):
        heard: set[int] = set()

        def hear(place: int, text: str, heard: set[int] = heard) -> None:
            heard.add(place)

        plain = generator.caption(images[:2], max_new_tokens=6, **settings)
        assert generator.caption(images[:2], max_new_tokens=6, watch=hear, **settings) == plain
        assert heard == {0, 1}


def test_watch_ends_the_call_between_two_ids(generators: dict[str, Any], images: list[Any]) -> None:
    heard: list[str] = []

    def give_up(place: int, text: str) -> None:
        heard.append(text)
        if len(heard) == 2:
            raise _GivenUp

    generator = generators["opt"]
    with pytest.raises(_GivenUp):
        generator.answer(images[:1], "what is this?", max_new_tokens=9, min_new_tokens=9, watch=give_up)
    assert len(heard) == 2
    assert generator.answer(images[:1], "what is this?") == generator.answer(images[:1], "what is this?")
