"""Tensors out of safetensors files, one by one and only when asked for, as float32 NumPy arrays. No torch."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence

import numpy as np

from imgsearch.errors import ModelUnavailable
from imgsearch.model.checkpoints.tensor_files import FloatTensor, TensorFile, float_tensors, read_floats, stamp_of
from imgsearch.model.runtimes.numpy.layers import LayerNorm, Linear
from imgsearch.records import Float32


class Weights:
    """The tensors of a checkpoint's safetensors files, whose headers were read before.

    A tensor is copied out of its file, never mapped: whoever overwrites the file would pull the weights from under us.
    Tensors of another dtype (older checkpoints hold position ids) are as if they were not there. Raises ValueError,
    KeyError or TypeError for a damaged header; while reading, ModelUnavailable if a file has changed since."""

    def __init__(self, files: Sequence[TensorFile]) -> None:
        self._stamps = {file.path: file.stamp for file in files}
        self._tensors: dict[str, FloatTensor] = {}
        for file in files:
            self._tensors |= float_tensors(file)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape by name."""
        return {name: tensor.shape for name, tensor in self._tensors.items()}

    def tensor(self, name: str) -> Float32:
        """One tensor, float32, in its own shape."""
        tensor = self._tensors[name]
        return self._read(tensor, 0, math.prod(tensor.shape)).reshape(tensor.shape)

    def rows(self, name: str, rows: Iterable[int]) -> dict[int, Float32]:
        """Some rows of a table [R, H], each [H]: a few words of a vocabulary, without reading all of it."""
        tensor = self._tensors[name]
        width = math.prod(tensor.shape[1:])
        return {row: self._read(tensor, row * width, width) for row in rows}

    def linear(self, name: str, *, bias: bool = True) -> Linear:
        """The weight [out, in] and bias [out] under ``name``."""
        return Linear(self.tensor(name + ".weight"), self.tensor(name + ".bias") if bias else None)

    def stacked(self, names: Sequence[str]) -> Linear:
        """Several linear maps of one input as one, their outputs side by side: one matrix product for all."""
        weights = np.concatenate([self.tensor(name + ".weight") for name in names])
        return Linear(weights, np.concatenate([self.tensor(name + ".bias") for name in names]))

    def norm(self, name: str, epsilon: float) -> LayerNorm:
        """The layer norm under ``name``."""
        return LayerNorm(self.tensor(name + ".weight"), self.tensor(name + ".bias"), epsilon)

    def _read(self, tensor: FloatTensor, first: int, count: int) -> Float32:
        """``count`` values from the ``first`` on. -> float32 [count]."""
        with tensor.path.open("rb", buffering=0) as file:
            if stamp_of(os.fstat(file.fileno())) != self._stamps[tensor.path]:
                raise ModelUnavailable(f"{tensor.path} has changed since it was opened", "run the same command again")
            return read_floats(tensor, first, count, file)
