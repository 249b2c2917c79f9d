"""The `Embedder` and `Matcher` contract with the ViT and the image branch on OpenVINO; texts, and their matching with
images, in NumPy. Imports no torch, and OpenVINO when the first image comes.

A text's vector is the same as NumPy's, in float32, whatever the ViT computes in, so libraries that were made here are
searched with NumPy too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from imgsearch.model.checkpoints.config import Blip2Sizes
from imgsearch.model.memory import available_bytes, check_memory
from imgsearch.model.runtimes.costs import profile_of
from imgsearch.model.runtimes.numpy.model import NumpyModel
from imgsearch.model.runtimes.numpy.weights import Weights
from imgsearch.model.runtimes.openvino.exports import ExportedPart, Exports
from imgsearch.model.runtimes.openvino.package import Graph, rest_precision
from imgsearch.model.tokenizer import TextTokenizer
from imgsearch.records import Float32, ModelId


class OpenVinoModel(NumpyModel):
    """A BLIP-2 opened by `imgsearch.model.open_openvino`; float32 NumPy arrays in and out, on the CPU."""

    def __init__(
        self,
        weights: Weights,
        sizes: Blip2Sizes,
        tokenizer: TextTokenizer,
        model_id: ModelId,
        exports: Exports,
        part: ExportedPart,
    ) -> None:
        super().__init__(weights, sizes, tokenizer, model_id)
        self.dtype = part.dtype
        self._exports, self._part = exports, part
        rate = part.gflop_per_second
        self.profile = replace(profile_of(sizes, "openvino", "cpu", part.dtype), gflop_per_second=rate)

    def embed_features(self, features: Any) -> Float32:
        """Features [B, N, W] -> float32 [B, T, D], every token of L2 norm 1."""
        batch = self._check_features(features)
        if not len(batch):
            return np.empty((0, self.query_tokens, self.dims), np.float32)
        return self._tokens(batch)

    @cached_property
    def _vision(self) -> Callable[[Float32], Float32]:  # type: ignore[override]  # another module, the same call
        hint = "close other programs, search with --rerank 0, or take a smaller model (`imgsearch models` lists them)"
        check_memory(self._part.bytes, available_bytes(), "RAM", hint)
        return Graph(self._exports.folder / f"{self._part.stem}.xml", rest_precision(self._part.dtype))

    @cached_property
    def _tokens(self) -> Graph:
        precision = "bf16" if self._part.dtype == "bfloat16" else "f32"
        return Graph(self._exports.folder / "tokens.xml", precision)
