from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imgsearch.media.preprocess import resize_to_model


def test_a_picture_is_squashed_not_cropped():
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, :20] = (255, 0, 0)
    array = resize_to_model(Image.fromarray(wide), 8)
    assert array.shape == (8, 8, 3) and array.dtype == np.uint8
    assert (array[:, 0] == (255, 0, 0)).all() and (array[:, -1] == 0).all()


def test_shrinking_averages_over_all_pixels():
    board = np.indices((64, 64)).sum(0) % 2 * 255
    array = resize_to_model(Image.fromarray(np.repeat(board[..., None], 3, -1).astype(np.uint8)), 4)
    assert np.abs(array.astype(int) - 127).max() <= 2  # without antialias it would be 0 or 255


def test_other_modes_become_rgb_and_the_array_is_our_own():
    grey = Image.new("L", (5, 5), 77)
    array = resize_to_model(grey, 5)
    array[:] = 0
    assert grey.getpixel((0, 0)) == 77 and resize_to_model(grey, 5).tolist() == [[[77] * 3] * 5] * 5


def test_a_size_of_nothing_is_refused():
    with pytest.raises(ValueError, match="size is 0"):
        resize_to_model(Image.new("RGB", (2, 2)), 0)
