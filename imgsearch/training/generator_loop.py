"""Training the generator by teacher forcing: all but the ViT, on the frozen ViT's features.

Real BLIP-2 freezes its language model, which has read the internet; ours has read nothing and learns with the rest.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import Blip2ForConditionalGeneration

from imgsearch.errors import UsageError
from imgsearch.files import drafted
from imgsearch.scenes.graph import Scene
from imgsearch.training.generator_corpus import ChunkPlace, wait_for
from imgsearch.training.generator_slots import SlotHeads, SlotWords, slot_loss, spoken_loss
from imgsearch.training.generator_texts import Packed, attention_mask, pack, texts_of

_LOG_EVERY = 25
_SAVE_EVERY = 100


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """The first ``slot_steps`` teach the queries what to read (`imgsearch.training.generator_slots`), the others to say
    it. ``first_chunks`` are there before step 0, and one more is waited for every ``steps_per_chunk`` steps, so that
    training can begin while pictures are drawn and is the same whenever they come. ``qformer_rate``: the Q-Former's
    learning rate, as a share of the rest's; it begins where retrieval left it. The rate stays up until the last
    ``falling`` of the steps, so a run may be taken up with more steps (``steps`` alone may differ from the state's)."""

    steps: int
    slot_steps: int = 400
    slot_batch_size: int = 48
    slot_weight: float = 0.5  # of the slots' two losses beside the words', afterwards
    batch_size: int = 16
    captions: int = 2  # a picture and step, beside a question of every kind
    chunks: int = 26
    first_chunks: int = 26
    steps_per_chunk: int = 50
    learning_rate: float = 1.5e-3
    qformer_rate: float = 0.6
    warmup_steps: int = 100
    falling: float = 0.3
    weight_decay: float = 0.02
    seed: int = 0


class GeneratorTrainer:
    """One run; its state (weights, optimiser, step, random states) lives in ``folder``/state.pt."""

    def __init__(
        self,
        model: Blip2ForConditionalGeneration,
        tokenizer: Tokenizer,
        place: ChunkPlace,
        settings: GeneratorSettings,
        folder: Path,
    ) -> None:
        self._model, self._tokenizer, self._place, self._settings = model, tokenizer, place, settings
        self._folder = folder
        self._model.requires_grad_(True)
        self._model.vision_model.requires_grad_(False)
        torch.manual_seed(settings.seed)
        self._heads = SlotHeads(model.config.qformer_config.hidden_size)
        self._words = SlotWords(tokenizer)
        self._rng = random.Random(settings.seed)
        self._features: list[NDArray[np.float16]] = []
        self._scenes: list[Scene] = []
        self.step = 0
        self._optimiser = self._new_optimiser()
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, log: Callable[[str], None], every: int = 0, check: Callable[[int], None] | None = None) -> None:
        """Train to the last step; a state on disk is taken up where it stands. ``check`` is called with the number of
        steps done after every ``every`` of them."""
        self._model.train()
        started, first = time.monotonic(), self.step
        losses: list[tuple[float, float]] = []
        while self.step < self._settings.steps:
            self._take_chunks(log)
            losses.append(self._train_step())
            self.step += 1
            last = self.step == self._settings.steps
            if self.step % _LOG_EVERY == 0 or last:
                pace = (time.monotonic() - started) / (self.step - first)
                left = pace * (self._settings.steps - self.step) / 60
                loss, right = np.mean(losses, axis=0)
                log(
                    f"step {self.step}/{self._settings.steps} loss {loss:.4f} groups read {right:.3f} "
                    f"{pace:.2f} s/step, {left:.0f} min left"
                )
                losses = []
            if self.step % _SAVE_EVERY == 0 or last:
                self._save()
            if check is not None and (last or self.step % every == 0) and self.step > self._settings.slot_steps:
                self._model.eval()
                check(self.step)
                self._model.train()
        self._model.eval()

    def _take_chunks(self, log: Callable[[str], None]) -> None:
        settings = self._settings
        due = min(settings.chunks, settings.first_chunks + self.step // settings.steps_per_chunk)
        while len(self._features) < due:
            chunk = wait_for(self._place, len(self._features), log)
            self._features.append(chunk.features)
            self._scenes += chunk.scenes

    def _train_step(self) -> tuple[float, float]:
        """(the loss, the share of groups that the queries read right)."""
        settings, per_chunk = self._settings, len(self._features[0])
        saying = self.step >= settings.slot_steps
        rows = self._rng.sample(range(len(self._scenes)), settings.batch_size if saying else settings.slot_batch_size)
        features = np.stack([self._features[row // per_chunk][row % per_chunk] for row in rows]).astype(np.float32)
        scenes = [self._scenes[row] for row in rows]
        read = query_outputs(self._model, torch.from_numpy(features))
        loss, right = slot_loss(self._heads, read, scenes)
        if saying:
            texts = [texts_of(scene, settings.captions, self._rng) for scene in scenes]
            seen = self._model.language_projection(read)
            said = packed_loss(self._model, seen, pack(texts, self._tokenizer))
            table = self._model.get_input_embeddings().weight
            loss = said + settings.slot_weight * (loss + spoken_loss(seen, table, self._words, scenes))
        self._set_rates()
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_([p for group in self._optimiser.param_groups for p in group["params"]], 1.0)
        self._optimiser.step()
        return (said if saying else loss).item(), right

    def _new_optimiser(self) -> torch.optim.Optimizer:
        groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
        for name, parameter in (*self._model.named_parameters(), *self._heads.named_parameters()):
            if parameter.requires_grad:
                bridge = name.startswith(("qformer.", "query_tokens"))
                groups.setdefault((bridge, parameter.ndim > 1), []).append(parameter)
        decay = self._settings.weight_decay
        parts: list[dict[str, Any]] = [
            {
                "params": parameters,
                "weight_decay": decay if matrix else 0.0,
                "share": self._settings.qformer_rate if bridge else 1.0,
            }
            for (bridge, matrix), parameters in groups.items()
        ]
        return torch.optim.AdamW(parts, lr=self._settings.learning_rate, betas=(0.9, 0.98))

    def _set_rates(self) -> None:
        settings = self._settings
        begun = self.step - (settings.slot_steps if self.step >= settings.slot_steps else 0)
        warm = min(1.0, (begun + 1) / max(1, settings.warmup_steps))
        left = (settings.steps - self.step) / max(1.0, settings.falling * settings.steps)
        fall = min(1.0, max(0.02, left))
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * warm * fall * group["share"]

    def _save(self) -> None:
        state = {
            "settings": asdict(self._settings),
            "step": self.step,
            "model": self._model.state_dict(),
            "heads": self._heads.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "random": self._rng.getstate(),
        }
        with drafted(self._folder / "state.pt") as draft:
            torch.save(state, draft)

    def _resume(self) -> None:
        path = self._folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        if {**state["settings"], "steps": 0} != {**asdict(self._settings), "steps": 0}:
            raise UsageError(
                f"{path} is of a run with other settings", "give the same settings to go on, or another folder to begin"
            )
        self._model.load_state_dict(state["model"])
        self._heads.load_state_dict(state["heads"])
        self._optimiser.load_state_dict(state["optimiser"])
        version, numbers, gauss = state["random"]
        self._rng.setstate((version, tuple(numbers), gauss))
        self.step = state["step"]


def query_outputs(model: Blip2ForConditionalGeneration, features: torch.Tensor) -> torch.Tensor:
    """[B, Q, H]: what the Q-Former reads in the ViT's features [B, N, V]."""
    queries = model.query_tokens.expand(len(features), -1, -1)
    read: torch.Tensor = model.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state
    return read


def query_embeddings(model: Blip2ForConditionalGeneration, features: torch.Tensor) -> torch.Tensor:
    """[B, Q, W] of the language model, of the ViT's features [B, N, V]."""
    projected: torch.Tensor = model.language_projection(query_outputs(model, features))
    return projected


def packed_loss(model: Blip2ForConditionalGeneration, seen: torch.Tensor, packed: Packed) -> torch.Tensor:
    """Mean cross-entropy of all that is to be said after the `query_embeddings` [B, Q, W]; equal to one text at a time,
    at a third of its cost."""
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
    asked = foretold != -100
    logits = language.lm_head(hidden[:, queries:-1][asked])
    return F.cross_entropy(logits, foretold[asked])
