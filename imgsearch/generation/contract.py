"""The interface of a generator. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from PIL import Image

Watch: TypeAlias = Callable[[int, str], None]
"""Called after every new id with an image's place in the call and its text so far (of several beams the leading one's,
which may still change). What it raises ends the call, so it is a way to stop between two ids."""

QUESTION_FORM = "Question: {} Answer:"
"""The prompt for BLIP-2 with OPT (Li et al. 2023, section 4.1). With Flan-T5 the authors' evaluation uses "Question: {}
Short answer:"."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A text about an image. ``text`` is stripped. ``token_ids`` are the new ids alone, without placeholders of the
    image, prompt and end. ``score`` is the sum of the ids' natural log-probabilities, including the end's, divided by
    (their number) ** length_penalty. It compares captions of one call only."""

    text: str
    token_ids: list[int]
    score: float


@dataclass(frozen=True, slots=True)
class Captions(Caption):
    """What was written about one image. It is itself the best caption (the first drawn, for nucleus sampling), and as a
    sequence it holds all that were asked for, best first (in the order of drawing)."""

    candidates: tuple[Caption, ...] = ()

    def __iter__(self) -> Iterator[Caption]:
        return iter(self.candidates)

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, place: int) -> Caption:
        return self.candidates[place]

    @classmethod
    def of(cls, candidates: Sequence[Caption]) -> Captions:
        """From at least one caption."""
        best = candidates[0]
        return cls(best.text, best.token_ids, best.score, tuple(candidates))


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question. Its fields are those of `Caption`."""

    text: str
    token_ids: list[int]


@runtime_checkable
class Generator(Protocol):
    """Writes about images.

    ``images`` are PIL images of any mode. They are turned upright by their EXIF, put on white and converted to sRGB as
    in indexing. A batch gives what each image alone gives, whatever its size and padding: batches are made inside, and
    halved when memory runs out. Every method raises UsageError for an invalid argument, MediaError for an image that
    cannot be decoded, and NotEnoughMemory if a single image does not fit.
    """

    @property
    def name(self) -> str:
        """The name that it was loaded by."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identifies weights, config and tokenizer; equal for equal files."""
        ...

    def caption(
        self,
        images: Sequence[Image.Image],
        prompt: str | Sequence[str] = "",
        num_beams: int = 5,
        max_new_tokens: int = 30,
        min_new_tokens: int = 1,
        length_penalty: float = 1.0,
        repetition_penalty: float = 1.0,
        do_sample: bool = False,
        top_p: float = 0.9,
        temperature: float = 1.0,
        num_captions: int = 1,
        seed: int | Sequence[int] | None = None,
        *,
        no_repeat: int = 0,
        batch_size: int | None = None,
        watch: Watch | None = None,
    ) -> list[Captions]:
        """Describe B images -> B `Captions`, each with ``num_captions`` candidates.

        ``prompt`` is the beginning of the text ("a photo of"), one for all or one an image. Lengths count new ids,
        including the end. ``num_beams`` 1 is greedy. ``do_sample`` uses nucleus sampling instead and ignores
        ``num_beams``: from the 50 likeliest ids it draws among those that make up ``top_p``, at ``temperature``.
        ``no_repeat`` forbids any n-gram of that many ids to occur twice (0: none).

        ``seed`` decides everything that is drawn. One number is the seed of the whole call: the same images in the same
        order give the same captions whatever the batches, and on the same device those that LAVIS draws after
        ``torch.manual_seed(seed)``. With one number an image, each caption is also independent of the other images.
        """
        ...

    def answer(
        self,
        images: Sequence[Image.Image],
        questions: str | Sequence[str],
        form: str = QUESTION_FORM,
        num_beams: int = 5,
        max_new_tokens: int = 10,
        min_new_tokens: int = 1,
        length_penalty: float = -1.0,
        *,
        batch_size: int | None = None,
        watch: Watch | None = None,
    ) -> list[Answer]:
        """Answer question i about image i (one question for all, if it is a string) -> B answers. ``form`` is the
        prompt with {} for the question; "" asks the bare question."""
        ...

    def caption_loss(
        self, images: Sequence[Image.Image], texts: Sequence[str], prompt: str | Sequence[str] = ""
    ) -> float:
        """The mean cross entropy an id, in nats, of text i after image i, as LAVIS's forward computes it in evaluation.
        Texts are cut at 32 ids. With OPT the end of line and the start are predicted, too, and the ids of ``prompt`` at
        the front of every text are ignored. With T5 the encoder reads ``prompt``."""
        ...
