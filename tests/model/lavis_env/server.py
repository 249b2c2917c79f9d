"""salesforce-lavis 1.0.2 behind a pipe, run by the Python of an environment of its own (`make test-lavis`).

`server_protocol.py` is how it is asked. Requests have "do"; answers have "error" where something went wrong. Its own
classes are built at the sizes that the first request names, since its configurations know the published ones alone and
would download their weights.
"""

from __future__ import annotations

import os
import sys
import traceback
from functools import partial
from typing import Any

import numpy as np
import torch

# torchvision of another build lacks its compiled operators, which nothing here uses; it declares fakes of them.
torch.library.register_fake = lambda *args, **named: lambda function: function

import transformers  # noqa: E402
from lavis.models import clip_vit, eva_vit  # noqa: E402
from lavis.models.blip2_models import blip2, blip2_qformer  # noqa: E402
from lavis.processors.blip_processors import BlipCaptionProcessor, BlipImageEvalProcessor  # noqa: E402
from PIL import Image  # noqa: E402
from server_protocol import read, write  # noqa: E402


class Lavis:
    """A Blip2Qformer at the sizes of a checkpoint, with LAVIS's processors."""

    def __init__(self, pth: str, vocabulary: str, sizes: dict[str, Any]) -> None:
        build(pth, vocabulary, sizes)
        vision = "clip_L" if sizes["clip"] else "eva_clip_g"
        self.model = blip2_qformer.Blip2Qformer(
            vision,
            sizes["image"],
            vit_precision="fp32",
            num_query_token=sizes["tokens"],
            cross_attention_freq=sizes["cross_every"],
            embed_dim=sizes["dims"],
        ).eval()
        missing = self.model.load_from_pretrained(pth).missing_keys
        self.missing = [key for key in missing if not key.startswith("Qformer.cls.") and "position_ids" not in key]
        self.images = BlipImageEvalProcessor(image_size=sizes["image"])
        self.texts = BlipCaptionProcessor()

    def preprocess(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        pictures = [Image.fromarray(arrays[name]) for name in sorted(arrays)]
        return torch.stack([self.images(picture) for picture in pictures]).numpy()

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        return self.model.ln_vision(self.model.visual_encoder(torch.from_numpy(pixels))).numpy()

    def embed_features(self, features: np.ndarray) -> np.ndarray:
        model, images = self.model, torch.from_numpy(features)
        found = model.Qformer.bert(
            query_embeds=model.query_tokens.expand(len(images), -1, -1),
            encoder_hidden_states=images,
            encoder_attention_mask=torch.ones(images.shape[:2], dtype=torch.long),
            return_dict=True,
        )
        return torch.nn.functional.normalize(model.vision_proj(found.last_hidden_state), dim=-1).numpy()

    def tokens(self, texts: list[str], most: int) -> Any:
        cleaned = [self.texts(text) for text in texts]
        return self.model.tokenizer(cleaned, padding=True, truncation=True, max_length=most, return_tensors="pt")

    def embed_texts(self, texts: list[str], most: int) -> np.ndarray:
        encoded = self.tokens(texts, most)
        found = self.model.forward_text(encoded)
        return torch.nn.functional.normalize(self.model.text_proj(found), dim=-1).numpy()

    def match_both(self, texts: list[str], features: np.ndarray, most: int) -> np.ndarray:
        encoded, model = self.tokens(texts, most), self.model
        images = torch.from_numpy(features)
        matches = model.compute_itm(images, encoded.input_ids, encoded.attention_mask)  # the class "matches"
        weight, bias = model.itm_head.weight.data, model.itm_head.bias.data
        model.itm_head.weight.data, model.itm_head.bias.data = weight.flip(0), bias.flip(0)
        others = model.compute_itm(images, encoded.input_ids, encoded.attention_mask)
        model.itm_head.weight.data, model.itm_head.bias.data = weight, bias
        return torch.stack([others, matches], dim=1).numpy()

    def count_tokens(self, text: str) -> int:
        return int(self.tokens([text], 10_000).input_ids.shape[1])


def build(pth: str, vocabulary: str, sizes: dict[str, Any]) -> None:
    """Let LAVIS's makers make models of these sizes, with nothing from the network."""

    def tokenizer(*_: Any, **__: Any) -> Any:
        return BERT(vocabulary, do_lower_case=True)

    config = blip2.BertConfig(
        vocab_size=sizes["vocabulary"],
        hidden_size=sizes["width"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["mlp"],
        max_position_embeddings=sizes["positions"],
        layer_norm_eps=sizes["epsilon"],
    )
    BERT = transformers.BertTokenizer
    blip2.BertTokenizer = type("Local", (), {"from_pretrained": staticmethod(tokenizer)})
    blip2.BertConfig = type("Config", (), {"from_pretrained": staticmethod(lambda *_: config)})
    maker = blip2.BertLMHeadModel
    blip2.BertLMHeadModel = type("Maker", (), {"from_pretrained": staticmethod(lambda *_, config: maker(config))})
    blip2.create_clip_vit_L = lambda size, *_: clip_vit.VisionTransformer(
        size, sizes["patch"], sizes["vit_width"], sizes["vit_layers"] + 1, sizes["vit_heads"], False
    )
    blip2.create_eva_vit_g = lambda size, *_: eva_vit.VisionTransformer(
        img_size=size,
        patch_size=sizes["patch"],
        use_mean_pooling=False,
        embed_dim=sizes["vit_width"],
        depth=sizes["vit_layers"],
        num_heads=sizes["vit_heads"],
        mlp_ratio=(sizes["vit_mlp"] + 0.5) / sizes["vit_width"],
        qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=sizes["vit_epsilon"]),
    )


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever LAVIS prints
    lavis: Any = None
    while (request := read(sys.stdin.buffer)) is not None:
        asked, arrays = request
        try:
            if asked["do"] == "open":
                lavis = Lavis(asked["pth"], asked["vocabulary"], asked["sizes"])
                write(answers, {"missing": lavis.missing})
            elif asked["do"] == "preprocess":
                write(answers, {}, found=lavis.preprocess(arrays))
            elif asked["do"] == "count_tokens":
                write(answers, {"found": lavis.count_tokens(asked["text"])})
            else:
                given = [asked["texts"]] if "texts" in asked else []
                given += [arrays["batch"]] if "batch" in arrays else []
                given += [asked["most"]] if "most" in asked else []
                write(answers, {}, found=np.asarray(getattr(lavis, asked["do"])(*given)))
        except Exception:  # noqa: BLE001 - the other side raises it
            write(answers, {"error": traceback.format_exc()})


if __name__ == "__main__":
    main()
