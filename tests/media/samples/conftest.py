"""What the headers of a file tell, from its bytes."""

from pathlib import Path

import pytest
from whole_files import write

from imgsearch.media.samples.whole import FileTraits, describe_file


@pytest.fixture
def traits(tmp_path: Path):
    def read(data: bytes, name: str = "picture") -> FileTraits:
        return describe_file(write(tmp_path, name, data))

    return read
