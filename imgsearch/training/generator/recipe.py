"""The recipe of the shipped generator, from the retrieval model to a directory.

    python -m imgsearch.training.generator.recipe OUT [--rehearse]

Takes up an interrupted run; what is drawn is kept. A rehearsal goes through every stage at full size in two steps each:
half a minute of one core, and a model that knows nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
from imgsearch.training.generator.build import (
    PAD,
    LanguageSizes,
    new_generator,
    new_generator_tokenizer,
    save_generator_directory,
)
from imgsearch.training.generator.corpus import ChunkPlace, draw_chunks, draw_pixels
from imgsearch.training.generator.reading import ReadingSettings, read_pixels, train_reading
from imgsearch.training.generator.speaking import Read, Speaker, SpeakingSettings
from imgsearch.training.generator.texts import FORMS

_CHECKED_SCENES = 200  # of a seed of their own, greedily captioned and asked when training is done
_CAPTION_TOKENS = 30
_ANSWER_TOKENS = 10


@dataclass(frozen=True, slots=True)
class GeneratorRecipe:
    """``start``: the retrieval model whose ViT, Q-Former and queries are taken. The three seeds are of the pictures to
    learn from, of those that are captioned at the end, and of the weights. The first ``read_chunks`` of the ``chunks``
    are read once more for the last stage."""

    start: str = "mini"
    sizes: LanguageSizes = field(default_factory=LanguageSizes)
    chunks: int = 128
    read_chunks: int = 100
    reading: ReadingSettings = field(default_factory=ReadingSettings)
    of_graphs: SpeakingSettings = field(default_factory=lambda: SpeakingSettings(steps=1800))
    of_images: SpeakingSettings = field(
        default_factory=lambda: SpeakingSettings(2900, captions=3, answer_weight=1.0, learning_rate=7e-4, falling=0.8)
    )
    picture_seed: int = 11
    check_seed: int = 12
    weight_seed: int = 0
    checked_scenes: int = _CHECKED_SCENES


def rehearsal(recipe: GeneratorRecipe) -> GeneratorRecipe:
    """The same stages in two steps each, on one chunk: whether they work, not what they give."""
    return replace(
        recipe,
        chunks=1,
        read_chunks=1,
        reading=replace(recipe.reading, steps=2),
        of_graphs=replace(recipe.of_graphs, steps=2),
        of_images=replace(recipe.of_images, steps=2),
        checked_scenes=5,
    )


def train_generator(recipe: GeneratorRecipe, folder: Path, *, workers: int, log: Callable[[str], None]) -> Path:
    """Draw, train the three stages, write ``folder``/model; returns that path. Each stage keeps its state in
    ``folder``. CPU, float32."""
    tokenizer = new_generator_tokenizer()
    retrieval = load_model(recipe.start, device="cpu", dtype="float32").network
    model = new_generator(retrieval, recipe.sizes, recipe.weight_seed)
    speaker = Speaker(model, tokenizer)
    speaker.learn_from_graphs(lambda rng: sample_scene(rng, Domain()), recipe.of_graphs, folder / "graphs.pt", log)
    place = ChunkPlace(folder / "chunks", recipe.picture_seed, int(model.config.vision_config.image_size))
    chunks = draw_chunks(place, recipe.chunks, workers, log)
    train_reading(model, chunks, recipe.reading, folder / "reading.pt", log)
    again = chunks[: recipe.read_chunks]
    outputs = np.concatenate([read_pixels(model, chunk.pixels) for chunk in again])
    read = Read(outputs, [scene for chunk in again for scene in chunk.scenes])
    speaker.learn_from_images(read, recipe.of_images, folder / "images.pt", log)
    save_generator_directory(model, tokenizer, folder / "model")
    for line in check(model, tokenizer, recipe):
        log(line)
    return folder / "model"


def check(model: Blip2ForConditionalGeneration, tokenizer: Tokenizer, recipe: GeneratorRecipe) -> list[str]:
    """Lines of per cent: what is true of greedy captions, and which answers are right."""
    rng = random.Random(f"generator check:{recipe.check_seed}")
    scenes = [sample_scene(rng, Domain()) for _ in range(recipe.checked_scenes)]
    read = read_pixels(model, draw_pixels(scenes, int(model.config.vision_config.image_size))).astype(np.float32)
    questions = [ask(scene, kind, rng) for scene in scenes for kind in QUESTION_KINDS]
    asked = [FORMS[0].format(question.text) for question in questions]
    with torch.inference_mode():
        seen = model.language_projection(torch.from_numpy(read))
    captions = continue_texts(model, tokenizer, seen, [""] * len(scenes), _CAPTION_TOKENS)
    each = seen.repeat_interleave(len(QUESTION_KINDS), dim=0)
    answers = continue_texts(model, tokenizer, each, asked, _ANSWER_TOKENS)
    figures = {"captions": caption_figures(captions, scenes), "answers": answer_figures(questions, answers)}
    lines = [
        f"{name}: " + ", ".join(f"{what} {value:.1f}" for what, value in of.items()) for name, of in figures.items()
    ]
    return [*lines, f"for example: {captions[0]} / {captions[1]} / {asked[0]} {answers[0]}"]


@torch.inference_mode()
def continue_texts(
    model: Blip2ForConditionalGeneration,
    tokenizer: Tokenizer,
    seen: torch.Tensor,
    prompts: list[str],
    tokens: int,
    **options: Any,
) -> list[str]:
    """Greedily, or as ``options`` of transformers' generate say: what the model says after each prompt, of the
    projected queries [B, Q, W]. Shorter prompts are padded between the picture and the text."""
    language: Any = model.language_model
    encoded = [tokenizer.encode(prompt).ids for prompt in prompts]
    length = max(map(len, encoded))
    pad = tokenizer.token_to_id(PAD)
    ids = torch.tensor([[pad] * (length - len(one)) + one for one in encoded])
    mask = torch.tensor([[0] * (length - len(one)) + [1] * len(one) for one in encoded])
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
    parser.add_argument("--workers", type=int, default=1, help="processes that draw (default 1)")
    parser.add_argument("--rehearse", action="store_true", help="two steps of each stage, to see that all of them work")
    arguments = parser.parse_args()
    started = time.monotonic()

    def log(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:8.0f}s  {line}\n")

    recipe, folder = GeneratorRecipe(), arguments.out
    if arguments.rehearse:  # in a folder of its own: a run goes on from the states that it finds
        recipe, folder = rehearsal(recipe), folder / "rehearsal"
    train_generator(recipe, folder, workers=arguments.workers, log=log)


if __name__ == "__main__":
    main()
