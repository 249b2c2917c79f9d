"""BLIP-2's two losses for retrieval, image-text contrast (ITC) and image-text matching (ITM), and ITM's negatives.

Source: Li et al. 2023 (BLIP-2), section 3.1, and LAVIS's ``blip2_qformer.py``. Two things are added. A batch may say
which other captions are true of which images; these count neither as negatives nor as wrong. Negatives begin easy and
become hard, because a matching head that meets only hard ones from the start stays at chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from transformers import Blip2ForImageTextRetrieval


def image_tokens(model: Blip2ForImageTextRetrieval, features: torch.Tensor) -> torch.Tensor:
    """ViT features [B, N, W] -> query-token embeddings [B, T, D], each of L2 norm 1."""
    queries = model.query_tokens.expand(features.shape[0], -1, -1)
    hidden = model.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state
    return F.normalize(model.vision_projection(hidden), dim=-1)


def text_vectors(model: Blip2ForImageTextRetrieval, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Token ids and mask int64 [B, L] -> text embeddings [B, D] of L2 norm 1, from the [CLS] position."""
    embedded = model.embeddings(input_ids=ids)
    hidden = model.qformer(query_embeds=embedded, query_length=0, attention_mask=mask).last_hidden_state
    return F.normalize(model.text_projection(hidden[:, 0]), dim=-1)


def match_pair_logits(
    model: Blip2ForImageTextRetrieval, features: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """ITM logits [K, 2] of K pairs, features [N, W] with text [L] each; the mean over the query tokens."""
    queries = model.query_tokens.expand(features.shape[0], -1, -1)
    count = queries.shape[1]
    embedded = model.embeddings(input_ids=ids, query_embeds=queries)
    whole_mask = torch.cat([torch.ones_like(mask[:, :1]).expand(-1, count), mask], dim=1)
    hidden = model.qformer(
        query_embeds=embedded, query_length=count, attention_mask=whole_mask, encoder_hidden_states=features
    ).last_hidden_state
    logits: torch.Tensor = model.itm_head(hidden[:, :count]).mean(dim=1)
    return logits


def similarity(tokens: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """[B, C] from tokens [B, T, D] and texts [C, D]: the maximum over the image's tokens."""
    flat = tokens.reshape(-1, tokens.shape[-1]) @ texts.T  # [B * T, C]
    return flat.reshape(tokens.shape[0], tokens.shape[1], -1).amax(dim=1)


def contrastive_loss(sims: torch.Tensor, truth: torch.Tensor, temperature: torch.Tensor) -> torch.Tensor:
    """ITC in both directions. ``sims`` [B, B] (image, text); ``truth`` bool [B, B] is True where the text is true of
    the image (at least on the diagonal). The pair itself is the target; other true pairs are left out of the
    denominator."""
    count = sims.shape[0]
    others = truth & ~torch.eye(count, dtype=torch.bool, device=truth.device)
    logits = (sims / temperature).masked_fill(others, -1e4)
    target = torch.arange(count, device=sims.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def mine_negatives(
    sims: torch.Tensor, truth: torch.Tensor, sharpness: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """(image for each text [B], text for each image [B]): untrue partners, drawn with probability proportional to
    exp(sharpness * similarity). Sharpness 0 draws uniformly. A row without an untrue partner draws anything; the caller
    finds these by ``truth``."""
    logits = (sharpness * sims.detach()).masked_fill(truth, -torch.inf)

    def draw(rows: torch.Tensor) -> torch.Tensor:
        some = rows.isfinite().any(dim=1, keepdim=True)
        weights = torch.softmax(torch.where(some, rows, 0.0), dim=1)
        return torch.multinomial(weights, 1, generator=generator).squeeze(1)

    return draw(logits.T), draw(logits)


def matching_loss(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy over ITM's two classes, for logits [K, 2] and labels int64 [K], and the share that is right."""
    return F.cross_entropy(logits, labels), (logits.argmax(-1) == labels).float().mean()


def ranking_loss(logits: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over candidates, from class-1 logits [Q, 1 + C]: a text with its own image first, then with C
    images of which it is untrue. This is what re-ranking does, as a loss."""
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
