"""The training loop: ITC over the maximum of the tokens plus ITM with mined negatives, resumable, with a log.

The ViT is frozen, as in BLIP-2 (Li et al. 2023, section 3.1), and its features are computed once and kept on disk as
float16; `LoopSettings.train_vision` lets it learn too, at the price of a ViT forward and backward each step.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imgsearch.files import reached
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.training.distillation import NO_GUIDES, Guides, TeacherBatch, TeacherOutput
from imgsearch.training.features import FeatureTable, keep_features
from imgsearch.training.forms import RetrievalForm, named_parameters
from imgsearch.training.loop_settings import LoopSettings
from imgsearch.training.losses import contrastive_loss, matching_loss, mine_negatives, ranking_loss, similarity
from imgsearch.training.pairs import PairBatch, PairSource, encode_captions
from imgsearch.training.pool import CandidatePool
from imgsearch.training.run_state import RunHistory, StepScore, TrainingFolder

_MAX_SHARPNESS = 25.0  # of the negatives' draw; about half of 1 / temperature at the end of training
_TWIN_SHARE = 0.9  # of the negatives of a picture with a twin in the batch that are its twin, at full hardness
_MIN_TEMPERATURE = 0.02
_LOG_EVERY = 25
_SAVE_EVERY = 100
_REFRESH_EVERY = 100  # steps, of the pool
_SAVE_SHARE = 0.05  # of the time that may go into saving, where that is cheaper than every _SAVE_EVERY steps


class Trainer:
    """One training run. Its state (weights, optimiser, step, random states) lives in ``folder``. On a CPU, with the
    same number of threads, a run that was killed and taken up again ends with the very weights of an undisturbed
    one."""

    def __init__(
        self,
        form: RetrievalForm,
        tokenizer: TextTokenizer,
        source: PairSource,
        settings: LoopSettings,
        folder: Path,
        features: FeatureTable | Path | None = None,
        guides: Guides = NO_GUIDES,
    ) -> None:
        """``features``: the ViT's, kept already, or a file for them that several runs share; in ``folder`` unless
        given."""
        self._kept = features if features is not None else folder / "features.npy"
        self._form, self._tokenizer, self._source, self._settings = form, tokenizer, source, settings
        self._judge, self._old = guides.judge, guides.old
        self._run = TrainingFolder(folder)
        self._temperature = torch.nn.Parameter(torch.tensor(math.log(settings.temperature), device=form.device))
        self._rng = random.Random(settings.seed)
        self._generator = torch.Generator(form.device).manual_seed(settings.seed)
        self._features: FeatureTable | None = None
        self._pool: CandidatePool | None = None
        self.step = 0
        self.history = RunHistory()
        if not settings.train_vision:
            form.vision().requires_grad_(False)
        self._trained = dict(named_parameters(form))
        self._optimiser = self._new_optimiser()
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def best_step(self) -> int:
        """The step whose weights were the best, the last one where none were judged."""
        best = self.history.best
        return self.step if best is None else best.step

    def run(self, log: Callable[[str], None]) -> None:
        """Train to the last step, or until nothing gets better; a state on disk is taken up where it stands. The
        network then has the best weights, if they were judged, else the last ones."""
        settings = self._settings
        if not settings.train_vision:
            known = self._kept
            if not isinstance(known, FeatureTable):
                known = keep_features(self._form, self._source, known, log)
            self._features = known
            if settings.pool:
                self._pool = CandidatePool(self._form, self._features, settings.pool)
        self._form.module.train()
        started, first, readings = time.monotonic(), self.step, []
        saved, cost = started, 0.0
        while self.step < settings.steps and not self.history.stale(settings.patience):
            readings.append(self._train_step())
            self.step += 1
            last = self.step == settings.steps
            self._judge_weights(log, last)
            reached("training-stepped")
            if self.step % _LOG_EVERY == 0 or last:
                log(self._described(readings, (time.monotonic() - started) / (self.step - first)))
                readings = []
            # Not between two refreshes of a pool, which draw random numbers.
            due = not self._pool and time.monotonic() - saved >= cost / _SAVE_SHARE
            if last or due or self.step % _SAVE_EVERY == 0 or self.history.stale(settings.patience):
                begun = time.monotonic()
                self._save()
                saved = time.monotonic()
                cost = saved - begun
        self._take_best()
        self._form.module.eval()

    def _described(self, readings: list[tuple[float, float, float]], per_step: float) -> str:
        itc, itm, right = np.mean(readings, axis=0)
        left = per_step * (self._settings.steps - self.step) / 60
        return (
            f"step {self.step}/{self._settings.steps} itc {itc:.3f} itm {itm:.3f} right {right:.3f} "
            f"{per_step:.2f} s/step, {left:.0f} min left"
        )

    def _train_step(self) -> tuple[float, float, float]:
        settings = self._settings
        self._set_rates()
        self._optimiser.zero_grad(set_to_none=True)
        readings = [self._add_gradients(number) for number in range(settings.batches)]
        torch.nn.utils.clip_grad_norm_([p for group in self._optimiser.param_groups for p in group["params"]], 1.0)
        self._optimiser.step()
        itc, itm, right = np.mean(readings, axis=0)
        return float(itc), float(itm), float(right)

    def _add_gradients(self, number: int) -> tuple[float, float, float]:
        """Those of one batch; returns ITC's loss, ITM's, and the share of pairs that ITM had right."""
        settings = self._settings
        batch = self._source.sample(self._rng, settings.batch_size, self.step * settings.batches + number)
        with torch.autocast(self._form.device.type, torch.bfloat16, enabled=settings.bfloat16):
            itc, itm, right = self._losses(batch)
        early = self.step < settings.early_steps
        weight = settings.early_matching_weight if early else settings.matching_weight
        torch.autograd.backward((itc + weight * itm) / settings.batches)
        return itc.item(), itm.item(), right.item()

    def _losses(self, batch: PairBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        settings, form = self._settings, self._form
        features = self._features_of(batch)
        ids, mask = encode_captions(self._tokenizer, batch.captions, form.device)
        truth = torch.from_numpy(batch.truth).to(form.device)
        vectors = form.text_vectors(ids, mask)
        tokens = form.image_tokens(features)
        sims = similarity(tokens, vectors)
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
        logits = form.match_logits(shown, ids[texts], mask[texts])
        itm, right = matching_loss(logits, labels)
        if self._old is not None and len(batch.known):
            asked = TeacherBatch(features, ids, mask, images, texts[: len(images)])
            pixels = self._source.pixels(batch.rows[batch.known]) if self._old.sees else None
            answered = TeacherOutput(tokens, vectors, logits[: len(images)])
            moved, changed = self._old.lost(asked, answered, batch.known, pixels)
            itc, itm = itc + settings.keep_vectors * moved, itm + settings.keep_matches * changed
        if self._pool is not None:
            found = logits[len(images) :, 1].reshape(-1, settings.pool_negatives)
            itm = (itm + ranking_loss(torch.cat([logits[some, 1:], found], dim=1))) / 2
        return itc, itm, right

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
        return pool.features_of(mined[some].reshape(-1)), torch.from_numpy(some).to(self._form.device)

    def _matching_pairs(
        self, sims: torch.Tensor, truth: torch.Tensor, twins: NDArray[np.int64]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(image [K], text [K], label [K]): true pairs, then each with another text, then each with another image."""
        settings = self._settings
        due = (self.step - settings.harden_from) / max(1, settings.harden_steps)
        hardness = min(1.0, max(0.0, due)) if settings.harden else 1.0
        negative_images, negative_texts = mine_negatives(sims, truth, _MAX_SHARPNESS * hardness, self._generator)
        count = sims.shape[0]
        twin = torch.from_numpy(twins).to(sims.device)
        draw = torch.rand(count, generator=self._generator, device=sims.device)
        negative_images = torch.where((twin >= 0) & (draw < _TWIN_SHARE * hardness), twin, negative_images)
        chosen = torch.randperm(count, generator=self._generator, device=sims.device)[: settings.matching_pairs]
        images = torch.cat([chosen, chosen, negative_images[chosen]])
        texts = torch.cat([chosen, negative_texts[chosen], chosen])
        return images, texts, truth[images, texts].long()

    def _features_of(self, batch: PairBatch) -> torch.Tensor:
        if self._features is not None:
            return self._features.of(batch.rows)
        return self._form.encode(torch.from_numpy(self._source.pixels(batch.rows)).to(self._form.device))

    def _new_optimiser(self) -> torch.optim.Optimizer:
        seeing = {id(one) for one in self._form.vision().parameters()}
        decay: list[torch.nn.Parameter] = []
        plain: list[torch.nn.Parameter] = [self._temperature]
        vision: list[torch.nn.Parameter] = []
        for parameter in self._trained.values():
            if id(parameter) in seeing:
                vision.append(parameter)
            else:
                (decay if parameter.ndim > 1 else plain).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": decay, "weight_decay": self._settings.weight_decay, "share": 1.0},
            {"params": plain, "weight_decay": 0.0, "share": 1.0},
        ]
        if vision:
            share = self._settings.vision_rate
            groups.append({"params": vision, "weight_decay": self._settings.weight_decay, "share": share})
        return torch.optim.AdamW(groups, lr=self._settings.learning_rate, betas=(0.9, 0.98))

    def _set_rates(self) -> None:
        settings = self._settings
        warm = min(1.0, (self.step + 1) / max(1, settings.warmup_steps))
        fall = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.step / settings.steps))
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * warm * fall * group["share"]

    def _judge_weights(self, log: Callable[[str], None], last: bool) -> None:
        every = self._settings.judge_every
        if self._judge is None or not every or (self.step % every and not last):
            return
        self._form.module.eval()
        judgement = StepScore(self.step, self._judge())
        self._form.module.train()
        self.history.judgements.append(judgement)
        best = self.history.best == judgement
        log(f"step {self.step}: validation {judgement.score:.4f}{', the best so far' if best else ''}")
        if best:
            self._run.keep_best(self.step, self._weights())

    def _take_best(self) -> None:
        if (best := self.history.best) is not None and best.step != self.step:
            self._set_weights(self._run.best(best.step, self._form.device))

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: one.detach() for name, one in self._trained.items()}

    @torch.no_grad()
    def _set_weights(self, weights: dict[str, torch.Tensor]) -> None:
        for name, one in self._trained.items():
            one.copy_(weights[name])

    def _save(self) -> None:
        self._run.save(
            {
                "settings": asdict(self._settings),
                "step": self.step,
                "weights": self._weights(),
                "temperature": self._temperature.data,
                "optimiser": self._optimiser.state_dict(),
                "random": self._rng.getstate(),
                "generator": self._generator.get_state(),
                "judgements": [(one.step, one.score) for one in self.history.judgements],
            }
        )
        if (best := self.history.best) is not None:
            self._run.forget_others(best.step)

    def _resume(self) -> None:
        state = self._run.load(asdict(self._settings), self._form.device)
        if state is None:
            return
        self._set_weights(state["weights"])
        self._temperature.data = state["temperature"]
        self._optimiser.load_state_dict(state["optimiser"])
        version, numbers, gauss = state["random"]
        self._rng.setstate((version, tuple(numbers), gauss))
        self._generator.set_state(state["generator"].cpu())
        self.step = state["step"]
        self.history.judgements = [StepScore(step, score) for step, score in state["judgements"]]
