"""A model's answers as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_numpy(tensor: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """A model's answer as NumPy, whatever device and dtype it is in: bfloat16, which NumPy lacks, as
    float32."""
    return tensor if isinstance(tensor, np.ndarray) else np.asarray(tensor.float().cpu())
