"""How transformers 4.26.1, on which salesforce-lavis 1.0.2 runs, weighs beams: a sum of log-probabilities is divided by
(ids of the text prompt, start included, and new ids without the end) ** length_penalty. transformers 5 counts the new
ids alone, with the end. All else of the search is the same. Source: transformers 4.26.1, generation/beam_search.py."""

from __future__ import annotations

from typing import Any

import torch
from transformers.generation.utils import GenerationMixin


def apply_length_rule(monkeypatch: Any, prompt: int, end: int) -> None:
    """Until the test ends: beams as 4.26.1 for prompts of ``prompt`` ids; ``end`` is the id that ends a text."""
    state: dict[str, torch.Tensor] = {}

    def update(self: Any, **step: Any) -> tuple[torch.Tensor, ...]:
        beams, scores, ids = step["num_beams"], step["topk_log_probs"], step["topk_running_sequences"]
        indices = step["topk_running_beam_indices"]
        new = step["cur_len"] + 1 - step["decoder_prompt_len"]
        ended = ids[:, :, step["cur_len"]] == end
        open_rows = step["is_early_stop_heuristic_unsatisfied"]
        kept = (step["sequences"], step["beam_scores"], step["beam_indices"], step["is_sent_finished"])

        def add(chosen: torch.Tensor, length: int, kept: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            weighed = torch.where(chosen & open_rows, scores / length ** step["length_penalty"], -1e9)
            merged = [torch.cat(pair, dim=1) for pair in zip(kept, (ids, weighed, indices, chosen), strict=True)]
            best = merged[1].topk(beams).indices
            return tuple(self._gather_beams(one, best) for one in merged)

        kept = add(ended & step["top_num_beam_mask"], prompt + new - 1, kept)
        highest = scores[:, :1] / (prompt + new - 1) ** step["length_penalty"]
        done = ~open_rows | (kept[3].all(dim=1, keepdim=True) & (kept[1].amin(dim=1, keepdim=True) >= highest))
        state["open"] = open_rows = ~done
        if step["next_token_hits_stopping_criteria"].all():  # the longest: what is still open counts as it is
            unfinished = ~ended & ((~ended).cumsum(dim=1) <= beams)
            kept = add(unfinished & open_rows, prompt + new, kept)
        return kept

    monkeypatch.setattr(GenerationMixin, "_update_finished_beams", update)
    monkeypatch.setattr(GenerationMixin, "_check_early_stop_heuristic", staticmethod(lambda **_: state["open"]))
