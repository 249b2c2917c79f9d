"""How alike two pictures are, by their query tokens.

Token t of one picture and token t of another are answers to the same learned query, so they are compared one with one:
the mean of the inner products over t. A picture is alike to itself with exactly 1, and to none with more."""

from __future__ import annotations

import numpy as np

from imgsearch.records import Float32

POOL = 512
"""Pictures compared token by token: the nearest to the mean of the tokens. A fixed number, so that an answer for few is
the beginning of an answer for many."""


def mean_vector(tokens: Float32) -> Float32:
    """The direction of a picture's tokens [T, D] -> [1, D] of L2 norm 1: what an index can be asked for."""
    mean = tokens.mean(axis=0, keepdims=True)
    norm = float(np.linalg.norm(mean))
    unit: Float32 = (mean / norm if norm else mean).astype(np.float32)
    return unit


def likeness(tokens: Float32, others: Float32) -> Float32:
    """``tokens`` [T, D] against ``others`` [n, T, D] -> [n], in -1..1."""
    flat = others.reshape(len(others), tokens.size).astype(np.float64) @ tokens.reshape(-1).astype(np.float64)
    return (flat / len(tokens)).astype(np.float32)
