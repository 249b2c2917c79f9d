"""The authors' retrieval evaluation, both ways, and the choice between twins.

Source: LAVIS 1.0.2, ``compute_sim_matrix`` of ``Blip2Qformer`` and ``RetrievalTask._report_metrics``. For
each text the k_test pictures best by ITC are scored with ITC + raw class-1 ITM logit, all others with -100;
likewise for each picture. A pair that both directions need is matched once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from imgsearch.errors import UsageError
from imgsearch.evaluation.pairs import CaptionPair
from imgsearch.model.arrays import as_numpy
from imgsearch.model.contract import Embedder, Matcher
from imgsearch.records import Float32, Int64
from imgsearch.search.features.matching import match_pairs
from imgsearch.search.features.rows import FeatureRows, encode_files

OUTSIDE = -100.0
"""LAVIS's score for a pair outside the k_test best."""

MAX_TOKENS = 35
"""LAVIS's evaluation truncates texts at 35 word pieces, three more than the model's other uses."""

K_TEST = 128

PRODUCT_VALUES = 1 << 24
"""Token products held at once, 64 MiB."""


class EvaluationModel(Embedder, Matcher, Protocol):
    """What an evaluation asks of a model."""


@dataclass(frozen=True, slots=True)
class ScoreMatrices:
    """``score_i2t`` [I, Q] and ``score_t2i`` [Q, I] as LAVIS gives them; ``itc`` [I, Q]. All float32."""

    score_i2t: Float32
    score_t2i: Float32
    itc: Float32


def score_matrices(
    model: EvaluationModel,
    features: Any,
    texts: Sequence[str],
    *,
    k_test: int = K_TEST,
    max_tokens: int = MAX_TOKENS,
    batch_size: int = 0,
) -> ScoreMatrices:
    """Score I pictures, by their ViT ``features`` [I, N, W], with Q ``texts`` as LAVIS's evaluation does.

    Cost: at most k_test * (I + Q) matched pairs, ``batch_size`` at a time. Memory: three matrices of I x Q.
    """
    rows = FeatureRows.of(as_numpy(features))
    step = batch_size or model.profile.batch_size
    tokens = [
        as_numpy(model.embed_features(rows.gather(slice(first, first + step)))) for first in range(0, len(rows), step)
    ]
    itc = similarities(np.concatenate(tokens), as_numpy(model.embed_texts(texts, max_tokens=max_tokens)))
    t2i, i2t = _best(itc.T, k_test), _best(itc, k_test)
    wanted = _join(_t2i_pairs(t2i), _i2t_pairs(i2t))
    logits = match_pairs(model, rows, texts, wanted, max_tokens=max_tokens, batch_size=batch_size)
    return ScoreMatrices(_fused(itc, i2t, logits[t2i.size :]), _fused(itc.T, t2i, logits[: t2i.size]), itc)


