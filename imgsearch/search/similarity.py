"""The likeness of two images, by their query tokens.

Token t of one image and token t of another answer the same learned query, so each is compared with its counterpart:
likeness is the mean of the inner products over t. An image's likeness to itself is exactly 1, the most there is."""

from __future__ import annotations

import numpy as np

from imgsearch.records import Float32

POOL = 512
"""Images compared token by token: those nearest to the mean of the tokens. The number is fixed, so a short answer
is the beginning of a long one."""


def mean_vector(tokens: Float32) -> Float32:
    """The mean direction of an image's tokens [T, D] -> [1, D] of L2 norm 1, as a query for an index."""
    mean = tokens.mean(axis=0, keepdims=True)
    norm = float(np.linalg.norm(mean))
    unit: Float32 = (mean / norm if norm else mean).astype(np.float32)
    return unit


def similarity(tokens: Float32, others: Float32) -> Float32:
    """``tokens`` [T, D] against ``others`` [n, T, D] -> [n], in -1..1."""
    flat = others.reshape(len(others), tokens.size).astype(np.float64) @ tokens.reshape(-1).astype(np.float64)
    return (flat / len(tokens)).astype(np.float32)
