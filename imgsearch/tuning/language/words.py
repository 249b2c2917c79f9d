"""New words for a generator whose tokenizer knows whole words only, as the small one that ships: BPE and unigram
tokenizers spell what they do not know, these would say <unk>."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from imgsearch.generation.tokenizer import PromptTokenizer

_ROWS_OF = 16  # the words' vectors are kept in a multiple of so many rows


def unknown_words(pieces: Tokenizer, texts: Iterable[str]) -> list[str]:
    """Words that a word-level tokenizer has no piece for, in the order of their first place; [] for other tokenizers,
    which spell every word."""
    described = json.loads(pieces.to_str())["model"]
    if described["type"] != "WordLevel":
        return []
    known, found = described["vocab"], Counter[str]()
    for text in texts:
        normal = pieces.normalizer.normalize_str(text) if pieces.normalizer else text
        words = pieces.pre_tokenizer.pre_tokenize_str(normal) if pieces.pre_tokenizer else [(normal, (0, 0))]
        found.update(word for word, _ in words if word not in known)
    return list(found)


def add_words(network: Any, tokenizer: PromptTokenizer, words: list[str], seed: int) -> tuple[PromptTokenizer, int]:
    """Give ``words`` pieces and vectors near the mean of the others', in place. Returns the tokenizer that knows them
    and how many rows at the end are new."""
    described = json.loads(tokenizer.pieces.to_str())
    first = tokenizer.pieces.get_vocab_size(with_added_tokens=True)
    described["model"]["vocab"] |= {word: first + number for number, word in enumerate(words)}
    language = network.language_model
    table = language.get_input_embeddings()
    rows = -(-max(first + len(words), table.num_embeddings) // _ROWS_OF) * _ROWS_OF
    old = table.weight.data
    generator = torch.Generator().manual_seed(seed)
    mean, spread = old[:first].mean(0), old[:first].std(0)
    fresh = mean + spread * torch.randn(rows - first, old.shape[1], generator=generator).to(old) * 0.5
    weight = nn.Parameter(torch.cat([old[:first], fresh]), requires_grad=False)
    table.weight, table.num_embeddings = weight, rows
    head = language.get_output_embeddings()
    head.weight, head.out_features = weight, rows
    for config in (network.config.text_config, language.config):
        config.vocab_size = rows
    marks = tokenizer.marks
    return PromptTokenizer(Tokenizer.from_str(json.dumps(described)), marks, tokenizer.origin), rows - first
