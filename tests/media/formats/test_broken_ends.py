"""JPEGs that lack their last bytes: shown where viewers show the picture, refused where a part of it is missing."""

import numpy as np
import pytest
from odd_files import encode, photo
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes

PHOTO = photo(960, 640)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 8}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_without_its_last_bytes_is_read(options: dict[str, bool], mode: str) -> None:
    data = encode(PHOTO.convert(mode), "JPEG", quality=90, **options)
    wanted = decode_bytes(data, 64).pixels.astype(int)
    for cut in (1, 2, 5, 40, 200):
        assert np.abs(decode_bytes(data[:-cut], 64).pixels - wanted).mean() <= 1, cut
        assert np.abs(decode_bytes(data[:-cut], 64).pixels[:60] - wanted[:60]).max() <= 4, cut


def test_a_jpeg_whose_height_follows_its_data_is_read() -> None:
    data = encode(PHOTO, "JPEG", quality=90)
    at = data.index(b"\xff\xc0") + 5
    assert data[at : at + 2] == (640).to_bytes(2, "big")
    bare = data[:at] + b"\0\0" + data[at + 2 : -2]
    late = bare + b"\xff\xdc\0\4" + (640).to_bytes(2, "big") + b"\xff\xd9"
    found = decode_bytes(late, 64)
    assert (found.facts.width, found.facts.height) == (960, 640)
    assert (found.pixels == decode_bytes(data, 64).pixels).all()
    with pytest.raises(MediaError, match="gives no height"):
        decode_bytes(bare + b"\xff\xd9", 64)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.85, 0.95])
def test_a_jpeg_that_lacks_more_is_refused(options: dict[str, bool], share: float) -> None:
    data = encode(PHOTO, "JPEG", quality=90, **options)
    if options and share > 0.9:
        return  # whole but for a tenth of the last bit of its samples
    with pytest.raises(MediaError):
        decode_bytes(data[: int(share * len(data))], 64)


def test_a_flat_grey_picture_without_an_end_is_not_taken_for_whole() -> None:
    data = encode(Image.new("L", (64, 64), 128), "JPEG")
    with pytest.raises(MediaError, match="cut off"):
        decode_bytes(data[:-2], 8)
