from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import BertTokenizer

from imgsearch.errors import CheckpointInvalid
from imgsearch.model.tokenizer import read_tokenizer, read_vocabulary

GOLDEN = Path(__file__).parents[1] / "golden" / "lavis"
ABOUT = json.loads((GOLDEN / "about.json").read_text())
TEXTS = [*ABOUT["captions_as_processed"], "", "unseen words, naïve café", "日本 boat", "😀", "x" * 300, "left-of"]


def test_ids_equal_those_of_transformers_bert_tokenizer():
    theirs = BertTokenizer(vocab=str(GOLDEN / "vocab.txt"), do_lower_case=True)
    for limit in (2, 3, 12, 32):
        expected = [theirs(text, truncation=True, max_length=limit)["input_ids"] for text in TEXTS]
        assert read_tokenizer(GOLDEN).encode(TEXTS, limit) == expected


def test_padding_and_truncation_saved_with_a_tokenizer_do_not_count(directory, small):
    ids = read_tokenizer(directory).encode(["red boat " * 9], 100)[0]
    pieces = small.PIECES
    assert ids == [2, *[pieces.index("red"), pieces.index("boat")] * 9, 3]


def test_control_pieces_typed_by_a_person_are_text():
    tokenizer = read_tokenizer(GOLDEN)
    (ids,) = tokenizer.encode(["<image> [SEP] [PAD]"], 32)
    assert ids.count(ids[-1]) == 1 and tokenizer.pad_id not in ids


def test_a_vocabulary_without_control_pieces_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("[UNK]\n[PAD]\nboat\n")
    with pytest.raises(CheckpointInvalid, match=r"\[CLS\], \[SEP\]"):
        read_vocabulary(tmp_path / "vocab.txt")


def test_a_damaged_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointInvalid, match="damaged"):
        read_tokenizer(tmp_path)
