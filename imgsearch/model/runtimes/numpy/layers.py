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
from imgsearch.settings import available_cores

# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.28: erfc(z) = poly(z) ** -16 for z >= 0, error at most
# 3e-7, and no exponential to compute. Here z = |x| / sqrt(2), and the half of GELU's formula is in the polynomial too:
# (2 ** (1 / 16)) ** 16 = 2.
_ERFC = (1.0, 0.0705230784, 0.0422820123, 0.0092705272, 0.0001520143, 0.0002765672, 0.0000430638)
_LOWEST, *_MIDDLE, _HIGHEST = (np.float32(2 ** (1 / 16 - power / 2) * number) for power, number in enumerate(_ERFC))
_SHARED_FLOP = 1 << 28
"""Work in one matrix product that is worth sharing out: 5 ms of one core. The small model's largest for an image is
19 million, the real one's 4 billion."""

_GELU_BLOCK = 1 << 16
"""98,000 values take 0.38 ms of one EPYC core by 1 << 13, 0.31 by 1 << 14, 0.26 by 1 << 15 and more. Fewer and longer
calls also let other threads go on: each call gives the interpreter away and must get it back."""

_SAFE_SCORE = 60.0
"""exp(60) is 1e26 and exp(-60) 1e-26: float32 holds both, and sums of a million of them."""


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
    if 2 * rows.size * len(weight) < _SHARED_FLOP or (threads := _own_threads()) == 1:
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
    return available_cores()


def parts(x: Float32, count: int) -> list[Float32]:
    """``count`` equal parts of the last axis, as views: NumPy's own split takes 30 times as long."""
    width = x.shape[-1] // count
    return [x[..., number * width : (number + 1) * width] for number in range(count)]


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
        return self._finish(x - self._means(x))

    def of_sum(self, x: Float32, other: Float32) -> Float32:
        """The norm of ``x + other`` [..., H], computed in the memory of ``x``."""
        x += other
        return self.in_place(x)

    def in_place(self, x: Float32) -> Float32:
        """The norm of ``x`` [..., H], computed in its memory."""
        x -= self._means(x)
        return self._finish(x)

    def _means(self, x: Float32) -> Float32:
        # A product with a vector takes a tenth of the time of NumPy's mean over a short axis.
        means: Float32 = x @ np.full((x.shape[-1], 1), 1 / x.shape[-1], np.float32)
        return means

    def _finish(self, centred: Float32) -> Float32:
        variance = np.einsum("...i,...i->...", centred, centred)[..., None] / np.float32(centred.shape[-1])
        # A variance of 0 with BERT's epsilon of 1e-12 is still a number in float32.
        variance += np.float32(self.epsilon)
        centred *= np.float32(1) / np.sqrt(variance)
        centred *= self.weight
        centred += self.bias
        return centred


def gelu(x: Float32) -> Float32:
    """The exact GELU, x * Phi(x), not its tanh form; within 1e-6 of it. Any shape; -> the same shape.

    As max(x, 0) - |x| / 2 * erfc(|x| / sqrt(2)), where nothing cancels. Cost: 2.7 ns a value on one core.
    """
    values = np.ascontiguousarray(x).reshape(-1)
    out = np.empty_like(values)
    with np.errstate(over="ignore"):  # what is divided by infinity is the 0 that it should be
        for start in range(0, len(values), _GELU_BLOCK):
            part = slice(start, start + _GELU_BLOCK)
            _gelu_block(values[part], out[part])
    return out.reshape(x.shape)


def quick_gelu(x: Float32) -> Float32:
    """CLIP's own activation, x * sigmoid(1.702 x). Any shape -> the same shape."""
    with np.errstate(over="ignore"):  # x divided by infinity is the 0 that it should be
        out: Float32 = np.exp(np.float32(-1.702) * x)
    out += np.float32(1)
    np.divide(x, out, out=out)
    return out


def _gelu_block(x: Float32, out: Float32) -> None:
    size = np.abs(x)
    power = size * _HIGHEST
    for coefficient in reversed(_MIDDLE):
        power += coefficient
        power *= size
    power += _LOWEST
    for _ in range(4):
        np.square(power, out=power)
    size /= power  # |x| / 2 * erfc
    np.maximum(x, np.float32(0), out=out)
    out -= size


def attend(query: Float32, key: Float32, value: Float32, heads: int, mask: Float32 | None = None) -> Float32:
    """Multi-head attention: query [B, L, H], key and value [B, M, H] -> [B, L, H].

    ``mask`` [B, M] is added to the scores: 0 where a key may be seen, a large negative number where not.
    """
    scores = _scores(query, key, heads, mask)
    totals = exponentials(scores)
    found = np.empty((*query.shape[:2], heads, query.shape[2] // heads), np.float32)
    seen = found.swapaxes(1, 2)  # [B, A, L, H / A]
    np.matmul(scores, _by_head(value, heads), out=seen)
    seen /= totals  # fewer values than the scores
    return found.reshape(query.shape)


def attention_shares(query: Float32, key: Float32, heads: int, mask: Float32 | None = None) -> Float32:
    """How much of its attention each query pays to each key: [B, L, H] and [B, M, H] -> [B, A, L, M], rows of sum 1.
    ``mask`` as in `attend`."""
    shares = _scores(query, key, heads, mask)
    shares /= exponentials(shares)
    return shares


def exponentials(scores: Float32) -> Float32:
    """``scores`` [..., M] become their exponentials, each row up to a factor of its own, so that float32 holds them; ->
    the rows' sums [..., 1]. Divided by these they are the softmax.

    The maximum of each row, which is usually subtracted, takes as long as the exponentials; scores between -60 and 60
    do without."""
    if scores.max(initial=0) > _SAFE_SCORE or scores.min(initial=0) < -_SAFE_SCORE:
        scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    totals: Float32 = scores @ np.ones((scores.shape[-1], 1), np.float32)
    return totals


def _scores(query: Float32, key: Float32, heads: int, mask: Float32 | None) -> Float32:
    q, k = _by_head(query, heads), _by_head(key, heads)
    scores: Float32 = q @ k.swapaxes(-1, -2)  # [B, A, L, M]
    scores *= np.float32(q.shape[-1] ** -0.5)
    if mask is not None:
        scores += mask[:, None, None, :]
    return scores


def _by_head(x: Float32, heads: int) -> Float32:
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)  # [B, A, L, H / A]


def unit(x: Float32) -> Float32:
    """Rows of L2 norm 1 along the last axis; a row of zeros stays."""
    length = np.sqrt(np.einsum("...i,...i->...", x, x))[..., None]
    rows: Float32 = x / np.maximum(length, np.float32(1e-12))
    return rows
