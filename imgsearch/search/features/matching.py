"""ITM logits of many (text, image) pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from imgsearch.model.arrays import as_numpy
from imgsearch.model.contract import Matcher
from imgsearch.records import Float32, Int64
from imgsearch.search.features.rows import FeatureRows

MATCH_BATCH = 64
"""Pairs matched at once: 92 MB of float32 features for the full-size model (257 x 1408 an image)."""


def match_pairs(
    model: Matcher,
    rows: FeatureRows,
    texts: Sequence[str],
    pairs: tuple[Int64, Int64],
    *,
    max_tokens: int,
    batch_size: int = 0,
    progress: bool = False,
) -> Float32:
    """Class-1 logits [P] of ``pairs`` (text index [P], image index [P]).

    A pair that comes twice is matched once. Pairs are ordered by the text's length, so that a batch needs little
    padding, then by image, so that the features read lie together. A pair of the small model takes about 3 ms of one
    EPYC core: 1,000 images with 2,000 captions at k_test = 16 take 3 minutes of CPU time.
    """
    text_index, image_index = pairs
    keys, inverse = np.unique(text_index * np.int64(max(1, len(rows))) + image_index, return_inverse=True)
    wanted_texts, wanted_images = np.divmod(keys, max(1, len(rows)))
    lengths = np.array([len(text) for text in texts], np.int64)
    order = np.lexsort((wanted_images, lengths[wanted_texts]))
    logits = np.empty(len(keys), np.float32)
    step = batch_size or MATCH_BATCH
    with tqdm(total=len(keys), desc="pairs", unit="pair", disable=not progress) as bar:
        for first in range(0, len(order), step):
            part = order[first : first + step]
            batch = [texts[index] for index in wanted_texts[part]]
            found = model.match_logits(batch, rows.gather(wanted_images[part]), max_tokens=max_tokens)
            logits[part] = as_numpy(found)
            bar.update(len(part))
    answers: Float32 = logits[inverse.reshape(-1)]
    return answers
