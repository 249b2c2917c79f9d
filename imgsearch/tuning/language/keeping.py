"""What keeps a generator from forgetting: it rehearses the captions that it wrote itself before it was tuned, and its
weights move no further than general pictures allow.

A generator's own captions as targets are distillation by sequences (Kim and Rush 2016): they need no second copy of a
large model in memory, and hold it to how it spoke, where the captions of general pairs would teach it another style.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from imgsearch.files import write_whole
from imgsearch.generation.blip2 import Blip2Generator
from imgsearch.records import Int64
from imgsearch.tuning.interpolation import ANY_LOSS, Figures, Tried, WeightLine, choose_point
from imgsearch.tuning.language.batches import ImageStates
from imgsearch.tuning.language.gains import Written, greedy_captions

REHEARSED = 256
"""General pictures that are captioned once before a run. A greedy caption of OPT-2.7b takes a CPU some seconds."""

_AT_ONCE = 16


def own_captions(
    generator: Blip2Generator, seen: ImageStates, rows: Int64, path: Path, log: Callable[[str], None]
) -> dict[int, tuple[str, ...]]:
    """What the generator writes of the first `REHEARSED` of the pictures ``rows``, by place; kept in ``path``, so that
    a run that is taken up rehearses the same. Pictures of which it writes nothing are left out."""
    if not path.exists():
        some = rows[:REHEARSED]
        log(f"captioning {len(some):,} general pictures, once")
        texts: list[str] = []
        for start in range(0, len(some), _AT_ONCE):
            with torch.inference_mode():
                texts += greedy_captions(generator, seen.projected(some[start : start + _AT_ONCE]))
        found = {str(row): text for row, text in zip(some.tolist(), texts, strict=True) if text.strip()}
        write_whole(path, json.dumps(found).encode())
    return {int(row): (text,) for row, text in json.loads(path.read_text(encoding="utf-8")).items()}


def way_of(parameters: Mapping[str, nn.Parameter], start: Mapping[str, torch.Tensor]) -> WeightLine:
    """The line from the weights ``start`` to the present ones. Of LoRA's two matrices only the second one, which began
    at 0, goes along it, so that their product is a straight line."""
    return WeightLine(
        {name: (one, start[name], one.detach().clone()) for name, one in parameters.items() if ".lora_A." not in name}
    )


def settle(
    line: WeightLine, judge: Callable[[], tuple[Written, Written]], forget: float, log: Callable[[str], None]
) -> tuple[Tried, ...]:
    """Go as far as the captions of general pictures allow, of which at most ``forget`` points of their words' agreement
    may be lost. ``judge`` gives what is written of the person's own pictures and of general ones. () where any loss
    will do."""
    if forget >= ANY_LOSS:
        return ()

    def measure() -> Figures:
        own, general = (float(one.agreement.mean()) for one in judge())
        return Figures(own, (general,))

    return choose_point(line, measure, forget / 100, log)
