"""Draws texts from a language model: the settings, and how they are passed to transformers' generate.

Beam search is transformers' own. Sampling uses its greedy loop and draws in a logits processor, so that the random
numbers are ours: they depend on the seed and the image's place, never on the batches.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, cast

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from imgsearch.errors import UsageError
from imgsearch.generation.tokenizer import Marks
from imgsearch.wording import counted

TOP_K = 50
"""Nucleus sampling chooses among at most this many ids, the default of the transformers that LAVIS ran on."""
_MAX_BEAMS, _MAX_NEW_TOKENS, _MAX_CAPTIONS = 64, 512, 64
# Beyond these, float32 has no room for what is computed with them.
_RANGES = {"repetition_penalty": (1e-3, 1e3), "temperature": (1e-6, 1e6), "top_p": (1e-9, 1.0)}
_RANGES |= {"length_penalty": (-100.0, 100.0)}
_SEEDS = range(-(1 << 63), 1 << 64)  # what a torch generator takes


@dataclass(frozen=True, slots=True)
class Decoding:
    """How texts are drawn. `imgsearch.generation.contract.Generator.caption` explains the fields."""

    num_beams: int = 5
    max_new_tokens: int = 30
    min_new_tokens: int = 1
    length_penalty: float = 1.0
    repetition_penalty: float = 1.0
    do_sample: bool = False
    top_p: float = 0.9
    temperature: float = 1.0
    num_captions: int = 1
    no_repeat: int = 0

    def __post_init__(self) -> None:
        self._set_whole("num_beams", 1, _MAX_BEAMS)
        self._set_whole("max_new_tokens", 1, _MAX_NEW_TOKENS)
        self._set_whole("min_new_tokens", 0, self.max_new_tokens)
        self._set_whole("num_captions", 1, _MAX_CAPTIONS)
        self._set_whole("no_repeat", 0, self.max_new_tokens)
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not lowest <= float(value) <= highest:
                raise UsageError(
                    f"{name} is {value!r:.60}, expected a number of {lowest:g} to {highest:g}",
                    f"for example {name}=1.0",
                )
        if not isinstance(self.do_sample, bool):
            raise UsageError(f"do_sample is {self.do_sample!r:.60}, expected True or False", "leave it out for beams")
        if not self.do_sample and self.num_captions > self.num_beams:
            raise UsageError(
                f"{self.num_captions} captions were asked of {counted(self.num_beams, 'beam')}, at most one of each",
                "raise num_beams, or draw them with do_sample=True",
            )

    def _set_whole(self, name: str, lowest: int, highest: int) -> None:
        """Check a whole number, and make NumPy's Python's."""
        value = getattr(self, name)
        number = whole_number(value)
        if number is None or not lowest <= number <= highest:
            raise UsageError(
                f"{name} is {value!r:.60}, expected a whole number of {lowest} to {highest}", f"for example {name}=5"
            )
        object.__setattr__(self, name, number)

    @property
    def beams(self) -> int:
        """Beams of one row; 1 for sampling."""
        return 1 if self.do_sample else self.num_beams

    @property
    def rows(self) -> int:
        """Rows of one image that are drawn separately."""
        return self.num_captions if self.do_sample else 1


def whole_number(value: Any) -> int | None:
    """A whole number of any kind, Python's or NumPy's; None for everything else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


