"""The language model's tokenizer: from prompts to ids and from ids to texts. Needs neither torch nor transformers.

OPT's is GPT-2's byte-level BPE with </s> before every text; T5's is a unigram model with </s> after it. These ids are
added here, because a tokenizer made of ``vocab.json`` and ``merges.txt`` alone does not know them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from imgsearch.errors import CheckpointInvalid

FILES = ("tokenizer.json", "vocab.json", "merges.txt")

# transformers' clean_up_tokenization, which LAVIS's transformers applied by default.
_CLEANED = (
    *((f" {mark}", mark) for mark in (".", "?", "!", ",")),
    (" ' ", "'"),
    *((f" {ending}", ending) for ending in ("n't", "'m", "'s", "'ve", "'re")),
)
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


@dataclass(frozen=True, slots=True)
class Marks:
    """The ids that are no text. ``before`` and ``after`` surround every text that is encoded."""

    end: tuple[int, ...]  # any of them ends a generated text
    pad: int
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


class PromptTokenizer:
    """From texts to ids and back. What a person types is always text: "</s>" or "<image>" in it never becomes a
    mark."""

    def __init__(self, pieces: Tokenizer, marks: Marks, origin: Path) -> None:
        pieces.no_padding()
        pieces.no_truncation()
        pieces.encode_special_tokens = True
        self.pieces = pieces
        self.marks = marks
        self.origin = origin
        self._hidden = {*marks.end, marks.pad, *marks.before, *marks.after}

    @property
    def size(self) -> int:
        """One more than the largest id of the vocabulary, without added pieces."""
        return 1 + max(self.pieces.get_vocab(with_added_tokens=False).values())

    def encode(self, text: str) -> list[int]:
        """The ids of a text with the marks around it."""
        plain = self.pieces.encode(text.translate(_SURROGATES), add_special_tokens=False).ids
        return [*self.marks.before, *plain, *self.marks.after]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of new ids, stripped, without marks and unknown ids."""
        text = self.pieces.decode([number for number in ids if number not in self._hidden])
        for found, better in _CLEANED:
            text = text.replace(found, better)
        return str(text).strip()


def read_pieces(folder: Path) -> Tokenizer:
    """The tokenizer of a directory: ``tokenizer.json``, or else ``vocab.json`` and ``merges.txt``."""
    described, vocabulary, merges = (folder / name for name in FILES)
    mend = "copy the checkpoint's tokenizer files beside its weights"
    try:
        if described.is_file():
            return Tokenizer.from_file(str(described))
        if vocabulary.is_file() and merges.is_file():
            pieces = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
            pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            pieces.decoder = decoders.ByteLevel()
            return pieces
    except Exception as exc:
        raise CheckpointInvalid(f"the tokenizer in {folder} is damaged: {exc}", mend) from exc
    if (folder / "spiece.model").is_file():
        raise CheckpointInvalid(
            f"{folder} has its tokenizer as spiece.model alone; tokenizer.json is read",
            "put the tokenizer.json that is published with the same model beside it",
        )
    raise CheckpointInvalid(f"{folder} has no tokenizer.json, and no vocab.json with merges.txt", mend)
