"""The ViT's features of a source's images, computed once and kept on disk as float16 while there is room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imgsearch.errors import StorageFull
from imgsearch.files import drafted
from imgsearch.training.forms import RetrievalForm
from imgsearch.training.pairs import PairSource

_AT_ONCE = 128


class FeatureTable:
    """Features by row. The first rows, ``kept`` [rows, N, W], lie in a file that is mapped, not read; images of later
    rows are encoded again each time. float16 moves an ITM logit by about 1e-3."""

    def __init__(self, form: RetrievalForm, source: PairSource, kept: NDArray[np.float16]) -> None:
        self._form, self._source, self._kept = form, source, kept

    def __len__(self) -> int:
        return self._source.count

    def of(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """float32 [B, N, W] on the network's device."""
        device, stored = self._form.device, len(self._kept)
        if not len(rows) or rows.max() < stored:
            return torch.from_numpy(self._kept[rows].astype(np.float32)).to(device)
        inside = rows < stored
        found = torch.empty((len(rows), *self._form.features_shape), device=device)
        found[torch.from_numpy(inside)] = torch.from_numpy(self._kept[rows[inside]].astype(np.float32)).to(device)
        found[torch.from_numpy(~inside)] = encode_rows(self._form, self._source, rows[~inside]).half().float()
        return found


@torch.no_grad()
def encode_rows(form: RetrievalForm, source: PairSource, rows: NDArray[np.int64]) -> torch.Tensor:
    """The ViT's features [B, N, W] of a source's images, on the network's device."""
    return form.encode(torch.from_numpy(source.pixels(rows)).to(form.device)).float()


def keep_features(
    form: RetrievalForm,
    source: PairSource,
    path: Path,
    log: Callable[[str], None],
    *,
    budget_bytes: int | None = None,
) -> FeatureTable:
    """The features in ``path``, computed if they are not there; the file appears when it is whole. ``budget_bytes``:
    the size that it may have; images for which it has no room are encoded again at every step. Raises StorageFull."""
    if not path.exists():
        positions, width = form.features_shape
        count = source.count
        if budget_bytes is not None:
            count = min(count, budget_bytes // (2 * positions * width))
        log(f"computing ViT features of {count} pictures")
        form.module.eval()
        try:
            with drafted(path) as draft:
                table = np.lib.format.open_memmap(draft, "w+", np.float16, (max(1, count), positions, width))
                for start in range(0, count, _AT_ONCE):
                    rows = np.arange(start, min(start + _AT_ONCE, count))
                    table[rows] = encode_rows(form, source, rows).cpu().numpy()
                table.flush()
        except OSError as exc:
            raise StorageFull(f"{path} cannot be written: {exc.strerror}", "free space, or lower the budget") from exc
    kept = np.load(path, mmap_mode="r")
    return FeatureTable(form, source, kept)
