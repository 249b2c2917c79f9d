"""A generator without torch: it says which colour a picture has, a word at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from colour_shelf import COLOURS
from PIL import Image

from imgsearch.generation.contract import Answer, Caption, Captions
from web.services.generation import GenerationService


class Scribe:
    """Says "it is all COLOUR", and of "how many ..." only "two". ``hold``: called before every word with the texts
    that are asked about. ``batches``: how many pictures each call had."""

    name, fingerprint, dtype, image_size = "scribe", "ef" * 32, "float32", 8

    def __init__(self, hold: Callable[[Sequence[str]], None] = lambda texts: None) -> None:
        self.hold = hold
        self.batches: list[int] = []
        self.heard: list[str] = []

    def caption(self, images: Sequence[Image.Image], prompt: str = "", **settings: Any) -> list[Captions]:
        wrong = [f"a {'red' if _colour(image) != 'red' else 'green'} thing" for image in images]
        right = [f"a {_colour(image)} thing" for image in images]
        self._say([""] * len(images), right, settings.get("watch"))
        count = settings.get("num_captions", 1)
        return [
            Captions.of([Caption(text, [1], 0.0) for text in ([bad, good] * count)[:count]])
            for bad, good in zip(wrong, right, strict=True)
        ]

    def answer(
        self, images: Sequence[Image.Image], questions: Sequence[str], form: str = "", **settings: Any
    ) -> list[Answer]:
        self.heard += questions
        texts = [
            "two" if "how many" in asked.lower() else f"it is all {_colour(image)}"
            for asked, image in zip(questions, images, strict=True)
        ]
        self._say(questions, texts, settings.get("watch"))
        return [Answer(text, [1]) for text in texts]

    def caption_loss(self, images: Any, texts: Any, prompt: Any = "") -> float:
        return 0.0

    def _say(self, asked: Sequence[str], texts: Sequence[str], watch: Any) -> None:
        self.batches.append(len(texts))
        for count in range(1, 5):
            self.hold(asked)
            for place, text in enumerate(texts):
                if watch:
                    watch(place, " ".join(text.split()[:count]))


def _colour(image: Image.Image) -> str:
    middle = np.asarray(image.convert("RGB"), float)[:, 4:].mean(axis=(0, 1))
    return min(COLOURS, key=lambda name: float(np.abs(middle - COLOURS[name]).sum()))


class Gate:
    """Lets words out one by one: ``hold`` waits for `open`; ``reached`` counts who waits or has passed."""

    def __init__(self) -> None:
        self._passes = threading.Semaphore(0)
        self.reached = threading.Semaphore(0)

    def hold(self, _texts: Sequence[str]) -> None:
        self.reached.release()
        assert self._passes.acquire(timeout=60)

    def open(self, words: int = 1000) -> None:
        self._passes.release(words)

    def close(self) -> None:
        """Let nothing more out of what it was opened for."""
        while self._passes.acquire(blocking=False):
            pass


def scribe_service(scribe: Scribe, **limits: Any) -> GenerationService:
    return GenerationService(lambda: scribe, "scribe", **limits)
