"""A new, small BLIP-2: its sizes, its tokenizer, and writing both as an ordinary checkpoint directory."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import Blip2Config, Blip2ForImageTextRetrieval

from imgsearch.model.checkpoints.writing import write_json, write_processor
from imgsearch.scenes.vocabulary import grammar_words

SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a small BLIP-2. It has 32 query tokens of 256 dimensions, as the published ones have."""

    image_size: int = 128
    patch_size: int = 16
    vision_width: int = 192
    vision_layers: int = 4
    vision_heads: int = 6
    qformer_width: int = 192
    qformer_layers: int = 4
    qformer_heads: int = 6
    qformer_intermediate: int = 384
    query_tokens: int = 32
    dims: int = 256
    max_positions: int = 64


def word_pieces() -> list[str]:
    """The vocabulary: special pieces, letters, digits and marks (alone and inside words), then the words of the scene
    grammar. Any other English word falls back to letters."""
    marks = list(string.punctuation)
    singles = [*string.ascii_lowercase, *string.digits, *marks]
    inner = ["##" + letter for letter in (*string.ascii_lowercase, *string.digits)]
    words = [word for word in grammar_words() if len(word) > 1]
    return [*SPECIAL_PIECES, *singles, *inner, *words]


def new_tokenizer() -> Tokenizer:
    """BERT's word-piece tokenizer (lower-casing, accents stripped) over `word_pieces`."""
    vocabulary = {piece: number for number, piece in enumerate(word_pieces())}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=40))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.add_special_tokens(list(SPECIAL_PIECES))
    return tokenizer


def new_model(sizes: Sizes, seed: int) -> Blip2ForImageTextRetrieval:
    """A model with random weights that depend only on ``seed``."""
    torch.manual_seed(seed)
    config = Blip2Config(
        vision_config={
            "hidden_size": sizes.vision_width,
            "intermediate_size": 4 * sizes.vision_width,
            "num_hidden_layers": sizes.vision_layers,
            "num_attention_heads": sizes.vision_heads,
            "image_size": sizes.image_size,
            "patch_size": sizes.patch_size,
            "initializer_range": 0.02,
        },
        qformer_config={
            "vocab_size": len(word_pieces()),
            "hidden_size": sizes.qformer_width,
            "num_hidden_layers": sizes.qformer_layers,
            "num_attention_heads": sizes.qformer_heads,
            "intermediate_size": sizes.qformer_intermediate,
            "encoder_hidden_size": sizes.vision_width,
            "cross_attention_frequency": 1,
            "max_position_embeddings": sizes.max_positions,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "use_qformer_text_input": True,
        },
        num_query_tokens=sizes.query_tokens,
        image_text_hidden_size=sizes.dims,
        image_token_index=None,
    )
    model = Blip2ForImageTextRetrieval(config)
    # transformers starts queries at zero. Equal queries get equal gradients and would stay equal for ever.
    torch.nn.init.normal_(model.query_tokens, std=0.5)
    torch.nn.init.normal_(model.vision_model.embeddings.position_embedding, std=0.1)
    # BERT's deviation of 0.02 is made for a width of 768. At a quarter of it, what queries take from the text starts
    # so faint that the matching head stayed at chance for 175 steps.
    for module in model.qformer.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.8 * module.in_features**-0.5)
    return model


def save_checkpoint_directory(model: Blip2ForImageTextRetrieval, tokenizer: Tokenizer, folder: Path) -> None:
    """Write config.json, model.safetensors (float16), the tokenizer and the preprocessor's settings."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=half)
    tokenizer.save(str(folder / "tokenizer.json"))
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("\n".join(piece for piece, _ in pieces) + "\n", encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
            "mask_token": "[MASK]",
            "bos_token": "[DEC]",
            "model_max_length": model.config.qformer_config.max_position_embeddings,
        },
    )
    write_processor(folder, model.config.vision_config.image_size)
