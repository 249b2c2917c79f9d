import io

import numpy as np
import pytest

from imgsearch.media.decode import DecodedImage
from imgsearch.media.decode_pool.frames import dump, read_frame, write_frame
from imgsearch.media.decode_pool.outcomes import pack_outcome, unpack_outcome
from imgsearch.records import SIGNATURE_BYTES, MediaFacts


@pytest.mark.parametrize("signature", [b"", bytes(range(256)) * 6])
def test_picture_travels_with_its_signature(signature) -> None:
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    sent = DecodedImage(pixels, MediaFacts("ab" * 32, 2**63 + 1, 640, 480, "JPEG", 1000), 77, signature)
    stream = io.BytesIO()
    head, body = pack_outcome(sent)
    write_frame(stream, dump(head), body)
    stream.seek(0)
    message = read_frame(stream)
    assert message is not None
    found = unpack_outcome(*message, 8)
    assert isinstance(found, DecodedImage)
    assert (found.facts, found.mtime_ns, found.signature) == (sent.facts, 77, signature)
    assert np.array_equal(found.pixels, pixels)


def test_picture_with_half_a_signature_makes_no_sense() -> None:
    head = {"facts": {}, "mtime_ns": 0}
    with pytest.raises(ValueError, match=f"100 bytes of signature, expected {SIGNATURE_BYTES}"):
        unpack_outcome(head, bytes(8 * 8 * 3 + 100), 8)
