"""The few operations that BLIP-2 is made of, on float32 NumPy arrays. No torch.

Letters in shapes: B a batch, L its positions, H the width, A attention heads, F the feed-forward width.
"""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from imgsearch.records import Float32

# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: erfc(z) = poly(t) exp(-z^2) with
# t = 1 / (1 + 0.3275911 z) for z >= 0, error at most 1.5e-7. Here z = |x| / sqrt(2).
_T_FACTOR = np.float32(0.3275911 / np.sqrt(2.0))
_POLYNOMIAL = tuple(map(np.float32, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))
_SHARED_FLOP = 1 << 28
"""Work in one matrix product that is worth sharing out: 5 ms of one core. The small model's largest for a picture is
19 million, the real one's 4 billion."""

_GELU_BLOCK = 1 << 14
"""Values whose five working arrays stay in the L2 cache."""


@dataclass(frozen=True, slots=True)
class Linear:
    """``x @ weight.T + bias``: weight [out, in], bias [out] or None."""

    weight: Float32
    bias: Float32 | None

    def __call__(self, x: Float32) -> Float32:
        """[..., in] -> [..., out]. One matrix product whatever the leading axes are."""
        flat = _product(x.reshape(-1, x.shape[-1]), self.weight)
        if self.bias is not None:
            flat += self.bias
        return flat.reshape(*x.shape[:-1], flat.shape[-1])


def _product(rows: Float32, weight: Float32) -> Float32:
    """rows [n, in] @ weight.T -> [n, out]; a large one by columns over the threads."""
    threads = _own_threads()
    if threads == 1 or 2 * rows.size * len(weight) < _SHARED_FLOP:
        return rows @ weight.T
    out = np.empty((len(rows), len(weight)), np.float32)
    edges = np.linspace(0, len(weight), threads + 1).astype(np.int64).tolist()
    parts = [slice(first, stop) for first, stop in itertools.pairwise(edges)]
    list(_pool(threads).map(lambda part: np.matmul(rows, weight[part].T, out=out[:, part]), parts))
    return out


def _own_threads() -> int:
    """Threads that large products are shared over. Where OpenBLAS was told to use one, as a search tells it, these are
    ours; elsewhere it has its own."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="product")


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Mean 0 and variance 1 over the last axis, then scale and shift [H]."""

    weight: Float32
    bias: Float32
    epsilon: float

    def __call__(self, x: Float32) -> Float32:
        """[..., H] -> [..., H]."""
        centred: Float32 = x - x.mean(axis=-1, keepdims=True)
        variance = np.einsum("...i,...i->...", centred, centred)[..., None] / np.float32(x.shape[-1])
        # A variance of 0 with BERT's epsilon of 1e-12 is still a number in float32.
        centred /= np.sqrt(variance + np.float32(self.epsilon))
        centred *= self.weight
        centred += self.bias
        return centred


def gelu(x: Float32) -> Float32:
    """The exact GELU, x * Phi(x), not its tanh form; within 1e-6 of it. Any shape; -> the same shape.

    As max(x, 0) - |x| / 2 * erfc(|x| / sqrt(2)), where nothing cancels. Cost: about 3 ns a value on one core.
    """
    values = np.ascontiguousarray(x).reshape(-1)
    out = np.empty_like(values)
    with np.errstate(over="ignore"):  # exp(-infinity) is the 0 that it should be
        for start in range(0, len(values), _GELU_BLOCK):
            part = slice(start, start + _GELU_BLOCK)
            _gelu_block(values[part], out[part])
    return out.reshape(x.shape)


def _gelu_block(x: Float32, out: Float32) -> None:
    size = np.abs(x)
    t = size * _T_FACTOR
    t += np.float32(1)
    np.reciprocal(t, out=t)
    tail = t * _POLYNOMIAL[0]
    for coefficient in _POLYNOMIAL[1:]:
        tail += coefficient
        tail *= t
    decay = np.square(x)
    decay *= np.float32(-0.5)
    np.exp(decay, out=decay)
    tail *= decay  # erfc
    size *= np.float32(0.5)
    tail *= size
    np.maximum(x, np.float32(0), out=out)
    out -= tail


def attend(query: Float32, key: Float32, value: Float32, heads: int, mask: Float32 | None = None) -> Float32:
    """Multi-head attention: query [B, L, H], key and value [B, M, H] -> [B, L, H].

    ``mask`` [B, M] is added to the scores: 0 where a key may be seen, a large negative number where not.
    """
    shares = attention_shares(query, key, heads, mask)
    return (shares @ _by_head(value, heads)).swapaxes(1, 2).reshape(query.shape)


def attention_shares(query: Float32, key: Float32, heads: int, mask: Float32 | None = None) -> Float32:
    """How much of its attention each query pays to each key: [B, L, H] and [B, M, H] -> [B, A, L, M], rows of sum 1.
    ``mask`` as in `attend`."""
    q, k = _by_head(query, heads), _by_head(key, heads)
    scores: Float32 = q @ k.swapaxes(-1, -2)  # [B, A, L, M]
    scores *= np.float32(q.shape[-1] ** -0.5)
    if mask is not None:
        scores += mask[:, None, None, :]
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def _by_head(x: Float32, heads: int) -> Float32:
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)  # [B, A, L, H / A]


def unit(x: Float32) -> Float32:
    """Rows of L2 norm 1 along the last axis; a row of zeros stays."""
    length = np.sqrt(np.einsum("...i,...i->...", x, x))[..., None]
    rows: Float32 = x / np.maximum(length, np.float32(1e-12))
    return rows
