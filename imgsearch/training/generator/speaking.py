"""Second and third stage of the small generator: its language model learns to speak by teacher forcing.

First of scene graphs, as though the queries read them without a fault; then of what the trained queries really read,
through a projection that begins at the least squares between the two. ViT, Q-Former and queries stand still. Real
BLIP-2 freezes its language model, which has read the internet; ours has read nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Blip2ForConditionalGeneration

from imgsearch.scenes.graph import Scene
from imgsearch.training.generator.pointing import Pointers
from imgsearch.training.generator.run import StageRun
from imgsearch.training.generator.slots import SlotWords, spoken_loss, spoken_slots
from imgsearch.training.generator.texts import IGNORED, Packed, Text, attention_mask, pack, texts_of

_FITTED = 2000  # images of the least squares


@dataclass(frozen=True, slots=True)
class SpeakingSettings:
    """``captions`` a picture and step, beside a question of every kind, whose words weigh ``answer_weight``.
    ``noise``: the deviation of what is added to perfect queries, whose elements deviate by about 0.1."""

    steps: int
    batch_size: int = 16
    captions: int = 1
    answer_weight: float = 2.0
    point_weight: float = 1.0
    spoken_weight: float = 0.5
    noise: float = 0.02
    learning_rate: float = 1.5e-3
    warmup_steps: int = 100
    falling: float = 0.4
    weight_decay: float = 0.02
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """``outputs`` float16 [N, Q, H] of the queries, of pictures of ``scenes``."""

    outputs: NDArray[np.float16]
    scenes: list[Scene]


class Speaker:
    """The model's language model and projection, and what they are taught with."""

    def __init__(self, model: Blip2ForConditionalGeneration, tokenizer: Tokenizer) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._language: Any = model.language_model
        self._words = SlotWords(tokenizer)
        self._pointers = Pointers(model.language_model, tokenizer)

    def learn_from_graphs(
        self,
        sample: Callable[[Any], Scene],
        settings: SpeakingSettings,
        path: Path,
        log: Callable[[str], None],
    ) -> None:
        """Second stage: scenes that ``sample`` makes from a random.Random, and perfect queries."""
        torch.manual_seed(settings.seed)
        run = StageRun(path, settings, {"model": self._language}, [(list(self._language.parameters()), 1.0)])
        queries = int(self._model.config.num_query_tokens)

        def train_step() -> tuple[torch.Tensor, dict[str, float]]:
            scenes = [sample(run.rng) for _ in range(settings.batch_size)]
            seen = spoken_slots(self._table, self._words, scenes, queries)
            return self._loss(seen + settings.noise * torch.randn_like(seen), scenes, settings, run)

        self._model.train()
        run.run(train_step, log)
        self._model.eval()

    def learn_from_images(self, read: Read, settings: SpeakingSettings, path: Path, log: Callable[[str], None]) -> None:
        """Third stage: what the trained queries read in pictures."""
        torch.manual_seed(settings.seed)
        self._fit_projection(read)
        speaking = [*self._language.parameters(), *self._model.language_projection.parameters()]
        modules = {"language": self._language, "projection": self._model.language_projection}
        run = StageRun(path, settings, modules, [(speaking, 1.0)])

        def train_step() -> tuple[torch.Tensor, dict[str, float]]:
            rows = run.rng.sample(range(len(read.scenes)), settings.batch_size)
            scenes = [read.scenes[row] for row in rows]
            seen = self._model.language_projection(torch.from_numpy(read.outputs[rows].astype(np.float32)))
            loss, readings = self._loss(seen, scenes, settings, run)
            return loss + settings.spoken_weight * spoken_loss(seen, self._table, self._words, scenes), readings

        self._model.train()
        run.run(train_step, log)
        self._model.eval()

    @property
    def _table(self) -> torch.Tensor:
        table: torch.Tensor = self._model.get_input_embeddings().weight
        return table

    def _loss(
        self, seen: torch.Tensor, scenes: list[Scene], settings: SpeakingSettings, run: StageRun
    ) -> tuple[torch.Tensor, dict[str, float]]:
        texts = [texts_of(scene, settings.captions, run.rng) for scene in scenes]
        packed = pack(texts, self._tokenizer)
        losses, answers = token_losses(self._model, seen, packed), _of_answers(packed, texts)
        weights = torch.where(answers, settings.answer_weight, 1.0)
        pointing, found = self._pointers.loss(packed, texts, scenes, seen.shape[1])
        readings = {"captions": losses[~answers].mean().item(), "answers": losses[answers].mean().item(), **found}
        return (losses * weights).sum() / weights.sum() + settings.point_weight * pointing, readings

    @torch.no_grad()
    def _fit_projection(self, read: Read) -> None:
        """Begin the projection where it is nearest to perfect queries."""
        outputs = torch.from_numpy(read.outputs[:_FITTED].astype(np.float32))
        perfect = spoken_slots(self._table, self._words, read.scenes[:_FITTED], outputs.shape[1]).flatten(0, 1)
        given = torch.cat([outputs.flatten(0, 1), torch.ones(len(perfect), 1)], dim=1)
        fitted = torch.linalg.lstsq(given, perfect).solution
        self._model.language_projection.weight.copy_(fitted[:-1].T)
        self._model.language_projection.bias.copy_(fitted[-1])


def _of_answers(packed: Packed, texts: list[list[Text]]) -> torch.Tensor:
    """bool: of every token that `token_losses` counts, whether it is of an answer."""
    asked = [[text.prompt.startswith("Question") for text in of_image] for of_image in texts]
    owner, said = packed.owner[:, 1:], packed.labels[:, 1:] != IGNORED
    rows = [torch.tensor([*of_image, False])[own] for of_image, own in zip(asked, owner, strict=True)]
    return torch.stack(rows)[said]


def token_losses(model: Blip2ForConditionalGeneration, seen: torch.Tensor, packed: Packed) -> torch.Tensor:
    """Cross-entropy [tokens] of all that is to be said after the projected queries ``seen`` [B, Q, W]; equal to one
    text at a time, at a third of its cost."""
    language: Any = model.language_model
    batch, queries = seen.shape[:2]
    positions = torch.cat([torch.arange(queries).expand(batch, -1), queries + packed.positions], dim=1)
    hidden = language.model(
        inputs_embeds=torch.cat([seen, language.get_input_embeddings()(packed.ids)], dim=1),
        attention_mask=attention_mask(packed, queries),
        position_ids=positions,
        use_cache=False,
    ).last_hidden_state
    # A token's state foretells the next one; a text's first label is foretold by its own start.
    foretold = packed.labels[:, 1:]
    asked = foretold != IGNORED
    logits = language.lm_head(hidden[:, queries:-1][asked])
    return F.cross_entropy(logits, foretold[asked], reduction="none")
