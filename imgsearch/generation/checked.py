"""Captions checked by a matching head: several are drawn, and the one that two readers of the image agree on is kept.

A generator writes fluent things that are not in the image. A retrieval model's matching head (ITM) reads text and image
together and tells how well they fit; the generator's own probability of a text is the other reading. Importing this
loads no torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.generation.claims import AGREEMENT, Consensus
from imgsearch.generation.contract import Caption, Captions, Generator
from imgsearch.generation.pixels import upright_pixels
from imgsearch.model.arrays import as_numpy
from imgsearch.model.contract import Array
from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.records import Float32, UInt8
from imgsearch.storage.caches.features import QuantisedFeatures

METHODS = ("beams", "greedy", "nucleus")
SURE = 0.5
"""Without a judge, a caption counts as true from this probability on: ITM then prefers "matches" to "does not
match"."""

ITM_WEIGHT = 0.5
"""What a logit of ITM counts beside a nat of the generator's log-probability. On 400 drawn scenes the kept text was all
true in 79 % by ITM alone, 81 % by the generator alone, and 83 % from 0.15 to 0.5."""

RULE = 2
"""How the kept text is chosen. Raise it where another one is kept then: `caption --all` makes captions anew."""

_CARRIER = re.compile(r"an? (?:photo|picture|photograph|image|drawing) of", re.IGNORECASE)
"""Prompts that say nothing about the image."""


