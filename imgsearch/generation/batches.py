"""What a call is given, checked (one text for all images or one each, short enough), and cut into batches, which are
halved when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from imgsearch.errors import CheckpointInvalid, NotEnoughMemory, UsageError
from imgsearch.generation.decoding import Decoding
from imgsearch.model.memory import available_bytes

R = TypeVar("R")

MAX_PROMPT_TOKENS = 512
"""Most ids in a prompt: T5's own length, and far more than any question that BLIP-2 was trained on."""

_MOST = {"cpu": 32, "cuda": 128}
_SHARE_OF_FREE = 0.5  # share of the free memory to use, because the estimate below is rough


def in_batches(part: Callable[[Sequence[int]], list[R]], order: Sequence[int], size: int) -> list[R]:
    """Call ``part`` on at most ``size`` places of ``order`` at a time. Returns the results by place. If memory runs
    out, the batch is tried again in halves, and later ones keep to the smaller size. Raises NotEnoughMemory if a single
    place is too much."""
    results: dict[int, R] = {}
    at = 0
    while at < len(order):
        places = order[at : at + size]
        found = _attempt(part, places)
        if found is None:
            if len(places) == 1:
                raise NotEnoughMemory("the memory does not suffice for one picture", "")
            size = len(places) // 2
            continue
        results.update(zip(places, found, strict=True))
        at += len(places)
    return [results[place] for place in sorted(results)]


def _attempt(part: Callable[[Sequence[int]], list[R]], places: Sequence[int]) -> list[R] | None:
    """The results, or None if memory ran out. A function of its own, so that nothing of the failed batch is still
    referenced."""
    try:
        return part(places)
    except (torch.OutOfMemoryError, MemoryError):
        pass
    except RuntimeError as exc:
        # The CPU allocator has no error class of its own.
        if not any(words in str(exc) for words in ("not enough memory", "can't allocate memory", "out of memory")):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def require_finite(states: torch.Tensor, name: str) -> None:
    """Raise UsageError where float16 overflowed, CheckpointInvalid where weights are no numbers: texts made of such
    states look like texts."""
    if bool(torch.isfinite(states).all()):
        return
    if states.dtype == torch.float16:
        raise UsageError(f"{name} overflows in float16, so that it would write nonsense", "load it in bfloat16")
    raise CheckpointInvalid(f"{name} makes no numbers of a picture, so its weights are damaged", "get it again")


def usual_batch_size(config: Any, settings: Decoding, device: torch.device) -> int:
    """Images in one batch: 32 on a CPU, 128 on a GPU, fewer if the free memory would not hold them."""
    most = _MOST["cuda" if device.type == "cuda" else "cpu"]
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_bytes()
    if free is None:
        return most
    return max(1, min(most, int(free * _SHARE_OF_FREE / _bytes_of_image(config, settings))))


def _bytes_of_image(config: Any, settings: Decoding) -> int:
    """A generous estimate of one image's working memory in float32: the ViT's widest layer, keys and values of all
    beams twice (they are reordered at each step), and the scores of all steps."""
    vision, text = config.vision_config, config.text_config
    patches = 1 + (vision.image_size // vision.patch_size) ** 2
    tower = 4 * patches * (2 * vision.intermediate_size + 8 * vision.hidden_size)
    rows = max(settings.beams, settings.rows)
    layers, width = text.num_hidden_layers, text.hidden_size
    if text.model_type == "t5":
        layers, width = text.num_layers + text.num_decoder_layers, text.num_heads * text.d_kv
    length = config.num_query_tokens + 32 + settings.max_new_tokens
    kept = 4 * rows * length * layers * width * 2 * 2
    scores = 4 * rows * text.vocab_size * (settings.max_new_tokens + 8)
    return int(tower + kept + scores)


def count_of(images: Any) -> int:
    """The number of images. Raises UsageError for anything but a list, above all for a single image."""
    if not isinstance(images, Sequence) or isinstance(images, (str, bytes)):
        raise UsageError(f"received {type(images).__name__}, expected a list of PIL pictures", "put it into a list")
    return len(images)


def texts_for(texts: str | Sequence[str], count: int, what: str) -> list[str]:
    """One text an image. ``what`` names the texts in errors. Raises UsageError."""
    if not isinstance(texts, (str, Sequence)):
        raise UsageError(f"the {what} are {type(texts).__name__}, expected texts", "give one string, or a list")
    found = [texts] * count if isinstance(texts, str) else list(texts)
    if len(found) != count:
        raise UsageError(f"{len(found)} {what} were given for {count} pictures", "give one, or one a picture")
    for text in found:
        if not isinstance(text, str):
            raise UsageError(f"one of the {what} is {type(text).__name__}, expected a text", "give strings")
    return found


def check_room(config: Any, prompts: Sequence[list[int]], settings: Decoding) -> None:
    """Raise UsageError for a prompt that the language model of a Blip2Config cannot read. OPT has a limited number of
    positions, and the image takes some of them."""
    room = MAX_PROMPT_TOKENS
    if not config.text_config.is_encoder_decoder:
        positions = int(config.text_config.max_position_embeddings)
        room = min(room, positions - config.num_query_tokens - settings.max_new_tokens)
    longest = max(map(len, prompts), default=0)
    if longest > room:
        raise UsageError(
            f"a prompt or question of {longest:,} tokens was given, and this generator reads at most {max(0, room):,} "
            f"beside {settings.max_new_tokens} new ones",
            "shorten it, or ask for fewer new tokens",
        )
