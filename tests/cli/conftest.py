"""A folder of drawn pictures and copies of them, in a home of its own."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from written_twice import write_twice

from imgsearch.scenes.dataset import make_set, write_set


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six drawn pictures. Not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    write_set(make_set(6, 3), folder)
    return sorted((folder / "images").iterdir())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's data folder is."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "data" / "imgsearch"


@pytest.fixture
def photos(tmp_path: Path, drawn: list[Path], home: Path) -> Path:
    """Four pictures, one of them twice, one of them smaller and one upside down again, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, path in enumerate(drawn[:4]):
        (folder / f"{number}.png").write_bytes(path.read_bytes())
    (folder / "0 again.png").write_bytes(drawn[0].read_bytes())
    with Image.open(drawn[1]) as image:
        image.convert("RGB").resize((100, 100)).save(folder / "1 small.jpg", quality=85)
    with Image.open(drawn[2]) as image:
        image.convert("RGB").transpose(Image.Transpose.ROTATE_180).save(folder / "2 turned.jpg", quality=90)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return folder


@pytest.fixture
def twice(tmp_path: Path, drawn: list[Path], home: Path) -> Path:
    """One picture and a second file of its bytes: what is quick to look through."""
    return write_twice(tmp_path / "it's two", drawn[0])


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for torch: with small layers on busy cores, two threads wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def loaded_once() -> Iterator[None]:
    """Each model and generator is loaded once a module: no command changes one."""
    from imgsearch import generation
    from imgsearch.model.runtimes import opened

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "load_generator", functools.cache(generation.load_generator))
        patch.setattr(opened, "open_to_index", functools.cache(opened.open_to_index))
        yield


@pytest.fixture
def shelf(library: Any) -> Any:
    """A library of four drawn pictures."""
    library.add(library.names(4))
    return library