@dataclass(frozen=True, slots=True)
class CaptionSettings:
    """How captions are made. ``method`` is "beams", "greedy" or "nucleus" (``top_p``, ``temperature``). The fields up
    to ``check`` are those of `Generator.caption`. With ``check`` the candidates are the ``beams_kept`` best beams (or
    the greedy caption, or none) and ``draws`` by nucleus sampling from the image's own seed. Without it the method's
    own caption is kept, unchecked. ``threshold``: the probability from which on a caption is sure; None leaves it to
    the judge (or to `SURE`). ``agreement``: the share of the candidates that has to agree on what is said; 0 shortens
    no text."""

    prompt: str = ""
    method: str = "beams"
    num_beams: int = 5
    max_new_tokens: int = 30
    min_new_tokens: int = 1
    length_penalty: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat: int = 0
    top_p: float = 0.9
    temperature: float = 1.0
    seed: int = 0
    check: bool = True
    beams_kept: int = 5
    draws: int = 6
    threshold: float | None = None
    agreement: float = AGREEMENT

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str):
            raise UsageError(f"the prompt is {self.prompt!r:.60}, expected a text", 'for example "a photo of"')
        object.__setattr__(self, "prompt", self.prompt.rstrip())  # after a space OPT cannot begin a word
        if self.method not in METHODS:
            raise UsageError(
                f"the method is {self.method!r}, expected one of {', '.join(METHODS)}", "for example beams"
            )
        for name, least in (("beams_kept", 1), ("draws", 0)):
            if not least <= getattr(self, name) <= 64:
                raise UsageError(f"{name} is {getattr(self, name)}, expected {least} to 64", f"for example {name}=4")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UsageError(f"the threshold is {self.threshold}, expected a probability", "for example 0.5")
        if not 0 <= self.agreement <= 1:
            raise UsageError(f"the agreement is {self.agreement}, expected a share", f"for example {AGREEMENT}")

    def as_json(self, matcher: str = "") -> str:
        """Everything but the prompt, names sorted; if checked also the `RULE`, and the fingerprint of what chose."""
        said = {name: value for name, value in asdict(self).items() if name != "prompt"}
        return json.dumps({**said, **({"rule": RULE, "matcher": matcher} if self.check else {})}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class ProposedText:
    """A text that the generator proposes, with the sum of its ids' natural log-probabilities, the end's included."""

    text: str
    likelihood: float


@dataclass(frozen=True, slots=True)
class ScoredText:
    """One candidate. ``probability`` that it fits the image, None if nothing was checked."""

    text: str
    probability: float | None


@dataclass(frozen=True, slots=True)
class CheckedCaption:
    """What is said about an image. One that is not ``sure`` must be shown as doubtful, and no search may use it.
    Unchecked captions have no ``probability`` and count as sure. ``candidates`` are all that were considered, the kept
    one first, which may be a shortened one."""

    text: str
    probability: float | None
    sure: bool
    candidates: tuple[ScoredText, ...] = ()


class CaptionMatcher(Protocol):
    """What is used of a retrieval model; see `imgsearch.model.contract`."""

    @property
    def image_size(self) -> int: ...

    @property
    def profile(self) -> RuntimeProfile: ...

    def preprocess_arrays(self, arrays: UInt8) -> Array: ...

    def encode_images(self, pixels: Array) -> Array: ...

    def match_both(self, texts: Sequence[str], features: Array) -> Array: ...


Judge = Callable[[str, float, Float32], bool]
"""Whether a text is sure, from its margin (ITM's logit of "matches" minus that of "does not match") and the image's
features float32 [N, W]."""


def checked_captions(
    generator: Generator,
    matcher: CaptionMatcher | None,
    images: Sequence[Image.Image],
    settings: CaptionSettings | None = None,
    *,
    seeds: Sequence[int] | None = None,
    features: Sequence[Float32] | None = None,
    judge: Judge | None = None,
) -> list[CheckedCaption]:
    """Describe B images -> B captions, in order.

    Each depends only on its image, its seed and the settings, not on the other images. ``seeds``: one an image (see
    `image_seed`), by default from the pixels and ``settings.seed``. ``features``: float32 [N, W] of each image from
    ``matcher``, if they are already known. Without a ``matcher`` nothing is checked. Raises what `Generator.caption`
    raises. Cost: the generator's beams and draws, B encoded images, and about five matched pairs an image.
    """
    wanted = settings or CaptionSettings()
    upright = list(images)
    if not upright:
        return []
    own = [image_seed(content_of_image(image), wanted.seed) for image in upright] if seeds is None else list(seeds)
    if matcher is None or not wanted.check:
        written = _write(generator, upright, wanted, own, wanted.method, 1)
        return [_unchecked(said_of(wanted.prompt, each.text)) for each in written]
    candidates = draw_candidates(generator, upright, wanted, own)
    known = features_of_images(matcher, upright) if features is None else features
    return [_best(matcher, texts, feature, wanted, judge) for texts, feature in zip(candidates, known, strict=True)]


def draw_candidates(
    generator: Generator, images: Sequence[Image.Image], settings: CaptionSettings, seeds: Sequence[int]
) -> list[list[ProposedText]]:
    """Different texts for each image, the beams first: at least one, which may be ""."""
    parts: list[list[Captions]] = []
    if settings.method != "nucleus":
        kept = min(settings.beams_kept, settings.num_beams) if settings.method == "beams" else 1
        parts.append(_write(generator, images, settings, seeds, settings.method, kept))
    draws = max(settings.draws, 0 if parts else 1)
    if draws:
        parts.append(_write(generator, images, settings, seeds, "nucleus", draws))
    found = []
    for of_image in zip(*parts, strict=True):
        likelihoods: dict[str, float] = {}
        for caption in (caption for part in of_image for caption in part):
            text, likelihood = said_of(settings.prompt, caption.text), _likelihood(caption, settings)
            likelihoods[text] = max(likelihood, likelihoods.get(text, likelihood))
        texts = [ProposedText(text, likelihood) for text, likelihood in likelihoods.items() if text]
        found.append(texts or [ProposedText("", 0.0)])
    return found


def _likelihood(caption: Caption, settings: CaptionSettings) -> float:
    """The sum that a score was made of: see `imgsearch.generation.contract.Caption`."""
    length = min(len(caption.token_ids) + 1, settings.max_new_tokens)
    return float(caption.score * length**settings.length_penalty)


def features_of_images(matcher: CaptionMatcher, images: Sequence[Image.Image]) -> list[Float32]:
    """ViT features float32 [N, W] of each image, after the round trip through int8 that a search's features take.
    Images are encoded one at a time, so that other images change nothing."""
    found = []
    for image in images:
        pixels = upright_pixels(image, matcher.image_size)[None]
        (feature,) = as_numpy(matcher.encode_images(matcher.preprocess_arrays(pixels)))
        found.append(QuantisedFeatures.of(feature).restored())
    return found


def match_margins(matcher: CaptionMatcher, texts: Sequence[str], features: Float32) -> list[float]:
    """ITM's logit of "matches" minus the other one, for each text with the one image [N, W]."""
    repeated = np.broadcast_to(features, (len(texts), *features.shape))
    both = as_numpy(matcher.match_both(list(texts), np.ascontiguousarray(repeated))).astype(np.float64)
    return [float(margin) for margin in both[:, 1] - both[:, 0]]


def probability_of(margin: float) -> float:
    """The softmax of both logits, from their difference."""
    return float(1.0 / (1.0 + np.exp(-np.clip(margin, -500, 500))))


def image_seed(content: str, seed: int) -> int:
    """An image's own seed, 0 to 2 ** 62. ``content`` identifies the image, for example by the sha256 of its file."""
    digest = hashlib.sha256(f"{seed}\0{content}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 2


def said_of(prompt: str, text: str) -> str:
    """The whole statement: a prompt that says something about the image ("two dogs on") is part of it."""
    begun = " ".join(_CARRIER.sub("", prompt, count=1).split()) if _CARRIER.match(prompt) else " ".join(prompt.split())
    return f"{begun} {text}".strip() if text else ""


def _write(
    generator: Generator,
    images: Sequence[Image.Image],
    settings: CaptionSettings,
    seeds: Sequence[int],
    method: str,
    count: int,
) -> list[Captions]:
    sample = method == "nucleus"
    return generator.caption(
        images,
        settings.prompt,
        num_beams=settings.num_beams if method == "beams" else 1,
        max_new_tokens=settings.max_new_tokens,
        min_new_tokens=settings.min_new_tokens,
        length_penalty=settings.length_penalty,
        repetition_penalty=settings.repetition_penalty,
        do_sample=sample,
        top_p=settings.top_p,
        temperature=settings.temperature,
        num_captions=count,
        seed=list(seeds) if sample else None,
        no_repeat=settings.no_repeat,
    )


def _unchecked(text: str) -> CheckedCaption:
    return CheckedCaption(text, None, bool(text), (ScoredText(text, None),))


def _best(
    matcher: CaptionMatcher,
    candidates: Sequence[ProposedText],
    features: Float32,
    settings: CaptionSettings,
    judge: Judge | None,
) -> CheckedCaption:
    """The text that ITM and the generator together believe most, without what other candidates contradict."""
    if (texts := [each.text for each in candidates]) == [""]:
        return CheckedCaption("", 0.0, False, (ScoredText("", 0.0),))
    margins = match_margins(matcher, texts, features)
    belief = [ITM_WEIGHT * margin + each.likelihood for margin, each in zip(margins, candidates, strict=True)]
    # What ITM takes for no match comes last, however likely the generator found it; the sort is stable.
    order = sorted(range(len(texts)), key=lambda place: (margins[place] < 0, -belief[place]))
    ordered = [(texts[place], margins[place]) for place in order]
    weights = np.exp(np.array(belief) - max(belief)).tolist()
    short = Consensus.of(texts, weights).agreed(ordered[0][0], settings.agreement)
    if short and short != ordered[0][0]:
        (own,) = match_margins(matcher, [short], features)
        # A part is as likely as the whole at least, although ITM, which was taught whole captions, may doubt it.
        ordered = [(short, max(own, ordered[0][1])), *(each for each in ordered if each[0] != short)]
    text, margin = ordered[0]
    probability = probability_of(margin)
    if settings.threshold is None and judge is not None:
        sure = judge(text, margin, features)
    else:
        sure = probability >= (SURE if settings.threshold is None else settings.threshold)
    scored = tuple(ScoredText(each, probability_of(own)) for each, own in ordered)
    return CheckedCaption(text, probability, sure, scored)


def content_of_image(image: Image.Image) -> str:
    """A name for the pixels as the matching head sees them, 64 pixels a side."""
    return hashlib.sha256(upright_pixels(image, 64).tobytes()).hexdigest()
