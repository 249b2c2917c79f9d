#!/usr/bin/env bash
# transformers' T5 with more layers in its decoder than in its encoder loads, scores, and generates without a cache; with the cache,
# which is on unless told otherwise, generate raises "IndexError: list index out of range".
#
# The cache of a generation is made for as many layers as the configuration names as its number of layers, which for T5 is that
# of the encoder. The reverse, a shorter decoder, works, and so do all published Flan-T5; a distilled or hand-made language model of a
# BLIP-2 fails at its first caption, with a message that names neither the cache nor the layers. Here
# imgsearch/generation/blip2.py hands over an empty cache that grows by itself, and tests/generation/test_odd_checkpoints.py holds it.
# Sources: transformers 5.23.0, torch 2.13.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy==2.4.6
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from transformers import DynamicCache, EncoderDecoderCache, T5Config, T5ForConditionalGeneration

print("transformers", version("transformers"), "torch", version("torch"))
words = torch.tensor([[5, 6, 7, 1]])


def outcome(model: T5ForConditionalGeneration, **given: object) -> str:
    try:
        return str(model.generate(words, max_new_tokens=5, do_sample=False, **given)[0].tolist())
    except IndexError as error:
        return f"IndexError: {error}"


told = {}
for encoder, decoder in ((2, 2), (3, 2), (2, 3)):
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=64, d_model=16, d_kv=4, d_ff=32, num_heads=4, num_layers=encoder, num_decoder_layers=decoder,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config).eval()
    assert torch.isfinite(model(input_ids=words, labels=words).loss)  # it is a whole model
    grown = EncoderDecoderCache(DynamicCache(), DynamicCache())
    told[encoder, decoder] = found = (outcome(model, use_cache=False), outcome(model), outcome(model, past_key_values=grown))
    print(f"{encoder} layers in the encoder, {decoder} in the decoder: without a cache {found[0]}, by itself {found[1]}, with an empty cache {found[2]}")
same = all(len(set(told[sizes])) == 1 for sizes in ((2, 2), (3, 2)))
without, by_itself, handed = told[2, 3]
sys.exit(0 if same and by_itself == "IndexError: list index out of range" and handed == without else "this behaves in another way now")
PYTHON
echo "as found: a longer decoder fails with the cache that is made for it"
