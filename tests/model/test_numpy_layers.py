"""The layers one by one, against float64 and the standard library."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imgsearch.model.runtimes.numpy.layers import LayerNorm, Linear, attend, attention_shares, exponentials, gelu, unit
from imgsearch.model.runtimes.numpy.vision import interpolate_places


def test_gelu_is_the_exact_one_within_a_millionth_everywhere():
    values = np.concatenate([np.linspace(-12, 12, 40_001), [0.0, -0.0, 1e-30, -1e30, 1e30, -60.0]]).astype(np.float32)
    exact = [0.5 * value * math.erfc(-value / math.sqrt(2)) for value in map(float, values)]
    error = np.abs(gelu(values) - np.array(exact)) / np.maximum(1, np.abs(exact))
    assert error.max() < 1e-6


def test_gelu_keeps_shape_and_input_when_the_array_is_strided():
    values = np.random.default_rng(0).standard_normal((3, 50, 700)).astype(np.float32)
    before = values.copy()
    assert np.array_equal(gelu(values[:, ::2]), gelu(values)[:, ::2]) and np.array_equal(values, before)


def test_layer_norm_equals_float64_when_values_are_large_or_constant():
    norm = LayerNorm(np.float32([2, 1, 3]), np.float32([0, 1, -1]), 1e-12)
    x = np.float64([[1000.0, 1001.0, 999.5], [5, 5, 5]])
    centred = x - x.mean(-1, keepdims=True)
    wanted = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * norm.weight + norm.bias
    np.testing.assert_allclose(norm(x.astype(np.float32)), wanted, atol=1e-4)


def test_layer_norm_of_a_sum_is_the_norm_of_it_and_leaves_what_was_added():
    rng = np.random.default_rng(2)
    norm = LayerNorm(*(rng.standard_normal(48).astype(np.float32) for _ in range(2)), 1e-12)
    x, other = rng.standard_normal((3, 5, 48)).astype(np.float32), rng.standard_normal((1, 5, 48)).astype(np.float32)
    added, before, wanted = x.copy(), other.copy(), norm(x + other)
    np.testing.assert_allclose(norm.of_sum(added, other), wanted, atol=1e-6)
    assert np.array_equal(other, before) and np.array_equal(norm(x), norm(x.copy()))


ROWS = hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(-9, 9, width=32))


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_exponentials_over_their_sums_are_the_softmax_however_large_the_scores(rows, data):
    """Rows on both sides of what float32's exponentials can hold, and some scores that must not count."""
    moves = data.draw(
        st.lists(st.sampled_from([-1e4, -95, -59, 0, 59, 95, 1e4]), min_size=len(rows), max_size=len(rows))
    )
    rows = rows + np.float32(moves)[:, None]
    rows[:, 1:][data.draw(hnp.arrays(bool, rows[:, 1:].shape))] = -1e30
    wide = rows.astype(np.float64)
    wanted = np.exp(wide - wide.max(axis=1, keepdims=True))
    wanted /= wanted.sum(axis=1, keepdims=True)
    found = rows.copy()
    totals = exponentials(found)
    np.testing.assert_allclose(found / totals, wanted, atol=1e-6)


@pytest.mark.parametrize("size", [1, 30])
def test_attention_and_its_shares_agree_whatever_the_scores_are(size):
    rng = np.random.default_rng(3)
    query, key, value = (rng.standard_normal((2, length, 12)).astype(np.float32) for length in (4, 6, 6))
    shares = attention_shares(size * query, size * key, 3)
    by_head = (shares[:, head] @ value[:, :, 4 * head : 4 * head + 4] for head in range(3))
    np.testing.assert_allclose(attend(size * query, size * key, value, 3), np.concatenate([*by_head], -1), atol=1e-5)
    np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)


def test_attention_equals_a_loop_when_some_positions_are_masked():
    rng = np.random.default_rng(1)
    query, key, value = (rng.standard_normal((2, length, 12)).astype(np.float32) for length in (3, 5, 5))
    mask = np.zeros((2, 5), np.float32)
    mask[1, 3:] = -1e30
    found = attend(query, key, value, 4, mask)
    for b in range(2):
        seen = 5 if b == 0 else 3
        for head in range(4):
            part = slice(3 * head, 3 * head + 3)
            for row in range(3):
                weights = [math.exp(float(query[b, row, part] @ key[b, m, part]) / math.sqrt(3)) for m in range(seen)]
                wanted = sum(w * value[b, m, part].astype(float) for m, w in enumerate(weights)) / sum(weights)
                np.testing.assert_allclose(found[b, row, part], wanted, atol=1e-5)


@pytest.mark.parametrize(("threads", "out"), [(2, 700), (3, 1000), (7, 5)])
def test_a_large_product_is_the_same_when_threads_share_it(monkeypatch, threads, out):
    rng = np.random.default_rng(out)
    x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 130, 90), (out, 90)))
    linear = Linear(weight, rng.standard_normal(out).astype(np.float32))
    alone = linear(x)
    monkeypatch.setattr("imgsearch.model.runtimes.numpy.layers._SHARED_FLOP", 1)
    monkeypatch.setattr("imgsearch.model.runtimes.numpy.layers._own_threads", lambda: threads)
    np.testing.assert_allclose(linear(x), alone, atol=1e-4)
    assert alone.shape == (2, 130, out)


def test_linear_without_bias_adds_nothing_and_unit_survives_zeros():
    assert Linear(np.float32([[1, 2]]), None)(np.float32([[[3, 4]]])).tolist() == [[[11]]]
    assert unit(np.float32([[3, 4], [0, 0]])).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]


@pytest.mark.parametrize(("old", "new"), [(4, 7), (7, 3), (16, 26), (1, 4), (5, 5)])
def test_places_move_as_torch_interpolates_them(old, new):
    table = np.random.default_rng(old).standard_normal((1 + old * old, 6)).astype(np.float32)
    grid = torch.from_numpy(table[1:].reshape(1, old, old, 6)).permute(0, 3, 1, 2)
    wanted = torch.nn.functional.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    found = interpolate_places(table, new)
    np.testing.assert_array_equal(found[0], table[0])
    np.testing.assert_allclose(found[1:], wanted.permute(0, 2, 3, 1).reshape(-1, 6).numpy(), atol=1e-5)
