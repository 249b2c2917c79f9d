"""The training loss of a batch, as LAVIS's forward computes it (blip2_opt.py, blip2_t5.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from imgsearch.generation.tokenizer import PromptTokenizer

MAX_TEXT_TOKENS = 32  # LAVIS's max_txt_len, marks included
_IGNORED = -100


def loss_of_batch(
    network: Any, tokenizer: PromptTokenizer, projected: torch.Tensor, texts: Sequence[tuple[str, str]]
) -> list[tuple[float, int]]:
    """``projected`` [B, T, E] with a (prompt, text) each -> for each image the summed cross entropy and the number of
    ids."""
    each, counts = _cross_entropy(network, tokenizer, projected, texts)
    return list(zip(each.sum(dim=1, dtype=torch.float64).tolist(), counts.tolist(), strict=True))


def training_loss(
    network: Any, tokenizer: PromptTokenizer, projected: torch.Tensor, texts: Sequence[tuple[str, str]]
) -> torch.Tensor:
    """The mean cross entropy over the ids of a batch's texts, with its gradient; arguments as `loss_of_batch`."""
    each, counts = _cross_entropy(network, tokenizer, projected, texts)
    return each.sum() / counts.sum()


def _cross_entropy(
    network: Any, tokenizer: PromptTokenizer, projected: torch.Tensor, texts: Sequence[tuple[str, str]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """That of each id [B, L], 0 where none is predicted, and the number of ids [B]."""
    if network.config.text_config.is_encoder_decoder:
        logits, labels = _t5(network, tokenizer, projected, texts)
    else:
        logits, labels = _opt(network, tokenizer, projected, texts)
    each = F.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=_IGNORED, reduction="none")
    return each, (labels != _IGNORED).sum(dim=1)


def _opt(
    network: Any, tokenizer: PromptTokenizer, projected: torch.Tensor, texts: Sequence[tuple[str, str]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Every text ends with a line end. Without a prompt, the start is predicted, too, from the last query."""
    marks, device = tokenizer.marks, projected.device
    encoded = [_ended(tokenizer.encode(f"{text}\n"), marks.end)[:MAX_TEXT_TOKENS] for _, text in texts]
    ids, mask = _padded(encoded, marks.pad, device)
    labels = ids.masked_fill(mask == 0, _IGNORED)
    for row, (prompt, _) in enumerate(texts):
        if prompt:
            labels[row, : len(tokenizer.encode(prompt))] = _IGNORED
    language = network.language_model
    words = language.get_input_embeddings()(ids)
    seen = torch.ones(projected.shape[:2], dtype=torch.long, device=device)
    embeds = torch.cat([projected.to(words.dtype), words], dim=1)
    logits = language(inputs_embeds=embeds, attention_mask=torch.cat([seen, mask], dim=1)).logits
    first = projected.shape[1] - 1
    return logits[:, first:-1], labels


def _t5(
    network: Any, tokenizer: PromptTokenizer, projected: torch.Tensor, texts: Sequence[tuple[str, str]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The encoder reads image and prompt; the decoder writes the text and its end."""
    device, end = projected.device, list(tokenizer.marks.after)
    read, read_mask = _padded([_cut(tokenizer.encode(prompt), end) for prompt, _ in texts], tokenizer.marks.pad, device)
    ids, mask = _padded([_cut(tokenizer.encode(text), end) for _, text in texts], tokenizer.marks.pad, device)
    labels = ids.masked_fill(mask == 0, _IGNORED)
    language = network.language_model
    words = language.get_input_embeddings()(read)
    seen = torch.ones(projected.shape[:2], dtype=torch.long, device=device)
    found = language(
        inputs_embeds=torch.cat([projected.to(words.dtype), words], dim=1),
        attention_mask=torch.cat([seen, read_mask], dim=1),
        decoder_attention_mask=mask,
        labels=labels,
    )
    return found.logits, labels


def _ended(ids: list[int], end: Sequence[int]) -> list[int]:
    """The ids with an end, for tokenizers that do not turn a line end into one."""
    return ids if ids[-1:] and ids[-1] in end else [*ids, end[0]]


def _cut(ids: list[int], end: list[int]) -> list[int]:
    """At most `MAX_TEXT_TOKENS` ids, including the end, as T5's tokenizer truncates."""
    return ids if len(ids) <= MAX_TEXT_TOKENS else [*ids[: MAX_TEXT_TOKENS - len(end)], *end]


def _padded(rows: Sequence[list[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """int64 [B, L], padded on the right, and its mask."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
    return ids, mask
