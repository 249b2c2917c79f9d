"""A tuned generator as a directory that plain transformers loads."""

from __future__ import annotations

import shutil
from pathlib import Path

from imgsearch.generation.blip2 import Blip2Generator
from imgsearch.model.checkpoints.writing import write_json, write_processor

_TOKENIZER_FILES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
)
_TIED = {
    "opt": ("language_model.lm_head.weight",),
    "t5": ("language_model.encoder.embed_tokens.weight", "language_model.decoder.embed_tokens.weight"),
}
"""Names of a tensor that is written under another one. Flan-T5's head is not its embedding, and is written."""


def save_generator(generator: Blip2Generator, folder: Path, origin: Path) -> None:
    """Write config.json, model.safetensors in the weights' own dtypes, the tokenizer, and the settings of processor and
    generation, so that Blip2ForConditionalGeneration.from_pretrained finds every key and writes the same texts.
    ``origin`` has the tokenizer's other files."""
    folder.mkdir(parents=True, exist_ok=True)
    network = generator.network
    text = network.config.text_config
    tied = _TIED[text.model_type] if text.model_type == "t5" or text.tie_word_embeddings else ()
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    network.save_pretrained(folder, state_dict={name: value for name, value in state.items() if name not in tied})
    for name in _TOKENIZER_FILES:
        if (origin / name).is_file():
            shutil.copyfile(origin / name, folder / name)
    generator.tokenizer.pieces.encode_special_tokens = False
    generator.tokenizer.pieces.save(str(folder / "tokenizer.json"))
    generator.tokenizer.pieces.encode_special_tokens = True
    write_processor(folder, generator.image_size, generator.query_tokens)
    marks = generator.tokenizer.marks
    end = list(marks.end) if len(marks.end) > 1 else marks.end[0]
    start = marks.before[0] if marks.before else text.decoder_start_token_id
    write_json(
        folder / "generation_config.json", {"bos_token_id": start, "eos_token_id": end, "pad_token_id": marks.pad}
    )
