"""The shapes of the shifted world's things, which no model here was trained on, as `imgsearch.scenes.shapes` has them."""

from __future__ import annotations

from math import cos, pi, sin

from imgsearch.scenes.shapes import Primitive


def _gear(teeth: int) -> tuple[float, ...]:
    numbers: list[float] = []
    for tooth in range(teeth):
        for step, radius in ((0.0, 1.0), (0.3, 1.0), (0.45, 0.7), (0.85, 0.7)):
            angle = 2 * pi * (tooth + step) / teeth
            numbers += [radius * cos(angle), radius * sin(angle)]
    return tuple(numbers)


SHIFTED_SHAPES: dict[str, list[Primitive]] = {
    "wug": [  # a cog
        ("poly", "fill", _gear(8)),
        ("oval", "ink", (-0.34, -0.34, 0.34, 0.34)),
    ],
    "dax": [  # a bolt of lightning
        ("poly", "fill", (0.25, -1.0, -0.65, 0.15, -0.1, 0.15, -0.35, 1.0, 0.65, -0.3, 0.08, -0.3, 0.6, -1.0)),
    ],
    "fep": [  # a cross
        (
            "poly",
            "fill",
            (
                *(-0.32, -1.0, 0.32, -1.0, 0.32, -0.32, 1.0, -0.32, 1.0, 0.32, 0.32, 0.32),
                *(0.32, 1.0, -0.32, 1.0, -0.32, 0.32, -1.0, 0.32, -1.0, -0.32, -0.32, -0.32),
            ),
        ),
        ("oval", "paper", (-0.2, -0.2, 0.2, 0.2)),
    ],
    "zup": [  # an hourglass
        ("poly", "fill", (-0.7, -0.85, 0.7, -0.85, 0.08, 0.0, 0.7, 0.85, -0.7, 0.85, -0.08, 0.0)),
        ("poly", "ink", (-0.85, -1.0, 0.85, -1.0, 0.85, -0.8, -0.85, -0.8)),
        ("poly", "ink", (-0.85, 0.8, 0.85, 0.8, 0.85, 1.0, -0.85, 1.0)),
    ],
    "tiv": [  # a ring with a stone
        ("oval", "fill", (-0.8, -0.6, 0.8, 1.0)),
        ("oval", "hole", (-0.45, -0.25, 0.45, 0.65)),
        ("poly", "paper", (-0.35, -0.75, 0.0, -1.0, 0.35, -0.75, 0.0, -0.4)),
    ],
    "gorp": [  # an arrow with feathers
        ("poly", "fill", (1.0, 0.0, 0.2, -0.75, 0.2, -0.25, -0.6, -0.25, -0.6, 0.25, 0.2, 0.25, 0.2, 0.75)),
        ("line", "ink", (0.14, -1.0, -0.5, -0.55, 0.0, -1.0, 0.5)),
    ],
}
