"""The small generator: its sizes and tokenizer, a new model on the retrieval model's ViT and Q-Former, saving it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import Blip2Config, Blip2ForConditionalGeneration

from imgsearch.model.checkpoints.writing import write_json, write_processor
from imgsearch.scenes.vocabulary import grammar_words
from imgsearch.scenes.wordings import question_words

# In OPT's order, so that start, padding and end have OPT's ids; OPT ends a text at the line's end, as LAVIS taught it.
START, PAD, UNKNOWN, END, IMAGE = "</s>", "<pad>", "<unk>", "\n", "<image>"
_SPECIAL = ("<s>", PAD, START, UNKNOWN)
_ROWS_OF = 8  # the embedding is padded to a multiple of so many rows, as the published ones are to 64


@dataclass(frozen=True, slots=True)
class LanguageSizes:
    """Sizes of the language model. On 32 query tokens and a text of 40 words, one layer costs 0.1 ms a picture."""

    width: int = 192
    layers: int = 4
    heads: int = 6
    ffn: int = 768
    max_positions: int = 512  # query tokens, a dialogue and an answer


def generator_words() -> list[str]:
    """The vocabulary in the order of ids: special pieces, the end of the line, words and marks, the picture's place."""
    words = sorted({*grammar_words(), *question_words(), *"0123456789", *".,:;?!'\"-()"})
    return [*_SPECIAL, END, *words, IMAGE]


def new_generator_tokenizer() -> Tokenizer:
    """Whole words in lower case, "</s>" before every text; a word that no scene needs is "<unk>"."""
    vocabulary = {word: number for number, word in enumerate(generator_words())}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, vocabulary[START])]
    )
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False) for piece in (*_SPECIAL, IMAGE)])
    tokenizer.add_tokens([AddedToken(END, normalized=False)])
    return tokenizer


def new_generator(retrieval: Any, sizes: LanguageSizes, seed: int) -> Blip2ForConditionalGeneration:
    """A model whose ViT, Q-Former and queries are those of ``retrieval`` (a Blip2ForImageTextRetrieval) and whose
    projection and language model are random; the seed decides them."""
    torch.manual_seed(seed)
    base = retrieval.config
    words = generator_words()
    qformer = {**base.qformer_config.to_dict(), "use_qformer_text_input": False}
    config = Blip2Config(
        vision_config=base.vision_config.to_dict(),
        qformer_config=qformer,
        text_config=_language_config(sizes, words),
        num_query_tokens=base.num_query_tokens,
        image_token_index=words.index(IMAGE),
    )
    model = Blip2ForConditionalGeneration(config)
    taken = {name: value for name, value in retrieval.state_dict().items() if name in model.state_dict()}
    missing = model.load_state_dict(taken, strict=False).missing_keys
    unexpected = [name for name in missing if not name.startswith(("language_model.", "language_projection."))]
    if unexpected:
        raise ValueError(f"the retrieval model has no {unexpected[0]}, expected its ViT, Q-Former and queries whole")
    for layer in model.language_model.model.decoder.layers:
        _attend_to_alike(layer.self_attn)
    return model


@torch.no_grad()
def _attend_to_alike(attention: Any) -> None:
    """Let half of the heads begin by attending to tokens that are alike, and by copying them: a question's "cup" then
    finds the query that reads a cup. After Trockman, Kolter: Mimetic Initialization of Self-Attention Layers, 2023."""
    width = attention.q_proj.weight.shape[0]
    half = width // 2
    attention.k_proj.weight[:half].copy_(attention.q_proj.weight[:half])
    turned, _ = torch.linalg.qr(torch.randn(width, width))
    attention.v_proj.weight[:half].copy_(turned[:half])
    attention.out_proj.weight[:, :half].copy_(turned.T[:, :half])


def _language_config(sizes: LanguageSizes, words: list[str]) -> dict[str, Any]:
    return {
        "model_type": "opt",
        "vocab_size": -(-len(words) // _ROWS_OF) * _ROWS_OF,
        "hidden_size": sizes.width,
        "word_embed_proj_dim": sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "ffn_dim": sizes.ffn,
        "max_position_embeddings": sizes.max_positions,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        # OPT's 0.02 is made for great widths; scaled to this one as `imgsearch.training.build` scales the Q-Former's.
        "init_std": 0.8 * sizes.width**-0.5,
        "bos_token_id": words.index(START),
        "pad_token_id": words.index(PAD),
        "eos_token_id": words.index(END),
    }


def save_generator_directory(model: Blip2ForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Write config.json, model.safetensors (float16), the tokenizer, and the settings of processor and generation."""
    folder.mkdir(parents=True, exist_ok=True)
    tied = "language_model.lm_head.weight"  # the embedding under another name
    state = model.state_dict()
    half = {name: value.detach().to(torch.float16).contiguous() for name, value in state.items() if name != tied}
    model.save_pretrained(folder, state_dict=half)
    tokenizer.save(str(folder / "tokenizer.json"))
    text, queries = model.config.text_config, int(model.config.num_query_tokens)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": START,
            "eos_token": START,
            "pad_token": PAD,
            "unk_token": UNKNOWN,
            "padding_side": "left",
            "model_max_length": text.max_position_embeddings - queries,
            "clean_up_tokenization_spaces": False,
        },
    )
    write_processor(folder, int(model.config.vision_config.image_size), queries)
    ids = {"bos_token_id": text.bos_token_id, "eos_token_id": text.eos_token_id, "pad_token_id": text.pad_token_id}
    write_json(folder / "generation_config.json", ids)
