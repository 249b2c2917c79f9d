"""BERT word pieces: from text to ids. Reads any checkpoint's tokenizer.json or vocab.txt; needs neither torch nor
transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from imgsearch.errors import CheckpointInvalid
from imgsearch.model.text import clean_text
from imgsearch.model.words import VocabularyWord, WordReader

_FEW = 16
"""Fewer texts are cut one after the other: a batch wakes a thread a core, which costs more than cutting a few."""

_SPARE_ROWS, _PADDED_ROWS, _PADDED_TO = 8, 127, 64
"""Word vectors that a model may have beyond its vocabulary: added pieces such as [DEC], or a table that was padded to a
multiple."""

_NEEDED = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class TextTokenizer:
    """Cleans texts and cuts them into ids that begin with [CLS] and end with [SEP].

    [DEC], BLIP-2's start of a generated caption, has an id too but begins neither an ITC nor an ITM text.
    """

    def __init__(self, pieces: Tokenizer, origin: Path) -> None:
        pieces.no_padding()
        pieces.no_truncation()
        # A person may type "<image>" or "[SEP]": that is text, not a control piece.
        pieces.encode_special_tokens = True
        ids = [pieces.token_to_id(piece) for piece in _NEEDED]
        missing = [piece for piece, number in zip(_NEEDED, ids, strict=True) if number is None]
        if missing:
            raise CheckpointInvalid(
                f"the tokenizer {origin} has no {', '.join(missing)}; a BERT word-piece tokenizer was expected",
                "use the tokenizer that belongs to this checkpoint",
            )
        self.pad_id, _, self._cls_id, self._sep_id = (int(number) for number in ids if number is not None)
        self._pieces = pieces
        self._words = WordReader(pieces)
        self.origin = origin

    @property
    def pieces(self) -> Tokenizer:
        """The word-piece tokenizer itself, to be saved beside an exported model."""
        return self._pieces

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest id that an encoded text may hold ([DEC] and the like not counted)."""
        return 1 + max(self._pieces.get_vocab(with_added_tokens=False).values())

    def words(self, text: str) -> list[VocabularyWord]:
        """The words of a text, and the pieces that each is cut into."""
        return self._words.words(text)

    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Clean and tokenise; at most ``max_tokens`` ids each, cut on the right, [CLS] and [SEP] included."""
        if max_tokens < 2:
            raise ValueError(f"max_tokens is {max_tokens}, expected at least 2 ([CLS] and [SEP])")
        cleaned = [clean_text(text) for text in texts]
        if len(cleaned) < _FEW:
            encoded = [self._pieces.encode(text, add_special_tokens=False) for text in cleaned]
        else:
            encoded = self._pieces.encode_batch(cleaned, add_special_tokens=False)
        return [[self._cls_id, *entry.ids[: max_tokens - 2], self._sep_id] for entry in encoded]


def require_own_vocabulary(tokenizer: TextTokenizer, rows: int, mend: str, *, lavis: bool = False) -> None:
    """Raise CheckpointInvalid, with ``mend`` as what to do, unless the tokenizer's pieces can be those of a model with
    ``rows`` word vectors: a vocabulary of another model would give plausible nonsense. In LAVIS's own files [DEC] is
    the one row more."""
    usual = _PADDED_ROWS if rows % _PADDED_TO == 0 else _SPARE_ROWS
    if not 0 <= rows - tokenizer.vocabulary_size <= (1 if lavis else usual):
        raise CheckpointInvalid(
            f"{tokenizer.origin} has {tokenizer.vocabulary_size:,} pieces, and the model has {rows:,} word vectors: "
            "it is another model's",
            mend,
        )


def read_tokenizer(folder: Path) -> TextTokenizer:
    """The tokenizer of a checkpoint directory: tokenizer.json, else vocab.txt. Raises CheckpointInvalid."""
    described = folder / "tokenizer.json"
    if not described.is_file():
        return read_vocabulary(folder / "vocab.txt")
    try:
        pieces = Tokenizer.from_file(str(described))
    except Exception as exc:
        raise CheckpointInvalid(f"{described} is damaged: {exc}", "fetch the checkpoint again") from exc
    return TextTokenizer(pieces, described)


def read_vocabulary(path: Path) -> TextTokenizer:
    """An uncased BERT tokenizer from a vocab.txt, one piece a line, the line's number its id."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as exc:
        raise CheckpointInvalid(
            f"there is no tokenizer.json and no vocab.txt in {path.parent}",
            "put the checkpoint's vocab.txt (bert-base-uncased for LAVIS's own) beside the weights",
        ) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise CheckpointInvalid(f"{path} cannot be read as a vocabulary: {exc}", "fetch it again") from exc
    if lines and not lines[-1]:
        lines.pop()
    vocabulary = {line.rstrip("\r"): number for number, line in enumerate(lines)}
    if "[UNK]" not in vocabulary:
        raise CheckpointInvalid(f"{path} has no [UNK]; a BERT vocabulary was expected", "fetch it again")
    pieces = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    pieces.normalizer = normalizers.BertNormalizer(lowercase=True)
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return TextTokenizer(pieces, path)
