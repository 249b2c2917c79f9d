"""Where in an image each word of a text is seen.

Only the Q-Former's query tokens attend to the image, and each token stands for something else in it. So a word's map is
the attention of the tokens that agree with the word, while the word is read alone with the image. Agreement is measured
by a token's ITC vector: how much nearer it is to the word than to an empty text. docs/search.md ("Where a word is
seen") has the measurements and the alternatives that did worse.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np

from imgsearch.model.arrays import as_numpy
from imgsearch.model.contract import Array, Explainer
from imgsearch.model.text import clean_text
from imgsearch.records import Float32

MAX_WORDS = 16
"""Words of a text that get a map: one batch of pairs on a CPU, 130 GFLOP for the full-size model."""

_EDGES = string.punctuation + "‘’“”„«»…–—¡¿、。，！？"
_QUIET_WORDS = """
a an the this that these those some any each every all both either neither no not nor and or but with without
together as so than then too very only just also there here is are was were be been being am do does did has have
had having can could will would shall should may might must of in on at to from by for into onto over under above
below beneath beside besides between among behind before after near next off out up down through across along
against around about toward towards inside outside within upon left right top bottom middle centre center side
i me my we us our you your he him his she her it its they them their who whom whose which what when where why how
one two three four five six seven eight nine ten several many few more most much lots
see seen show shows showing picture pictures photo photos photograph photographs image images shot
"""
QUIET = frozenset(_QUIET_WORDS.split())
"""Words that show nothing by themselves: they connect, count, say where, or name the picture as such."""


@dataclass(frozen=True, slots=True)
class WordMaps:
    """The maps of a text's words over one image.

    ``words`` are in the text's order, in lower case. ``grids`` float32 [words, h, w] has a number for each patch from
    the top left: 1 for the patch with most attention, 0 for that with least. A map shows where a word is seen best, not
    whether the image shows it.
    """

    words: tuple[str, ...]
    grids: Float32


def heat_map(model: Explainer, text: str, features: Array) -> WordMaps:
    """Where the image with ViT ``features`` [N, W] shows each content word of ``text``.

    torch and NumPy agree to 1e-3. Raises ValueError for features of another shape. Cost: one image and one pair a word
    through the Q-Former; the small model takes 24 ms of one EPYC core for three words, 71 ms for sixteen.
    """
    if len(features.shape) != 2:
        raise ValueError(f"received features {list(features.shape)}, expected [N, W], of one picture")
    words, image = content_words(text), features[None]
    maps = as_numpy(model.attention_maps(words, image))  # [words, T, P]
    side = round(maps.shape[2] ** 0.5)  # BLIP-2 takes square images
    tokens = as_numpy(model.embed_features(image))[0]  # [T, D]
    weights = _agreement(tokens, as_numpy(model.embed_texts([*words, ""])))  # [words, T]
    seen = np.einsum("wt,wtp->wp", weights, maps)
    return WordMaps(words, _stretch(seen).reshape(-1, side, side))


def content_words(text: str) -> tuple[str, ...]:
    """The words of ``text`` that an image can show, each once, in order, cleaned as the model reads them, at most
    `MAX_WORDS`. If no word says anything, all of them are returned."""
    words = dict.fromkeys(word.strip(_EDGES) for word in clean_text(text).split())
    words.pop("", None)
    telling = [word for word in words if word not in QUIET]
    return tuple(telling or words)[:MAX_WORDS]


def _agreement(tokens: Float32, texts: Float32) -> Float32:
    """[words, T] with rows of sum 1, from tokens [T, D] and the vectors [words + 1, D] of the words and, last, the
    empty text. A token counts by the square of its agreement above the tokens' mean, so that neither the model's
    temperature nor the spread of its vectors matters. Tokens that all agree equally count equally."""
    agreement = (texts[:-1] - texts[-1]) @ tokens.T
    above = np.maximum(agreement - agreement.mean(axis=1, keepdims=True), 0) ** 2
    total = above.sum(axis=1, keepdims=True)
    weights: Float32 = np.where(total > 1e-12, above / np.maximum(total, 1e-12), np.float32(1 / len(tokens)))
    return weights


def _stretch(maps: Float32) -> Float32:
    """Rows [words, P] scaled to 0..1 each; a constant row becomes 0."""
    low, high = maps.min(axis=1, keepdims=True, initial=np.inf), maps.max(axis=1, keepdims=True, initial=-np.inf)
    spread = high - low
    return np.where(spread > 1e-9, (maps - low) / np.maximum(spread, 1e-9), 0).astype(np.float32)
