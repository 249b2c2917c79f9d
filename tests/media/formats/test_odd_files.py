"""Whatever the bytes: a picture, or a MediaError with a reason; never anything else."""

import pytest
from odd_files import odd_files

from imgsearch.errors import MediaError
from imgsearch.media.decode import decode_bytes

CORPUS = list(odd_files(seed=11, rounds=3))


def test_corpus_is_broad() -> None:
    assert len(CORPUS) > 250
    assert len({name for name, _, _ in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize(("name", "data", "expected"), CORPUS, ids=[name for name, _, _ in CORPUS])
def test_odd_file_is_a_picture_or_a_plain_failure(name: str, data: bytes, expected: str) -> None:
    try:
        decoded = decode_bytes(data, 32, name=name)
    except MediaError as error:
        assert expected in ("failure", "any"), error.message
        assert error.stage in ("open", "decode")
        assert len(error.message) > 15
        assert "Traceback" not in error.message
        assert "\n" not in error.message
    else:
        assert expected in ("image", "any"), decoded.facts
        assert decoded.pixels.shape == (32, 32, 3)
        assert min(decoded.facts.width, decoded.facts.height) >= 1
