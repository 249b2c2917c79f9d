"""Decides what two registered images are: the thresholds and the measurements behind them."""

from __future__ import annotations

from dataclasses import dataclass

from imgsearch.dedup.pixels.block_comparison import BlockAgreement
from imgsearch.dedup.pixels.registration.differing import Differing

LEAST_AGREEMENT = 0.6
"""Share of the blocks with any content that must agree in a near copy."""

LEAST_BLOCKS = 12
LEAST_OVERLAP = 0.3
"""Share of either image that the other must show."""

UNCUT = 0.9
"""The share of both that must be shown for `LEAST_AGREEMENT`. Crops leave a choice of places, so more must agree:
98 crops of photographs and drawn scenes agree in 1.0, parts of scenes before one kind of sky in 0.6."""

_CUT_AGREEMENT = 0.8
WHOLLY = 0.95
WHOLLY_ONCE_SHARP = 0.9
"""The same if the sharper of two was smoothed: 0.94 after strong sharpening; look-alikes are equally sharp."""

_UNTOUCHED = 0.08
"""`BlockAgreement.left`: if less than `WHOLLY` agrees, something was put over the image, and a third of the blocks were
left alone: 0.07 and less of 40 overlays, 0.09 to 0.23 of pages of text in one layout, of whose blocks 66 to 83 %
agree."""

_BARRED, _KEPT_UNDER_BAR, _ALL_LEFT_ALONE = 0.55, 0.75, 0.02
"""`LEAST_AGREEMENT`, `BlockAgreement.kept` and `BlockAgreement.left` of an image with little in it beside a bar of
words."""

_SIDED = 100.0
"""`BlockAgreement.sided` for something put over an image: 230 and more of 100 watermarks; 5 and less of pages of text
in one layout, 20 and less of most things exchanged."""

_OVERLAID = 0.4
"""`LEAST_AGREEMENT` in that case: watermarks over whole images leave 0.5."""

_WHOLLY_SIDED = 5000.0
_KEPT = 0.5
"""`BlockAgreement.kept` of an image with little in it, where hardly any block shows anything but the watermark: 0.54
and more if the rest is over `_WHOLLY_SIDED`; 0.13 of images that are so by chance."""

_BANDED = 0.06
"""`BlockAgreement.directions` of parts that fit any image with a horizon: 0.02 to 0.04 of parts of two skies and of
frames of one belt; 98 crops have 0.25 and more, 42 rotations 0.1."""


_LINED = 0.02
"""The same for an apparent overlay: 0.005 of lines of text on the lines of a form."""

_APART = 0.1
_PLAIN = 2.0  # `Differing.ground`: drawn scenes and belts have 0.2 to 1.8, photographs 2.4 and more
_VERY_PLAIN = 1.5
_ALONE = 8.0  # `Differing.beside`: beyond it the outlines are those of detail, not of things
_LAID_OVER = 300.0
_EXCHANGED = 0.1
_LEAST_OUTLINE = 1000.0  # a border leaves 500, things exchanged 1,700 and more
_STICKS_OUT = 0.004  # of all contrast: a bar or a sticker leaves nothing of the covered part
_MOSTLY_OUT = 0.55  # a sticker's outline is 0.62 and more of all
_OUTLINED_MOST = 0.66
_COLOURED = 3.0
_LEAST_PAINT = 0.008
_MOST_PAINT = 0.15  # of the area: things repainted have 0.10 at most
_LEAST_HUE = 0.005
_OUTLINED = 0.45  # both show 0.26 and less of a sticker's or a bar's outline
_AROUND = 2.0
_HUE_PAINT = 24.0
_PAINT = 41.0
_AROUND_PAINT = 2.5


@dataclass(frozen=True, slots=True)
class Seen:
    """Two registered images; ``whole``: both are shown nearly wholly."""

    blocks: BlockAgreement
    whole: bool


def alike(found: BlockAgreement, whole: bool, surely: float = WHOLLY) -> tuple[str, float]:
    """("near", "moved" or "other", how sure 0..1) by the share of agreeing blocks; ``surely``: a sufficient share."""
    if whole and found.sided > _WHOLLY_SIDED and found.kept >= _KEPT and found.share < _OVERLAID:
        return "near", sureness(found.kept, _KEPT)
    overlaid = whole and found.sided > _SIDED
    barred = whole and found.kept >= _KEPT_UNDER_BAR and found.left <= _ALL_LEFT_ALONE
    least = _OVERLAID if overlaid else _BARRED if barred else LEAST_AGREEMENT if whole else _CUT_AGREEMENT
    score = sureness(found.share, least)
    wholly = whole and found.share >= surely
    if found.share >= least and (wholly or overlaid or found.left <= _UNTOUCHED):
        if found.both_ways and not overlaid:
            return "moved", score
        if found.directions >= (0.0 if wholly else _LINED if overlaid else _BANDED):
            return "near", score
    return "other", min(score, 0.49)


def decide(seen: Seen, differing: Differing, score: float) -> tuple[str, float]:
    """The same once it is known to which image the differing things belong."""
    if _moved(seen.blocks, differing) or _exchanged(seen.blocks, differing) or _repainted(differing):
        return "moved", score
    return "near", score


def _moved(blocks: BlockAgreement, found: Differing) -> bool:
    """Things that only one image shows stand where the other shows the plain ground: 0.12 and more of belt frames and
    of things elsewhere; of things put over an image before a plain ground (`BlockAgreement.sided` over `_LAID_OVER`)
    0.39 at most, of the others 0.07 but for two of 400. Over detail an outline is not whole, so nothing follows."""
    plain = found.ground < _PLAIN and found.beside < _ALONE
    return plain and found.apart > _APART and blocks.sided < _LAID_OVER


def _exchanged(blocks: BlockAgreement, found: Differing) -> bool:
    """Another thing in one place before a plain ground: neither image's thing covers the other's."""
    whole = found.first + found.second + found.both + 1
    return (
        whole > _LEAST_OUTLINE
        and found.ground < _VERY_PLAIN
        and found.beside < _ALONE
        and found.exchanged > _EXCHANGED
        and found.apart > _STICKS_OUT
        and max(found.first_out, found.second_out) < _MOSTLY_OUT * whole
        and found.outlined < _OUTLINED_MOST
        and blocks.sided < _LAID_OVER / 2
    )


def _repainted(found: Differing) -> bool:
    """One thing in another hue, or in quite another colour, while everything else kept its colours, and its outline is
    the same in both. Curves, saturation, 32 colours and toning leave a rest of 40 at most, repainted things 25 to
    78."""
    outlined = (
        found.saturation > _COLOURED and _LEAST_PAINT < found.repainted < _MOST_PAINT and found.outlined > _OUTLINED
    )
    turned = found.hue > _LEAST_HUE and found.around > _AROUND and found.paint > _HUE_PAINT
    return outlined and (turned or (found.paint > _PAINT and found.around > _AROUND_PAINT))


def sureness(share: float, least: float) -> float:
    """0.5 at ``least``, 1 at 1."""
    return 1 / (1 + ((1 - share) / (1 - least)) ** 3)
