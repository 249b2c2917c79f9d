"""CIE L*a*b* by its definition."""

from __future__ import annotations

import numpy as np


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* under D50 (Bradford), as the CIE writes it."""
    light = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
    )
    ratio = light @ to_xyz.T / np.array([0.9642, 1.0, 0.8249])
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
