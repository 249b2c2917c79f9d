"""The `Generator` contract on the parts of transformers' Blip2ForConditionalGeneration.

An image is encoded once. What is known before the first new id is computed once for all its beams: OPT's keys and
values of image and prompt, T5's encoder. Letters in shapes: B images, S pixels a side, N = 1 + patches, W the ViT's
width, T query tokens, E the language model's width, L ids of a prompt, V the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from imgsearch.errors import NotEnoughMemory, UsageError
from imgsearch.generation.batches import (
    check_room,
    count_of,
    in_batches,
    require_finite,
    texts_for,
    usual_batch_size,
)
from imgsearch.generation.contract import QUESTION_FORM, Answer, Caption, Captions, Watch
from imgsearch.generation.decoding import Decoding, Noise, draw, noise_of, whole_number
from imgsearch.generation.loss import loss_of_batch
from imgsearch.generation.pixels import upright_pixels
from imgsearch.generation.tokenizer import PromptTokenizer
from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD

R = TypeVar("R")


class Blip2Generator:
    """A loaded BLIP-2 that writes, made by `imgsearch.generation.load_generator`. Not thread-safe."""

    def __init__(self, network: Any, tokenizer: PromptTokenizer, name: str, fingerprint: Callable[[], str]) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._fingerprint = fingerprint
        self.name = name
        config = network.config
        self._language = network.language_model
        self._encoder_decoder = bool(config.text_config.is_encoder_decoder)
        weight = network.language_projection.weight
        self._device: torch.device = weight.device
        self._dtype: torch.dtype = network.vision_model.embeddings.class_embedding.dtype
        self.device = str(self._device)
        self.dtype = str(self._dtype).removeprefix("torch.")
        self.image_size = int(config.vision_config.image_size)
        self.query_tokens = int(config.num_query_tokens)

    @property
    def network(self) -> Any:
        """transformers' Blip2ForConditionalGeneration, for training and export."""
        return self._network

    @property
    def tokenizer(self) -> PromptTokenizer:
        """The language model's tokenizer."""
        return self._tokenizer

    @property
    def encoder_decoder(self) -> bool:
        """Whether the language model is a Flan-T5 instead of an OPT."""
        return self._encoder_decoder

    @cached_property
    def fingerprint(self) -> str:
        """As `Generator.fingerprint`. Cost: hashes weights never seen before (seconds a GB)."""
        return self._fingerprint()

    def caption(
        self,
        images: Sequence[Image.Image],
        prompt: str | Sequence[str] = "",
        num_beams: int = 5,
        max_new_tokens: int = 30,
        min_new_tokens: int = 1,
        length_penalty: float = 1.0,
        repetition_penalty: float = 1.0,
        do_sample: bool = False,
        top_p: float = 0.9,
        temperature: float = 1.0,
        num_captions: int = 1,
        seed: int | Sequence[int] | None = None,
        *,
        no_repeat: int = 0,
        batch_size: int | None = None,
        watch: Watch | None = None,
    ) -> list[Captions]:
        """As `Generator.caption`."""
        settings = Decoding(
            num_beams,
            max_new_tokens,
            min_new_tokens,
            length_penalty,
            repetition_penalty,
            do_sample,
            top_p,
            temperature,
            num_captions,
            no_repeat,
        )
        noise = noise_of(seed, count_of(images), settings, self._device) if do_sample else None
        written = self._write(images, self._prompts(prompt, count_of(images)), settings, noise, batch_size, watch)
        return [Captions.of(candidates) for candidates in written]

    def answer(
        self,
        images: Sequence[Image.Image],
        questions: str | Sequence[str],
        form: str = QUESTION_FORM,
        num_beams: int = 5,
        max_new_tokens: int = 10,
        min_new_tokens: int = 1,
        length_penalty: float = -1.0,
        *,
        batch_size: int | None = None,
        watch: Watch | None = None,
    ) -> list[Answer]:
        """As `Generator.answer`."""
        if form and (not isinstance(form, str) or "{}" not in form):
            raise UsageError(f"the form {form!r} has no {{}} for the question", f"for example {QUESTION_FORM!r}")
        asked = texts_for(questions, count_of(images), "questions")
        prompts = [form.replace("{}", question) if form else question for question in asked]
        settings = Decoding(num_beams, max_new_tokens, min_new_tokens, length_penalty)
        written = self._write(images, self._prompts(prompts, count_of(images)), settings, None, batch_size, watch)
        return [Answer(candidates[0].text, candidates[0].token_ids) for candidates in written]

    def caption_loss(
        self, images: Sequence[Image.Image], texts: Sequence[str], prompt: str | Sequence[str] = ""
    ) -> float:
        """As `Generator.caption_loss`."""
        wanted = texts_for(texts, count_of(images), "texts")
        prompts = texts_for(prompt, count_of(images), "prompts")
        if not wanted:
            raise UsageError("no pictures were given, so there is no loss", "give one at least")

        def part(places: Sequence[int]) -> list[tuple[float, int]]:
            projected = self._project([images[place] for place in places])
            chosen = [(prompts[place], wanted[place]) for place in places]
            return loss_of_batch(self._network, self._tokenizer, projected, chosen)

        sums = self._batched(part, range(count_of(images)), self._batch_size(None, Decoding()))
        return sum(total for total, _ in sums) / max(1, sum(count for _, count in sums))

    def project(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """float32 [B, T, E] on the CPU: what the language model reads of each of B images."""
        parts = self._batched(
            lambda places: list(self._project([images[place] for place in places]).float().cpu()),
            range(count_of(images)),
            self._batch_size(None, Decoding(num_beams=1)),
        )
        width = self._network.language_projection.out_features
        return torch.stack(parts) if parts else torch.empty((0, self.query_tokens, width))

    def first_logits(self, images: Sequence[Image.Image], prompt: str | Sequence[str] = "") -> torch.Tensor:
        """float32 [B, V] on the CPU: the logits of the first new id after B images with their prompts."""
        prompts = self._prompts(prompt, count_of(images))

        def part(places: Sequence[int]) -> list[torch.Tensor]:
            embeds, mask = self._embed([images[place] for place in places], [prompts[place] for place in places])
            if self._encoder_decoder:
                start = torch.full_like(mask[:, :1], self._network.config.text_config.decoder_start_token_id)
                found = self._language(inputs_embeds=embeds, attention_mask=mask, decoder_input_ids=start)
            else:
                found = self._language(inputs_embeds=embeds, attention_mask=mask)
            return list(found.logits[:, -1].float().cpu())

        rows = self._batched(part, range(count_of(images)), self._batch_size(None, Decoding(num_beams=1)))
        return torch.stack(rows) if rows else torch.empty((0, self._network.config.text_config.vocab_size))

    def _write(
        self,
        images: Sequence[Image.Image],
        prompts: list[list[int]],
        settings: Decoding,
        noise: Noise | None,
        batch_size: int | None,
        watch: Watch | None,
    ) -> list[list[Caption]]:
        check_room(self._network.config, prompts, settings)

        def part(places: Sequence[int]) -> list[list[Caption]]:
            embeds, mask = self._embed([images[place] for place in places], [prompts[place] for place in places])
            numbers = noise.reader(places) if noise is not None else None
            inputs = self._inputs(embeds, mask, [prompts[place] for place in places], settings)
            told = None if watch is None else self._telling(watch, places, settings.rows)
            rows, scores = draw(self._language, inputs, settings, self._tokenizer.marks, numbers, told)
            texts = [Caption(self._tokenizer.decode(row), row, score) for row, score in zip(rows, scores, strict=True)]
            each = settings.num_captions
            return [texts[at : at + each] for at in range(0, len(texts), each)]

        # Prompts of similar length share a batch. This needs less padding and changes no text.
        order = sorted(range(len(images)), key=lambda place: len(prompts[place]))
        return self._batched(part, order, self._batch_size(batch_size, settings))

    def _telling(self, watch: Watch, places: Sequence[int], rows_each: int) -> Callable[[list[list[int]]], None]:
        def told(rows: list[list[int]]) -> None:
            for place, row in zip(places, rows[::rows_each], strict=True):
                watch(place, self._tokenizer.decode(row).rstrip("\ufffd"))  # the last character may be incomplete

        return told

    def _inputs(
        self, embeds: torch.Tensor, mask: torch.Tensor, prompts: Sequence[list[int]], settings: Decoding
    ) -> dict[str, Any]:
        """The arguments for the language model's generate. All ids of a prompt but the last are already in the
        cache."""
        repeats = settings.rows
        if self._encoder_decoder:
            states = self._language.get_encoder()(inputs_embeds=embeds, attention_mask=mask).last_hidden_state
            require_finite(states, self.name)
            encoded = BaseModelOutput(last_hidden_state=states.repeat_interleave(repeats, dim=0))
            # Of its own, transformers makes a cache with as many layers as the encoder has, too few for some decoders.
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
            return {
                "encoder_outputs": encoded,
                "attention_mask": mask.repeat_interleave(repeats, dim=0),
                "past_key_values": cache,
            }
        cache = DynamicCache(config=self._language.config)
        read = self._language.model(
            inputs_embeds=embeds[:, :-1], attention_mask=mask[:, :-1], past_key_values=cache, use_cache=True
        )
        require_finite(read.last_hidden_state, self.name)
        cache.batch_repeat_interleave(repeats * settings.beams)
        return {
            "input_ids": self._padded_ids(prompts).repeat_interleave(repeats, dim=0),
            "attention_mask": mask.repeat_interleave(repeats, dim=0),
            "past_key_values": cache,
        }

    def _embed(self, images: Sequence[Image.Image], prompts: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, T + L, E] and the mask int64 [B, T + L]: the image's places, then the prompt. OPT's padding lies between
        the two, because its texts continue at the right end; T5's comes last."""
        projected = self._project(images)
        ids = self._padded_ids(prompts)[:, self.query_tokens :]
        words = self._language.get_input_embeddings()(ids)
        longest = ids.shape[1]
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=self._device)[:, None]
        places = torch.arange(longest, device=self._device)[None]
        text = places < lengths if self._encoder_decoder else places >= longest - lengths
        seen = torch.ones(projected.shape[:2], dtype=torch.long, device=self._device)
        embeds = torch.cat([projected.to(words.dtype), words], dim=1)
        return embeds, torch.cat([seen, text.long()], dim=1)

    def _padded_ids(self, prompts: Sequence[list[int]]) -> torch.Tensor:
        """int64 [B, T + L] with the image's placeholders, as transformers' own generate receives them."""
        longest = max(map(len, prompts))
        places = [self._network.config.image_token_index] * self.query_tokens
        pads = [[self._tokenizer.marks.pad] * (longest - len(prompt)) for prompt in prompts]
        left = not self._encoder_decoder
        rows = [places + (pad + prompt if left else prompt + pad) for pad, prompt in zip(pads, prompts, strict=True)]
        return torch.tensor(rows, device=self._device)

    def _project(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """[B, T, E] of B images, on the device, in the language model's dtype."""
        pixels = np.stack([upright_pixels(image, self.image_size) for image in images])
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float()  # [B, 3, S, S]
        deviation = torch.tensor(PIXEL_STD, device=self._device).view(1, 3, 1, 1)
        mean = torch.tensor(PIXEL_MEAN, device=self._device).view(1, 3, 1, 1)
        # The same steps as in imgsearch.model.runtimes.torch, so that both read the same numbers.
        batch = torch.addcmul(-mean / deviation, batch, 1 / (255 * deviation)).to(self._dtype)
        features = self._network.vision_model(pixel_values=batch).last_hidden_state  # [B, N, W]
        queries = self._network.query_tokens.expand(len(features), -1, -1)
        states = self._network.qformer(query_embeds=queries, encoder_hidden_states=features).last_hidden_state
        projected: torch.Tensor = self._network.language_projection(states.to(features.dtype))
        return projected

    def _prompts(self, prompt: str | Sequence[str], count: int) -> list[list[int]]:
        return [self._tokenizer.encode(text) for text in texts_for(prompt, count, "prompts")]

    def _batch_size(self, batch_size: int | None, settings: Decoding) -> int:
        if batch_size is not None:
            if (number := whole_number(batch_size)) is None or number < 1:
                raise UsageError(f"batch_size is {batch_size!r:.60}, expected a whole number from 1 on", "leave it out")
            return number
        return usual_batch_size(self._network.config, settings, self._device)

    def _batched(self, part: Callable[[Sequence[int]], list[R]], order: Sequence[int], size: int) -> list[R]:
        def guarded(places: Sequence[int]) -> list[R]:
            with torch.inference_mode():
                return part(places)

        try:
            return in_batches(guarded, order, size)
        except NotEnoughMemory as exc:
            place = "RAM" if self._device.type == "cpu" else f"memory of {self.device}"
            raise NotEnoughMemory(
                f"the {place} ran out while {self.name} was reading one picture",
                "close other programs, take fewer beams, or load with dtype='bfloat16'",
            ) from exc
