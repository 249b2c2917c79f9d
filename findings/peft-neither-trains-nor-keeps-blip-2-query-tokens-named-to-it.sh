#!/usr/bin/env bash
# PEFT takes `modules_to_save=["query_tokens"]` for a BLIP-2 without a word, and then neither trains nor saves the query tokens.
#
# The query tokens of BLIP-2 are a parameter of the model itself and no module, and PEFT looks for modules alone; a name that it finds
# nowhere is no error as long as another one fits. Named beside the projections it trains these. The other doors: as a `target_modules`
# entry the name is passed over too, as `target_parameters` it is refused because the parameter stands at the top of the model. Made
# trainable by hand the tokens do learn, and `save_pretrained` leaves them out, so that the adapter that is loaded again is not
# the model that was measured. Whoever follows the usual recipe for BLIP-2 tunes less than the configuration says.
# Here imgsearch/tuning/lora.py trains the query tokens by itself, what is trained is shown as a table with counts, and the whole
# checkpoint is written; tests/tuning/test_run.py holds it.
# Sources: peft 0.21.2, transformers 5.23.0, torch 2.13.0, as on PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    torch==2.13.0 transformers==5.23.0 peft==0.21.2 numpy==2.4.6
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Blip2Config, Blip2ForImageTextRetrieval
from transformers.utils import logging

logging.set_verbosity_error()
print(*(f"{name} {version(name)}" for name in ("peft", "transformers", "torch")))
layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
config = Blip2Config(
    vision_config={**layers, "image_size": 28, "patch_size": 14},
    qformer_config={**layers, "encoder_hidden_size": 32, "vocab_size": 100, "use_qformer_text_input": True},
    num_query_tokens=4,
    image_text_hidden_size=16,
)


def fresh() -> Blip2ForImageTextRetrieval:
    torch.manual_seed(0)
    return Blip2ForImageTextRetrieval(config)


def trained(model: torch.nn.Module) -> list[str]:
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad and "lora" not in name]


named = ["query_tokens", "vision_projection"]
adapted = get_peft_model(fresh(), LoraConfig(target_modules=["query", "value"], modules_to_save=named))
beside = trained(adapted)
print("modules_to_save", named, "-> trained beside LoRA:", beside)
among_targets = get_peft_model(fresh(), LoraConfig(target_modules=["query", "value", "query_tokens"]))
print("target_modules with query_tokens -> trained beside LoRA:", trained(among_targets))
try:
    get_peft_model(fresh(), LoraConfig(target_modules=["query"], target_parameters=["query_tokens"]))
    refused = False
except ValueError as error:
    refused = True
    print("target_parameters:", error)
adapted.base_model.model.query_tokens.requires_grad_(True)
with torch.no_grad():
    adapted.base_model.model.query_tokens.fill_(7)  # as if they had learned
adapted.save_pretrained("adapter")
again = PeftModel.from_pretrained(fresh(), "adapter").base_model.model.query_tokens
print("trained by hand to 7, saved and loaded:", float(again.abs().max()))
as_found = (
    len(beside) == 2
    and all("vision_projection" in name for name in beside)
    and not trained(among_targets)
    and refused
    and float(again.abs().max()) < 7
)
sys.exit(0 if as_found else "this behaves in another way now")
PYTHON
echo "as found: query tokens named to PEFT stay as they were"
