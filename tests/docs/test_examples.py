"""The examples in the docs do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.search.query.parser import parse

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(name: str, kind: str) -> list[str]:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return [body for found, body in BLOCK.findall(text) if found == kind]


QUERIES = [line for block in blocks("search.md", "query") for line in block.splitlines()]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty drawn scenes in a library of the shipped model."""
    from imgsearch.cli.main import main
    from imgsearch.scenes.dataset import make_set, write_set

    folder = tmp_path_factory.mktemp("docs")
    write_set(make_set(30, 77), folder / "scenes")
    library = str(folder / "pictures.library")
    assert main(["index", str(folder / "scenes" / "images"), "--library", library, "--model", "mini", "--quiet"]) == 0
    return folder


def test_there_are_examples() -> None:
    assert len(QUERIES) > 12 and len(blocks("python.md", "python")) > 5


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_docs_is_read(query: str) -> None:
    ask = parse(query)
    assert ask.description or ask.filters or ask.similar


def test_every_query_of_the_docs_is_answered(pictures: Path) -> None:
    import imgsearch
    from imgsearch.records import Results

    with imgsearch.open(pictures / "pictures.library") as library:
        for query in QUERIES:
            assert isinstance(library.search(query, k=3).results, Results)


def test_the_python_examples_run(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(pictures)
    names: dict[str, Any] = {}
    for block in blocks("python.md", "python"):
        exec(block, names)
    shape = names["vectors"].shape
    assert shape[0] == 30
    written, ids = np.load(pictures / "vectors.npy"), np.load(pictures / "vectors.ids.npy")
    assert written.shape == shape and len(ids) == 30
    import pyarrow.parquet as pq

    table = pq.read_table(pictures / "vectors.parquet")
    assert table["image_id"].to_pylist() == ids.tolist()
    np.testing.assert_array_equal(np.stack(table["vectors"].to_numpy()).reshape(shape), written)
    assert all(Path(path).is_file() for path in table["path"].to_pylist())


def test_an_answer_shows_itself_in_a_notebook(pictures: Path) -> None:
    import imgsearch

    with imgsearch.open(pictures / "pictures.library") as library:
        answer = library.search("a <b>house</b>", k=2, everything=True)
    page = answer._repr_html_()
    assert page.count('<img src="data:image/jpeg;base64,') == 2
    assert "<b>" not in page and str(answer[0].path) in repr(answer)


def test_open_names_what_is_wrong(tmp_path: Path) -> None:
    import imgsearch
    from imgsearch.errors import LibraryMissing, UsageError

    with pytest.raises(LibraryMissing):
        imgsearch.open(tmp_path / "none")
    with pytest.raises(UsageError, match="colour"):
        imgsearch.open(tmp_path, colour="red")
