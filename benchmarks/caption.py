"""Captions a second, beside the loop that the tutorials show: one picture at a time, 5 beams, transformers' generate.

    python benchmarks/caption.py [--generator mini | --tiny] [--pictures 64] [--beams 5] [--quick]

Both ways have the same weights, settings and prompt, on the same threads, turn by turn; the best of some rounds counts,
and the program ends with 1 unless all texts are equal. ``--tiny`` takes the small OPT of tests/golden/generation, whose
layers are so thin that calling them is most of the cost; without a name it is also what is taken while no generator
ships. On a GPU the loop reads few pictures, since it is slow there.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from results import add_flags, markdown_table, write_section, writes

from imgsearch.errors import ModelUnavailable
from imgsearch.generation import load_generator
from imgsearch.media.preprocess import PIXEL_MEAN, PIXEL_STD
from imgsearch.settings import available_cores

_GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "generation"
_TOO_SLOW_ON_GPU = 16


def tutorial_loop(generator: Any, images: list[Image.Image], prompt: str, beams: int, longest: int) -> list[str]:
    """As the model cards of BLIP-2 have it, with its end of a text and its placeholders set right."""
    import torch  # after load_generator, which sets how OpenMP waits
    from transformers import BlipImageProcessor

    network, tokenizer = generator.network, generator.tokenizer
    side = {"height": generator.image_size, "width": generator.image_size}
    processor = BlipImageProcessor(size=side, image_mean=list(PIXEL_MEAN), image_std=list(PIXEL_STD))
    ids = [network.config.image_token_index] * generator.query_tokens + tokenizer.encode(prompt)
    begun = 1 if network.config.is_encoder_decoder else len(ids)
    texts = []
    for image in images:
        pixels = processor(images=image.convert("RGB"), return_tensors="pt")["pixel_values"]
        found = network.generate(
            pixel_values=pixels.to(generator.device, network.vision_model.dtype),
            input_ids=torch.tensor([ids], device=generator.device),
            num_beams=beams,
            max_new_tokens=longest,
            eos_token_id=list(tokenizer.marks.end),
            pad_token_id=tokenizer.marks.pad,
        )
        row = found[0, begun:].tolist()
        end = next((place for place, number in enumerate(row) if number in tokenizer.marks.end), len(row))
        texts.append(tokenizer.decode(row[:end]))
    return texts


def best(work: Callable[[], list[str]], rounds: int) -> tuple[float, float, list[str]]:
    """(seconds, processor seconds, texts) of the quickest round after one that warms up."""
    texts = work()
    times = []
    for _ in range(rounds):
        start, used = time.perf_counter(), time.process_time()
        texts = work()
        times.append((time.perf_counter() - start, time.process_time() - used))
    return (*min(times), texts)


def pictures(count: int, tiny: bool) -> list[Image.Image]:
    """The golden pictures over and over, or drawn scenes."""
    if tiny:
        files = sorted((_GOLDEN / "images").glob("*.png"))
        return [Image.open(files[number % len(files)]).convert("RGB") for number in range(count)]
    from imgsearch.scenes.draw import draw_scene
    from imgsearch.scenes.graph import Domain, sample_scene

    rng = random.Random(77)
    return [draw_scene(sample_scene(rng, Domain()))[0] for _ in range(count)]


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="mini", help="as load_generator takes it")
    parser.add_argument("--tiny", action="store_true", help="the small OPT of the tests")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--new", type=int, default=30, help="new tokens at most")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    add_flags(parser)
    return parser


def main() -> int:
    given = _arguments().parse_args()
    if given.quick:
        given.pictures, given.rounds = 8, 1
    try:
        if given.tiny:
            raise ModelUnavailable("", "")
        generator = load_generator(given.generator, device=given.device, dtype=given.dtype)
    except ModelUnavailable:
        if not given.tiny and given.generator != "mini":
            raise
        given.tiny = True
        path = _GOLDEN / "blip2_caption_opt_tiny.pth"
        generator = load_generator(path, language_model=_GOLDEN / "opt", device=given.device, dtype=given.dtype)
    images = pictures(given.pictures, given.tiny)
    looped = images[:_TOO_SLOW_ON_GPU] if generator.device.startswith("cuda") else images
    loop = best(lambda: tutorial_loop(generator, looped, given.prompt, given.beams, given.new), given.rounds)
    lengths = {"num_beams": given.beams, "max_new_tokens": given.new, "min_new_tokens": 0}
    ours = best(lambda: [one.text for one in generator.caption(images, given.prompt, **lengths)], given.rounds)
    same = sum(one == other for one, other in zip(loop[2], ours[2], strict=False))
    rates = [len(looped) / loop[0], len(images) / ours[0]]
    rows = [
        ["the tutorials' loop", rates[0], loop[1] / len(looped) * 1e3, 1.0],
        ["imgsearch", rates[1], ours[1] / len(images) * 1e3, rates[1] / rates[0]],
    ]
    table = markdown_table(["way", "images/s", "processor ms an image", "times the loop"], rows)
    name = "the tests' tiny OPT" if given.tiny else given.generator
    about = (
        f"{name}, {given.pictures} pictures, {given.beams} beams, at most {given.new} new tokens, {generator.dtype}, "
        f"{available_cores()} cores; {same} of {len(looped)} texts equal."
    )
    print("\n".join([about, "", *table]))
    if writes(given):
        write_section("Captions", [about, "", *table], device=generator.device)
    return 0 if same == len(looped) else 1


if __name__ == "__main__":
    raise SystemExit(main())
