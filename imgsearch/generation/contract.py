"""What the rest of the code asks of a generator. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from PIL import Image

Watch: TypeAlias = Callable[[int, str], None]
"""Hears, after every new id, a picture's place in the call and its text so far (of several beams the leading one's,
which may still change). What it raises ends the call: a way to give up between two ids."""

QUESTION_FORM = "Question: {} Answer:"
"""How BLIP-2 with OPT was asked (Li et al. 2023, section 4.1); with Flan-T5 the authors' evaluation asks
"Question: {} Short answer:"."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A text written about a picture. ``text`` is stripped; ``token_ids`` are the new ids alone: no placeholders of
    the picture, no prompt, no end. ``score`` is the sum of the ids' natural log-probabilities, the end's included,
    divided by (their number) ** length_penalty; above all else a measure among captions of one call."""

    text: str
    token_ids: list[int]
    score: float


@dataclass(frozen=True, slots=True)
class Captions(Caption):
    """What was written about one picture: the best caption itself (the first drawn, for nucleus sampling), and as a
    sequence all that were asked for, best first (in the order of drawing)."""

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
    """The answer to a question; its fields as in `Caption`."""

    text: str
    token_ids: list[int]


@runtime_checkable
class Generator(Protocol):
    """Writes about pictures.

    ``images`` are PIL pictures of any mode; they are turned upright by their EXIF, put on white and taken to sRGB as
    indexing does. A batch gives what each picture alone gives, whatever its size and padding: batches are made inside,
    and halved when memory runs out. Every method raises UsageError on an argument that cannot be, MediaError for a
    picture that cannot be decoded, and NotEnoughMemory where one picture alone does not fit.
    """

    @property
    def name(self) -> str:
        """What it was loaded by."""
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
        """Describe B pictures -> B `Captions`, each with ``num_captions`` candidates.

        ``prompt`` is what the text shall go on from ("a photo of"), one for all or one a picture. Lengths count new
        ids, the end included. ``num_beams`` 1 is greedy. ``do_sample`` draws by nucleus sampling instead (``num_beams``
        is then of no account): from the 50 likeliest ids those that make up ``top_p``, at ``temperature``.
        ``no_repeat`` forbids an n-gram of that many ids to come twice (0: none).

        ``seed`` decides all that is drawn. One number is the seed of the whole call: the same pictures in the same
        order give the same captions whatever the batches, and on the same device those that LAVIS draws after
        ``torch.manual_seed(seed)``. A number a picture makes each independent of the others too: it gives what the
        picture alone gives with that seed.
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
        """Answer question i about picture i (one question for all, if a string) -> B answers. ``form`` is the prompt
        with {} for the question; "" asks the bare question."""
        ...

    def caption_loss(
        self, images: Sequence[Image.Image], texts: Sequence[str], prompt: str | Sequence[str] = ""
    ) -> float:
        """The mean cross entropy per id, in nats, of text i after picture i, as LAVIS's forward has it in evaluation:
        texts are cut at 32 ids; with OPT the end of line and the start are predicted too, and the ids of ``prompt`` are
        left out at the front of every text; with T5 ``prompt`` is what the encoder reads."""
        ...
