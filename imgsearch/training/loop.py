"""The training loop: ITC over the maximum of the tokens plus ITM with mined negatives, resumable, with a log.

The ViT is frozen, as in BLIP-2 (Li et al. 2023, section 3.1), and its features are computed once and kept on disk as
float16; `LoopSettings.train_vision` lets it learn too, at the price of a ViT forward and backward each step.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Blip2ForImageTextRetrieval

from imgsearch.errors import UsageError
from imgsearch.files import drafted
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.training.build import normalise
from imgsearch.training.losses import (
    contrastive_loss,
    image_tokens,
    match_pair_logits,
    matching_loss,
    mine_negatives,
    ranking_loss,
    similarity,
    text_vectors,
)
from imgsearch.training.pairs import PairBatch, PairSource, encode_captions
from imgsearch.training.pool import CandidatePool

_MAX_SHARPNESS = 25.0  # of the negatives' draw; about half of 1 / temperature at the end of training
_TWIN_SHARE = 0.9  # of the negatives of a picture with a twin in the batch that are its twin, at full hardness
_MIN_TEMPERATURE = 0.02
_LOG_EVERY = 25
_SAVE_EVERY = 100
_REFRESH_EVERY = 100  # steps, of the pool


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """``matching_pairs``: of a batch, how many pairs ITM sees; each brings two negatives. ``harden``: negatives begin
    random and grow hard from step ``harden_from`` on, over ``harden_steps``: the captions that ITC takes for true, and
    the picture's twin, if it has one in the batch; else they are hard from the start. (Hardening by the share of right
    answers settled where random partners were all told apart and twins were not.)"""

    steps: int
    batch_size: int = 128
    matching_pairs: int = 64
    learning_rate: float = 1.0e-3
    warmup_steps: int = 100
    matching_weight: float = 6.0  # of ITM's loss beside ITC's, whose gradient is two to three times as large
    early_matching_weight: float = 2.0  # the same for the first ``early_steps``, while ITC finds its feet
    early_steps: int = 500
    harden: bool = True
    harden_from: int = 400
    harden_steps: int = 300
    weight_decay: float = 0.03
    temperature: float = 0.07  # of ITC, at the start
    train_vision: bool = False
    vision_rate: float = 0.1  # the ViT's learning rate, as a share of the rest's
    pool: int = 0  # pictures of which ITM ranks some beside each true one, while the ViT is frozen; 0: none
    pool_negatives: int = 2  # of them, a caption
    seed: int = 0


class Trainer:
    """One training run; its state (weights, optimiser, step, random states) lives in ``folder``/state.pt."""

    def __init__(
        self,
        model: Blip2ForImageTextRetrieval,
        tokenizer: TextTokenizer,
        source: PairSource,
        settings: LoopSettings,
        folder: Path,
        features: Path | None = None,
    ) -> None:
        """``features``: a file of the ViT's features that several runs share; in ``folder`` unless given."""
        self._features_path = features or folder / "features.npy"
        self._model, self._tokenizer, self._source, self._settings = model, tokenizer, source, settings
        self._model.requires_grad_(True)
        self._folder = folder
        self._device = next(model.parameters()).device
        self._temperature = torch.nn.Parameter(torch.tensor(math.log(settings.temperature), device=self._device))
        self._rng = random.Random(settings.seed)
        self._generator = torch.Generator(self._device).manual_seed(settings.seed)
        self._features: NDArray[np.float16] | None = None
        self._pool: CandidatePool | None = None
        self.step = 0
        self._optimiser = self._new_optimiser()
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    def run(self, log: Callable[[str], None]) -> None:
        """Train to the last step; a state on disk is taken up where it stands."""
        if not self._settings.train_vision:
            self._model.vision_model.requires_grad_(False)
            self._features = self._cached_features(log)
            if self._settings.pool:
                self._pool = CandidatePool(self._model, self._features, self._settings.pool)
        self._model.train()
        started, first, readings = time.monotonic(), self.step, []
        while self.step < self._settings.steps:
            readings.append(self._train_step())
            self.step += 1
            last = self.step == self._settings.steps
            if self.step % _LOG_EVERY == 0 or last:
                itc, itm, right = np.mean(readings, axis=0)
                per_step = (time.monotonic() - started) / (self.step - first)
                left = per_step * (self._settings.steps - self.step) / 60
                log(
                    f"step {self.step}/{self._settings.steps} itc {itc:.3f} itm {itm:.3f} right {right:.3f} "
                    f"{per_step:.2f} s/step, {left:.0f} min left"
                )
                readings = []
            if self.step % _SAVE_EVERY == 0 or last:
                self._save()
        self._model.eval()

    def _train_step(self) -> tuple[float, float, float]:
        settings = self._settings
        batch = self._source.sample(self._rng, settings.batch_size, self.step)
        features = self._features_of(batch)
        ids, mask = encode_captions(self._tokenizer, batch.captions, self._device)
        truth = torch.from_numpy(batch.truth).to(self._device)
        vectors = text_vectors(self._model, ids, mask)
        sims = similarity(image_tokens(self._model, features), vectors)
        temperature = self._temperature.exp().clamp(_MIN_TEMPERATURE, 0.5)
        itc = contrastive_loss(sims, truth, temperature)
        images, texts, labels = self._matching_pairs(sims, truth, batch.twins)
        shown = features[images]
        if self._pool is not None:
            own = texts[: settings.matching_pairs]  # the true pairs stand first
            far, some = self._ranked_pairs(own.tolist(), vectors, batch, self._pool)
            shown = torch.cat([shown, far])
            texts = torch.cat([texts, own[some].repeat_interleave(settings.pool_negatives)])
            labels = torch.cat([labels, labels.new_zeros(len(far))])
        logits = match_pair_logits(self._model, shown, ids[texts], mask[texts])
        itm, right = matching_loss(logits, labels)
        if self._pool is not None:
            found = logits[len(images) :, 1].reshape(-1, settings.pool_negatives)
            itm = (itm + ranking_loss(torch.cat([logits[some, 1:], found], dim=1))) / 2
        self._set_rates()
        self._optimiser.zero_grad(set_to_none=True)
        early = self.step < settings.early_steps
        weight = settings.early_matching_weight if early else settings.matching_weight
        torch.autograd.backward(itc + weight * itm)
        torch.nn.utils.clip_grad_norm_([p for group in self._optimiser.param_groups for p in group["params"]], 1.0)
        self._optimiser.step()
        return itc.item(), itm.item(), right.item()

    def _ranked_pairs(
        self, captions: list[int], vectors: torch.Tensor, batch: PairBatch, pool: CandidatePool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(ViT features [K C, N, W] of the C pictures mined for each of K captions, the captions' places int64 [K]);
        a caption that is true of all that is near it is left out."""
        if self.step % _REFRESH_EVERY == 0 or not pool.filled:
            pool.refresh(self._rng)
        mined = pool.mine(
            vectors.detach()[captions],
            self._settings.pool_negatives,
            lambda text, row: batch.holds(captions[text], row),
            np.random.default_rng(self._rng.getrandbits(64)),
        )
        some = np.flatnonzero(mined[:, 0] >= 0)
        return pool.features_of(mined[some].reshape(-1)), torch.from_numpy(some).to(self._device)

    def _matching_pairs(
        self, sims: torch.Tensor, truth: torch.Tensor, twins: NDArray[np.int64]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(image [K], text [K], label [K]): true pairs, then each with another text, then each with another image."""
        settings = self._settings
        due = (self.step - settings.harden_from) / max(1, settings.harden_steps)
        hardness = min(1.0, max(0.0, due)) if settings.harden else 1.0
        negative_images, negative_texts = mine_negatives(sims, truth, _MAX_SHARPNESS * hardness, self._generator)
        count = sims.shape[0]
        twin = torch.from_numpy(twins).to(self._device)
        draw = torch.rand(count, generator=self._generator, device=self._device)
        negative_images = torch.where((twin >= 0) & (draw < _TWIN_SHARE * hardness), twin, negative_images)
        chosen = torch.randperm(count, generator=self._generator, device=self._device)[: settings.matching_pairs]
        images = torch.cat([chosen, chosen, negative_images[chosen]])
        texts = torch.cat([chosen, negative_texts[chosen], chosen])
        return images, texts, truth[images, texts].long()

    def _features_of(self, batch: PairBatch) -> torch.Tensor:
        if self._features is not None:
            return torch.from_numpy(self._features[batch.rows].astype(np.float32)).to(self._device)
        pixels = torch.from_numpy(self._source.pixels(batch.rows)).to(self._device)
        features: torch.Tensor = self._model.vision_model(normalise(pixels)).last_hidden_state
        return features

    @torch.inference_mode()
    def _cached_features(self, log: Callable[[str], None]) -> NDArray[np.float16]:
        """Float16 [count, N, W], memory-mapped; computed once, its file published when whole."""
        path = self._features_path
        if not path.exists():
            vision = self._model.config.vision_config
            shape = (self._source.count, (vision.image_size // vision.patch_size) ** 2 + 1, vision.hidden_size)
            log(f"computing ViT features of {shape[0]} pictures")
            self._model.eval()
            with drafted(path) as draft:
                table = np.lib.format.open_memmap(draft, "w+", np.float16, shape)
                for start in range(0, shape[0], 128):
                    rows = np.arange(start, min(start + 128, shape[0]))
                    pixels = torch.from_numpy(self._source.pixels(rows)).to(self._device)
                    table[rows] = self._model.vision_model(normalise(pixels)).last_hidden_state.cpu().numpy()
                table.flush()
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]

    def _new_optimiser(self) -> torch.optim.Optimizer:
        decay: list[torch.nn.Parameter] = []
        plain: list[torch.nn.Parameter] = [self._temperature]
        vision: list[torch.nn.Parameter] = []
        for name, parameter in self._model.named_parameters():
            if name.startswith("vision_model."):
                vision.append(parameter)
            else:
                (decay if parameter.ndim > 1 else plain).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": decay, "weight_decay": self._settings.weight_decay, "share": 1.0},
            {"params": plain, "weight_decay": 0.0, "share": 1.0},
        ]
        if self._settings.train_vision:
            share = self._settings.vision_rate
            groups.append({"params": vision, "weight_decay": self._settings.weight_decay, "share": share})
        return torch.optim.AdamW(groups, lr=self._settings.learning_rate, betas=(0.9, 0.98))

    def _set_rates(self) -> None:
        settings = self._settings
        warm = min(1.0, (self.step + 1) / max(1, settings.warmup_steps))
        fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.step / settings.steps))
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * warm * fall * group["share"]

    def _save(self) -> None:
        state = {
            "settings": asdict(self._settings),
            "step": self.step,
            "model": self._model.state_dict(),
            "temperature": self._temperature.data,
            "optimiser": self._optimiser.state_dict(),
            "random": self._rng.getstate(),
            "generator": self._generator.get_state(),
        }
        with drafted(self._folder / "state.pt") as draft:
            torch.save(state, draft)

    def _resume(self) -> None:
        path = self._folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self._device, weights_only=True)
        if state["settings"] != asdict(self._settings):
            raise UsageError(
                f"{path} is of a run with other settings", "give the same settings to go on, or another folder to begin"
            )
        self._model.load_state_dict(state["model"])
        self._temperature.data = state["temperature"]
        self._optimiser.load_state_dict(state["optimiser"])
        version, numbers, gauss = state["random"]
        self._rng.setstate((version, tuple(numbers), gauss))
        self._generator.set_state(state["generator"].cpu())
        self.step = state["step"]