def evaluate(
    model: EvaluationModel,
    pairs: Sequence[CaptionPair],
    *,
    k_test: int = K_TEST,
    max_tokens: int = MAX_TOKENS,
    batch_size: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Recall at 1, 5 and 10 in percent, both ways, by ITC and by ITC + ITM, and the twins.

    A text is right at k if its picture is among the first k; a picture, if one of its captions is. A tie
    counts as lost. ``twins``: of all captions of all twin pairs (those of either picture), the percentage
    whose own picture scores strictly higher than its twin: ``itc`` by similarity, ``itm`` by the match
    logit alone, which is the head's own answer; the fused score would mix in the similarity that it is here
    to correct.

    Memory: 4 bytes x I x Q three times over, T x D x 4 bytes a picture, and features as FeatureRows keeps
    them."""
    if k_test < 1:
        raise UsageError(f"k_test is {k_test}, expected 1 or more", "the authors use 128")
    owners = np.repeat(np.arange(len(pairs), dtype=np.int64), [len(pair.captions) for pair in pairs])
    texts = [caption for pair in pairs for caption in pair.captions]
    step = batch_size or model.profile.batch_size
    rows, tokens = encode_files(model, [pair.image for pair in pairs], batch_size=step, progress=progress)
    itc = similarities(tokens, as_numpy(model.embed_texts(texts, max_tokens=max_tokens)))
    twins = _twin_choices(pairs, owners)
    t2i, i2t = _best(itc.T, k_test), _best(itc, k_test)
    wanted = _join(_t2i_pairs(t2i), _i2t_pairs(i2t), (twins.texts, twins.rights), (twins.texts, twins.wrongs))
    logits = match_pairs(model, rows, texts, wanted, max_tokens=max_tokens, batch_size=batch_size, progress=progress)
    ends = np.cumsum([t2i.size, i2t.size, len(twins.texts)])
    for_t2i, for_i2t, right, wrong = np.split(logits, ends)
    return {
        "text_to_image": {
            "itc": _recalls(text_to_image_ranks(itc, owners)),
            "itm": _recalls(text_to_image_ranks(_fused(itc.T, t2i, for_t2i).T, owners)),
        },
        "image_to_text": {
            "itc": _recalls(image_to_text_ranks(itc, owners)),
            "itm": _recalls(image_to_text_ranks(_fused(itc, i2t, for_i2t), owners)),
        },
        "twins": {
            kind: {
                "itc": _percent((itc[twins.rights, twins.texts] > itc[twins.wrongs, twins.texts])[twins.kinds == kind]),
                "itm": _percent((right > wrong)[twins.kinds == kind]),
            }
            for kind in sorted(set(twins.kinds.tolist()))
        },
        "images": len(pairs),
        "captions": len(texts),
        "k_test": min(k_test, len(pairs)),
    }


def similarities(tokens: Float32, texts: Float32) -> Float32:
    """ITC: the maximum over tokens of the inner products. [I, T, D] with [Q, D] -> [I, Q]."""
    images, count, dims = tokens.shape
    scores = np.empty((images, len(texts)), np.float32)
    step = max(1, PRODUCT_VALUES // max(1, count * len(texts)))
    for first in range(0, images, step):
        block = tokens[first : first + step]
        products = block.reshape(-1, dims) @ texts.T  # [n * T, Q]
        scores[first : first + step] = products.reshape(len(block), count, len(texts)).max(axis=1)
    return scores


def text_to_image_ranks(scores: Float32, owners: Int64) -> Int64:
    """How many other pictures score no lower than a text's own. ``scores`` [I, Q], ``owners`` [Q] -> [Q]."""
    own = scores[owners, np.arange(scores.shape[1])]
    return np.asarray((scores >= own).sum(axis=0) - 1, np.int64)


def image_to_text_ranks(scores: Float32, owners: Int64) -> Int64:
    """How many texts of others score no lower than a picture's best own. ``scores`` [I, Q], ``owners`` [Q]
    -> [I]."""
    own = owners == np.arange(len(scores))[:, None]
    best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(((scores >= best) & ~own).sum(axis=1), np.int64)


def _best(scores: Float32, k: int) -> Int64:
    """Columns of the k best of each row, best first, an earlier column first on a tie. [A, B] -> [A, min(k,
    B)]."""
    return np.stack([np.argsort(-row, kind="stable")[:k] for row in scores]).astype(np.int64)


def _t2i_pairs(best: Int64) -> tuple[Int64, Int64]:
    """(text, picture) of ``best`` pictures [Q, k]."""
    return np.repeat(np.arange(len(best), dtype=np.int64), best.shape[1]), best.reshape(-1)


def _i2t_pairs(best: Int64) -> tuple[Int64, Int64]:
    """(text, picture) of ``best`` texts [I, k]."""
    return best.reshape(-1), np.repeat(np.arange(len(best), dtype=np.int64), best.shape[1])


def _join(*pairs: tuple[Int64, Int64]) -> tuple[Int64, Int64]:
    return np.concatenate([texts for texts, _ in pairs]), np.concatenate([images for _, images in pairs])


def _fused(itc: Float32, best: Int64, logits: Float32) -> Float32:
    """ITC + logit at ``best`` [A, k], -100 elsewhere. ``itc`` [A, B] -> [A, B]."""
    scores = np.full(itc.shape, OUTSIDE, np.float32)
    np.put_along_axis(scores, best, np.take_along_axis(itc, best, 1) + logits.reshape(best.shape), 1)
    return scores


@dataclass(frozen=True, slots=True)
class _TwinChoices:
    """One choice for each caption of each twin pair: text, right and wrong picture, kind. Each [P]."""

    texts: Int64
    rights: Int64
    wrongs: Int64
    kinds: np.ndarray[Any, np.dtype[np.str_]]


def _twin_choices(pairs: Sequence[CaptionPair], owners: Int64) -> _TwinChoices:
    starts = np.searchsorted(owners, np.arange(len(pairs) + 1))
    couples = {_couple(index, pair) for index, pair in enumerate(pairs) if pair.twin_of is not None}
    choices = [
        (text, right, wrong, kind)
        for one, other, kind in sorted(couples)
        for right, wrong in ((one, other), (other, one))
        for text in range(starts[right], starts[right + 1])
    ]
    texts, rights, wrongs = (np.array([choice[column] for choice in choices], np.int64) for column in range(3))
    return _TwinChoices(texts, rights, wrongs, np.array([choice[3] for choice in choices], np.str_))


def _couple(index: int, pair: CaptionPair) -> tuple[int, int, str]:
    """The two rows of a twin pair, lower first: a pair that names itself from both sides counts once."""
    assert pair.twin_of is not None
    return min(index, pair.twin_of), max(index, pair.twin_of), pair.twin_kind or ""


def _recalls(ranks: Int64) -> dict[str, float]:
    return {f"r{k}": _percent(ranks < k) for k in (1, 5, 10)}


def _percent(hits: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    return round(100.0 * float(hits.mean()), 2)
