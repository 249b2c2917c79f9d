"""What tuning changed in a generator's captions, before and after, and whether a difference is more than chance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from imgsearch.generation.blip2 import Blip2Generator
from imgsearch.generation.loss import loss_of_batch
from imgsearch.records import Float64, Int64
from imgsearch.tuning.gains.measure import COVERAGE, DRAWS
from imgsearch.tuning.language.batches import ImageStates

_AT_ONCE = 16
_LONGEST = 30  # ids of a caption
_WORDS = re.compile(r"[\w']+")
_LITTLE = frozenset(["a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "with", "is", "are", "there"])


@dataclass(frozen=True, slots=True)
class Written:
    """Of I pictures: the mean cross entropy of an id of their captions [I], the greedy ``texts``, and how many of
    their words agree with the captions' (F1 of the words but little ones, of the best caption), 0..1 [I]."""

    losses: Float64
    agreement: Float64
    texts: list[str]


@dataclass(frozen=True, slots=True)
class LanguageGain:
    """A figure before and after, the mean over pictures, with the interval of its change."""

    figure: str  # "loss" (lower is better) or "words"
    before: float
    after: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Nothing is better or worse whose interval holds 0."""
        if self.low <= 0 <= self.high:
            return "no certain difference"
        return "better" if (self.high < 0) == (self.figure == "loss") else "worse"


@torch.inference_mode()
def judge_captions(
    generator: Blip2Generator, seen: ImageStates, rows: Int64, captions: Sequence[tuple[str, ...]]
) -> Written:
    """Measure a generator on the pictures ``rows`` with their ``captions``."""
    losses, texts = [], []
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        projected = seen.projected(part)
        places = [place for place, row in enumerate(part) for _ in captions[row]]
        said = [("", caption) for row in part for caption in captions[row]]
        sums = loss_of_batch(generator.network, generator.tokenizer, projected[places], said)
        totals = np.zeros((len(part), 2))
        for place, (total, count) in zip(places, sums, strict=True):
            totals[place] += total, count
        losses += (totals[:, 0] / np.maximum(totals[:, 1], 1)).tolist()
        texts += greedy_captions(generator, projected)
    agreement = [word_agreement(text, captions[row]) for text, row in zip(texts, rows, strict=True)]
    return Written(np.array(losses), np.array(agreement), texts)


def word_agreement(text: str, captions: Sequence[str]) -> float:
    """F1 of the words of a text with those of the caption that it agrees with most."""
    return max((_f1(_words(text), _words(caption)) for caption in captions), default=0.0)


def compare_captions(before: Written, after: Written, seed: int = 0) -> list[LanguageGain]:
    """Both figures, with intervals by the bootstrap over pictures, paired (Efron 1979)."""
    draws = np.random.default_rng(seed).integers(0, len(before.losses), (DRAWS, len(before.losses)))
    found = []
    for figure, old, new in (
        ("loss", before.losses, after.losses),
        ("words", before.agreement, after.agreement),
    ):
        change = (new - old)[draws].mean(axis=1)
        low, high = np.quantile(change, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
        found.append(LanguageGain(figure, float(old.mean()), float(new.mean()), float(low), float(high)))
    return found


def greedy_captions(generator: Blip2Generator, projected: torch.Tensor) -> list[str]:
    """The captions that the generator writes without a prompt."""
    network, tokenizer = generator.network, generator.tokenizer
    words = network.language_model.get_input_embeddings()
    start = torch.tensor([tokenizer.encode("")] * len(projected), device=projected.device)
    embeds = torch.cat([projected.to(words.weight.dtype), words(start)], dim=1)
    mask = torch.ones(embeds.shape[:2], dtype=torch.long, device=embeds.device)
    marks = tokenizer.marks
    start_id = getattr(network.config.text_config, "decoder_start_token_id", None)  # OPT has none
    rows = network.language_model.generate(
        inputs_embeds=embeds,
        attention_mask=mask,
        max_new_tokens=_LONGEST,
        num_beams=1,
        do_sample=False,
        eos_token_id=list(marks.end),
        pad_token_id=marks.pad,
        **({"decoder_start_token_id": int(start_id or 0)} if generator.encoder_decoder else {}),
    )
    return [tokenizer.decode(_before_end(row, marks.end)) for row in rows.tolist()]


def _before_end(ids: list[int], end: Sequence[int]) -> list[int]:
    return next((ids[:place] for place, one in enumerate(ids) if one in end), ids)


def _words(text: str) -> set[str]:
    return {word for word in _WORDS.findall(text.lower()) if word not in _LITTLE}


def _f1(first: set[str], second: set[str]) -> float:
    return 2 * len(first & second) / max(1, len(first) + len(second))