class Noise:
    """The random numbers of one call, exponentially distributed. The id with the largest ratio of probability to number
    is a draw from the distribution, as in torch.multinomial.

    With one seed the numbers of a step form one table for all rows of the call, so any batch reads the same numbers.
    With a seed an image, each image has a generator of its own.
    """

    def __init__(self, seeds: int | Sequence[int], rows: int, rows_each: int, device: torch.device) -> None:
        self._seeds, self._rows, self._each, self._device = seeds, rows, rows_each, device

    def reader(self, images: Sequence[int]) -> Callable[[int], torch.Tensor]:
        """A function that gives the numbers for the rows of ``images`` (places in the call), step by step. It takes the
        vocabulary's size V and returns float32 [len(images) * rows an image, V]."""
        if isinstance(self._seeds, int):
            generator = self._generator(self._seeds)
            places = [image * self._each + row for image in images for row in range(self._each)]

            def shared(size: int) -> torch.Tensor:
                table = torch.empty((self._rows, size), device=self._device).exponential_(1, generator=generator)
                return table[places]

            return shared
        generators = [self._generator(self._seeds[image]) for image in images]

        def own(size: int) -> torch.Tensor:
            shape = (self._each, size)
            parts = [torch.empty(shape, device=self._device).exponential_(1, generator=one) for one in generators]
            return torch.cat(parts)

        return own

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self._device).manual_seed(seed)


def noise_of(seed: int | Sequence[int] | None, count: int, settings: Decoding, device: torch.device) -> Noise:
    """The numbers of a call for ``count`` images: of one seed, of one for each image, or of one that nobody knows.
    Raises UsageError."""
    if seed is None:
        seed = random.SystemRandom().randrange(1 << 62)
    many = isinstance(seed, Sequence) and not isinstance(seed, (str, bytes))
    given: list[Any] = list(cast("Sequence[int]", seed)) if many else [seed]
    seeds = [whole_number(one) for one in given]
    if any(one is None or one not in _SEEDS for one in seeds):
        raise UsageError(f"the seed is {seed!r:.60}, expected a whole number of 64 bits", "for example seed=11")
    if many and len(seeds) != count:
        raise UsageError(f"{len(seeds)} seeds were given for {count} pictures", "give one, or one a picture")
    numbers = cast("list[int]", seeds)
    return Noise(numbers if many else numbers[0], count * settings.rows, settings.rows, device)


class _Draw(LogitsProcessor):  # type: ignore[misc]
    """Nucleus sampling. Afterwards the id with the highest score is the draw."""

    def __init__(self, settings: Decoding, numbers: Callable[[int], torch.Tensor]) -> None:
        self._numbers = numbers
        self._warpers: list[Any] = []
        if settings.temperature != 1.0:
            self._warpers.append(TemperatureLogitsWarper(float(settings.temperature)))
        self._warpers.append(TopKLogitsWarper(TOP_K))
        if settings.top_p < 1.0:
            self._warpers.append(TopPLogitsWarper(float(settings.top_p)))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for warper in self._warpers:
            scores = warper(input_ids, scores)
        return scores.softmax(dim=-1) / self._numbers(scores.shape[-1])


class _Penalty(RepetitionPenaltyLogitsProcessor):  # type: ignore[misc]
    """A repetition penalty that ignores the padding before a short prompt."""

    def __init__(self, penalty: float, pad: int) -> None:
        super().__init__(penalty)
        self._pad = pad

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = super().__call__(input_ids, scores)
        found[:, self._pad] = scores[:, self._pad]
        return found


class _Likelihood(LogitsProcessor):  # type: ignore[misc]
    """Sums the log-probabilities of the chosen ids and changes nothing. It comes first among the processors, so it sees
    the model's own logits."""

    def __init__(self, end: Sequence[int]) -> None:
        self._end = list(end)
        self._last: torch.Tensor | None = None
        self._sum: torch.Tensor | None = None
        self._open: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._last is None:
            self._sum = scores.new_zeros(len(scores), dtype=torch.float32)
            self._open = scores.new_ones(len(scores), dtype=torch.bool)
        else:
            self._add(input_ids[:, -1])
        self._last = scores.float().log_softmax(dim=-1)
        return scores

    def total(self, last_ids: torch.Tensor) -> torch.Tensor:
        """float32 [rows]. ``last_ids`` [rows] were chosen last."""
        self._add(last_ids)
        assert self._sum is not None
        return self._sum

    def _add(self, ids: torch.Tensor) -> None:
        assert self._last is not None and self._sum is not None and self._open is not None
        chosen = self._last.gather(1, ids[:, None])[:, 0]
        self._sum += torch.where(self._open, chosen, torch.zeros_like(chosen))
        self._open &= ~torch.isin(ids, torch.tensor(self._end, device=ids.device))


