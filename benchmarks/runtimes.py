"""The CPU runtimes beside each other: speed of a full-width model, and what their arithmetic loses; see encode.py."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_up_model import sliced, write_checkpoint
from results import markdown_table

from imgsearch.evaluation.pairs import CaptionPair, load_pairs
from imgsearch.evaluation.retrieval import evaluate, similarities, text_to_image_ranks
from imgsearch.model import load_model, open_openvino
from imgsearch.model.cpu import has_bfloat16
from imgsearch.model.runtimes.openvino.calibration import CALIBRATION_PICTURES, drawn_scenes, pictures_in
from imgsearch.model.runtimes.openvino.opening import make_export
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.search.features.rows import encode_files

BASE = "ViT-g, torch float32"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and how it is named in the table."""

    name: str
    model: Any


def speeds(layers: int, batch: int, rounds: int) -> list[str]:
    """Pixels to vectors, everything in one run and in turn: a slice of ``layers`` ViT layers (0: all) of the ViT-g and
    the ViT-L at full width, random weights. Threads: OMP_NUM_THREADS. Ratios by CPU time and by the clock, medians over
    the rounds."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or torch.get_num_threads()))
    with tempfile.TemporaryDirectory() as scratch:
        subjects = [
            *_subjects("ViT-g", write_checkpoint(Path(scratch) / "g", sliced(False, layers, 2 if layers else 0))),
            *_subjects("ViT-L", write_checkpoint(Path(scratch) / "l", sliced(True, layers, 2 if layers else 0))),
        ]
        pixels = np.random.default_rng(0).standard_normal((batch, 3, 224, 224), np.float32)
        return _table(subjects, lambda model: model.embed_images(pixels), batch, rounds)


def _subjects(name: str, folder: Path) -> list[Subject]:
    """Of one checkpoint. int8 is calibrated before any is timed."""
    kinds = ["float32", *(["bfloat16"] if has_bfloat16() else []), "int8"]
    for kind in kinds:
        make_export(folder, kind, None, pictures_in([], kind))
    found = [Subject(f"{name}, torch {kind}", load_model(folder, "cpu", kind)) for kind in kinds[:-1]]
    return [*found, *(Subject(f"{name}, OpenVINO {kind}", open_openvino(folder, "cpu", kind)) for kind in kinds)]


def _table(subjects: Sequence[Subject], work: Callable[[Any], Any], count: int, rounds: int) -> list[str]:
    taken: dict[str, list[tuple[float, float]]] = {subject.name: [] for subject in subjects}
    for number in range(-1, rounds):
        for subject in subjects if number % 2 else reversed(subjects):
            start, cpu = time.perf_counter(), time.process_time()
            work(subject.model)
            if number >= 0:
                taken[subject.name].append((time.perf_counter() - start, time.process_time() - cpu))
    base = taken[BASE]
    rows: list[list[object]] = []
    for name, times in taken.items():
        ratios = [statistics.median(b[way] / t[way] for b, t in zip(base, times, strict=True)) for way in (1, 0)]
        cpu = statistics.median(seconds for _, seconds in times)
        rows.append([name, count / cpu, *(f"{ratio:.2f}" for ratio in ratios)])
    return markdown_table(["model and arithmetic", "images a CPU second", "ratio by CPU time", "by the clock"], rows)


def losses(name: str, count: int, matched: int) -> list[str]:
    """Cosine of each token to torch's float32, and R@1 and R@10 of ``count`` drawn scenes through the same path by
    vectors, and of ``matched`` others re-ranked at 16."""
    kinds = ["float32", *(["bfloat16"] if has_bfloat16() else []), "int8"]
    for kind in kinds:
        make_export(name, kind, None, pictures_in([], kind))
    models = {"torch, float32": load_model(name, "cpu", "float32")}
    models |= {f"OpenVINO, {kind}": open_openvino(name, "cpu", kind) for kind in kinds}
    pixels = drawn_scenes(96, models["torch, float32"].image_size)[0][CALIBRATION_PICTURES:]
    exact = _tokens(models["torch, float32"], pixels)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        whole = load_pairs(write_set(make_set(count, 90210), Path(scratch) / "whole"))
        few = load_pairs(write_set(make_set(matched, 90210), Path(scratch) / "few"))
        for title, model in models.items():
            cosines = (_tokens(model, pixels) * exact).sum(-1)
            pairs = evaluate(model, few, k_test=16, max_tokens=32)["text_to_image"]["itm"]
            recalls = [f"{value:.2f}" for value in (*_recalls(model, whole), pairs["r1"], pairs["r10"])]
            rows.append([title, f"{cosines.mean():.5f}", f"{cosines.min():.4f}", *recalls])
    header = ["arithmetic", "cosine of a token", "least", "R@1 by vectors", "R@10", "R@1 re-ranked", "R@10"]
    return markdown_table(header, rows)


def _recalls(model: Any, pairs: Sequence[CaptionPair]) -> tuple[float, float]:
    """R@1 and R@10 of all captions, by vectors, in percent."""
    _, tokens = encode_files(model, [pair.image for pair in pairs], batch_size=8)
    texts = [caption for pair in pairs for caption in pair.captions]
    owners = np.repeat(np.arange(len(pairs), dtype=np.int64), [len(pair.captions) for pair in pairs])
    ranks = text_to_image_ranks(similarities(tokens, np.asarray(model.embed_texts(texts))), owners)
    return 100 * float((ranks < 1).mean()), 100 * float((ranks < 10).mean())


def _tokens(model: Any, pixels: Any) -> Any:
    parts = [pixels[first : first + 8] for first in range(0, len(pixels), 8)]
    return np.concatenate([np.asarray(model.embed_images(model.preprocess_arrays(part))) for part in parts])
