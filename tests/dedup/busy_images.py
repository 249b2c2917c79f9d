"""A drawing full of things, the same for the same seed."""

from __future__ import annotations

import random

from imgsearch.scenes.draw import draw_sheet
from imgsearch.scenes.vocabulary import COLOURS, KINDS


def busy(seed):
    rng = random.Random(seed)
    things = [(rng.choice(KINDS), rng.choice(tuple(COLOURS))) for _ in range(14)]
    return draw_sheet(rng, things, 256)[0]
