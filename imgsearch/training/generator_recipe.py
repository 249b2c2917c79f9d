"""The recipe of the shipped generator, from the retrieval model to a directory.

    python -m imgsearch.training.generator_recipe OUT

Takes up an interrupted run. Drawing and training share the cores; the chunks are kept.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import Blip2ForConditionalGeneration

from imgsearch.model import load_model
from imgsearch.scenes.graph import Domain, sample_scene
from imgsearch.scenes.measure import answer_figures, caption_figures
from imgsearch.scenes.questions import QUESTION_KINDS, ask
from imgsearch.training.generator_build import (
    PAD,
    LanguageSizes,
    new_generator,
    new_generator_tokenizer,
    save_generator_directory,
)
from imgsearch.training.generator_corpus import ChunkPlace, drawing, encode_scenes
from imgsearch.training.generator_loop import GeneratorSettings, GeneratorTrainer, query_embeddings
from imgsearch.training.generator_texts import FORMS

_CHECKED_SCENES = 60  # of a seed of their own, greedily captioned and asked while training runs
_CAPTION_TOKENS = 30
_ANSWER_TOKENS = 10


@dataclass(frozen=True, slots=True)
class GeneratorRecipe:
    """``start``: the retrieval model whose ViT, Q-Former and queries are taken. The three seeds are of the pictures to
    learn from, of those that progress is measured on, and of the weights."""

    start: str = "mini"
    sizes: LanguageSizes = field(default_factory=LanguageSizes)
    loop: GeneratorSettings = field(default_factory=lambda: GeneratorSettings(steps=2400))
    picture_seed: int = 11
    check_seed: int = 12
    weight_seed: int = 0
    check_every: int = 200
    checked_scenes: int = _CHECKED_SCENES


def train_generator(recipe: GeneratorRecipe, folder: Path, *, workers: int, log: Callable[[str], None]) -> Path:
    """Draw, train, write ``folder``/model after every check and at the end; returns that path. CPU, float32."""
    tokenizer = new_generator_tokenizer()
    retrieval = load_model(recipe.start, device="cpu", dtype="float32").network
    model = new_generator(retrieval, recipe.sizes, recipe.weight_seed)
    place = ChunkPlace(folder / "chunks", recipe.picture_seed, recipe.start)
    trainer = GeneratorTrainer(model, tokenizer, place, recipe.loop, folder)
    check = _checker(model, tokenizer, recipe, folder / "model", log)
    with drawing(place, recipe.loop.chunks, workers):
        trainer.run(log, recipe.check_every, check)
    save_generator_directory(model, tokenizer, folder / "model")
    return folder / "model"


def _checker(
    model: Blip2ForConditionalGeneration,
    tokenizer: Tokenizer,
    recipe: GeneratorRecipe,
    folder: Path,
    log: Callable[[str], None],
) -> Callable[[int], None]:
    rng = random.Random(f"generator check:{recipe.check_seed}")
    scenes = [sample_scene(rng, Domain()) for _ in range(recipe.checked_scenes)]
    features = torch.from_numpy(encode_scenes(scenes, recipe.start).astype(np.float32))
    questions = [ask(scene, kind, rng) for scene in scenes for kind in QUESTION_KINDS]
    asked = [FORMS[0].format(question.text) for question in questions]

    def check(step: int) -> None:
        save_generator_directory(model, tokenizer, folder)
        captions = continue_texts(model, tokenizer, features, [""] * len(scenes), _CAPTION_TOKENS)
        each = features.repeat_interleave(len(QUESTION_KINDS), dim=0)
        answers = continue_texts(model, tokenizer, each, asked, _ANSWER_TOKENS)
        for name, figures in (
            ("captions", caption_figures(captions, scenes)),
            ("answers", answer_figures(questions, answers)),
        ):
            log(f"step {step} {name}: " + ", ".join(f"{what} {value:.1f}" for what, value in figures.items()))
        log(f"step {step} for example: {captions[0]} / {captions[1]} / {asked[0]} {answers[0]}")

    return check


@torch.inference_mode()
def continue_texts(
    model: Blip2ForConditionalGeneration,
    tokenizer: Tokenizer,
    features: torch.Tensor,
    prompts: list[str],
    tokens: int,
    **options: Any,
) -> list[str]:
    """Greedily, or as ``options`` of transformers' generate say: what the model says after each prompt, of the ViT's
    features [B, N, V]. Shorter prompts are padded between the picture and the text."""
    language: Any = model.language_model
    encoded = [tokenizer.encode(prompt).ids for prompt in prompts]
    length = max(map(len, encoded))
    pad = tokenizer.token_to_id(PAD)
    ids = torch.tensor([[pad] * (length - len(one)) + one for one in encoded])
    mask = torch.tensor([[0] * (length - len(one)) + [1] * len(one) for one in encoded])
    seen = query_embeddings(model, features)
    said = language.generate(
        inputs_embeds=torch.cat([seen, language.get_input_embeddings()(ids)], dim=1),
        attention_mask=torch.cat([torch.ones(seen.shape[:2], dtype=torch.long), mask], dim=1),
        max_new_tokens=tokens,
        eos_token_id=model.config.text_config.eos_token_id,
        pad_token_id=pad,
        **options,
    )
    return [tokenizer.decode(row.tolist()).strip() for row in said]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the chunks, the run's state and model/")
    parser.add_argument("--steps", type=int, help="steps to train")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw (default 1)")
    arguments = parser.parse_args()
    recipe = GeneratorRecipe() if arguments.steps is None else GeneratorRecipe(loop=GeneratorSettings(arguments.steps))
    started = time.monotonic()

    def log(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:8.0f}s  {line}\n")

    train_generator(recipe, arguments.out, workers=arguments.workers, log=log)


if __name__ == "__main__":
    main()