class _Watching(StoppingCriteria):  # type: ignore[misc]
    """Shows each row's ids after every step and never stops the drawing itself. A beam search passes several candidates
    a row, the likeliest first."""

    def __init__(self, watch: Callable[[list[list[int]]], None], rows: int, begun: int, end: Sequence[int]) -> None:
        self._watch, self._rows, self._begun, self._end = watch, rows, begun, end

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_unused: Any) -> torch.Tensor:
        leading = input_ids[:: len(input_ids) // self._rows, self._begun :].tolist()
        self._watch([_cut(row, self._end) for row in leading])
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def draw(
    language_model: Any,
    inputs: dict[str, Any],
    settings: Decoding,
    marks: Marks,
    numbers: Callable[[int], torch.Tensor] | None,
    watch: Callable[[list[list[int]]], None] | None = None,
) -> tuple[list[list[int]], list[float]]:
    """The new ids of every row without the end, and their scores, ``num_captions`` rows an image. ``inputs`` are
    arguments of the language model's generate. ``numbers`` come from `Noise.reader`, for sampling. ``watch`` receives
    the ids of every row after each step; what it raises ends the drawing."""
    ids = inputs.get("input_ids")
    begun = 1 if ids is None else int(ids.shape[1])  # T5 begins with its start id alone
    likelihood = _Likelihood(marks.end)
    processors = LogitsProcessorList([likelihood] if settings.beams == 1 else [])
    device = language_model.device
    if settings.repetition_penalty != 1.0:
        processors.append(_Penalty(float(settings.repetition_penalty), marks.pad))
    if settings.no_repeat:
        processors.append(NoRepeatNGramLogitsProcessor(settings.no_repeat))
    if settings.min_new_tokens:
        shortest = MinNewTokensLengthLogitsProcessor(begun, settings.min_new_tokens, list(marks.end), device=device)
        processors.append(shortest)
    if numbers is not None:
        processors.append(_Draw(settings, numbers))
    rows = len(inputs["attention_mask"])
    watching = [] if watch is None else [_Watching(watch, rows, begun, marks.end)]
    found = language_model.generate(
        **inputs,
        logits_processor=processors,
        stopping_criteria=StoppingCriteriaList(watching),
        generation_config=_config(language_model, settings, marks),
    )
    new = found.sequences[:, begun:]
    cut = [_cut(row, marks.end) for row in new.tolist()]
    if settings.beams > 1:
        return cut, found.sequences_scores.float().tolist()
    sums = likelihood.total(new[:, -1]).tolist()
    lengths = [min(len(row) + 1, new.shape[1]) for row in cut]
    return cut, [one / length**settings.length_penalty for one, length in zip(sums, lengths, strict=True)]


def _config(language_model: Any, settings: Decoding, marks: Marks) -> Any:
    beams = settings.beams
    return GenerationConfig(
        do_sample=False,
        num_beams=beams,
        num_return_sequences=settings.num_captions if beams > 1 else 1,
        length_penalty=float(settings.length_penalty),
        max_new_tokens=settings.max_new_tokens,
        early_stopping=False,
        eos_token_id=list(marks.end),
        pad_token_id=marks.pad,
        bos_token_id=marks.before[0] if marks.before else None,
        decoder_start_token_id=getattr(language_model.config, "decoder_start_token_id", None),
        return_dict_in_generate=True,
        output_scores=beams > 1,
    )


def _cut(ids: list[int], end: Sequence[int]) -> list[int]:
    """The ids up to the first end. What follows in a finished row is padding."""
    for place, number in enumerate(ids):
        if number in end:
            return ids[:place]
    return ids
