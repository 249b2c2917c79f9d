from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from imgsearch.errors import UsageError
from imgsearch.media.decode import decode_file
from imgsearch.records import Hit, Results
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.storage import open_store

TEXT = "a blue house to the left of a white boat at sunset"


def oracle(library: Any, names: list[str], text: str, rerank: int) -> list[tuple[str, float, float | None]]:
    """(name, ITC, logit) by the definition: every picture decoded, embedded and matched again, plain sorting."""
    model = library.model
    found = []
    for name in names:
        decoded = decode_file(library.photos / name, model.image_size)
        features = model.encode_images(model.preprocess_arrays(decoded.pixels[None]))
        tokens, query = np.asarray(model.embed_features(features))[0], np.asarray(model.embed_texts([text]))[0]
        itc = max(float(np.dot(token, query)) for token in tokens)
        # What is kept of features is int8 with a scale a token; fresh ones take the same way.
        scales = features.abs().amax(dim=-1, keepdim=True) / 127
        restored = (features / scales).round() * scales
        found.append((name, itc, float(model.match_logits([text], restored)[0])))
    found.sort(key=lambda one: -one[1])
    best = sorted(found[:rerank], key=lambda one: -(one[1] + one[2]))
    return best + [(name, itc, None) for name, itc, _ in found[rerank:]]


def names_of(results: Results) -> list[str]:
    return [hit.path.name for hit in results.hits]


def searcher_of(library: Any) -> Searcher:
    return Searcher(open_store(library.folder / "library"), library.model)


@pytest.mark.parametrize("rerank", [0, 1, 5, 12, 40])
def test_search_equals_the_definition(library: Any, rerank: int) -> None:
    library.add(library.names())
    with searcher_of(library) as searcher:
        results = searcher.search(Query(TEXT, k=12, rerank=rerank))
    expected = oracle(library, library.names(), TEXT, rerank)
    assert names_of(results) == [name for name, _, _ in expected]
    # float16 storage moves each of 256 products by at most 2**-11 of itself.
    np.testing.assert_allclose([hit.itc for hit in results.hits], [itc for _, itc, _ in expected], atol=5e-4)
    for hit, (_, _, logit) in zip(results.hits, expected, strict=True):
        if logit is None:
            assert hit.itm_logit is None and hit.itm_probability is None
        else:
            assert hit.itm_logit == pytest.approx(logit, abs=1e-4)
            assert 0 <= hit.itm_probability <= 1
    assert [hit.rank for hit in results.hits] == list(range(1, 13))
    assert results.reranked == min(rerank, 12)
    assert set(results.took_ms) == {"embed", "search", "rerank", "total"}


@pytest.mark.parametrize("rerank", [-1, 0, 4])
def test_search_for_few_is_the_beginning_of_a_search_for_many(library: Any, rerank: int) -> None:
    library.add(library.names())
    with searcher_of(library) as searcher:
        many = searcher.search(Query(TEXT, k=50, rerank=rerank))
        for k in (1, 3, 5, 12):
            assert searcher.search(Query(TEXT, k=k, rerank=rerank)).hits == many.hits[:k]


def test_search_sees_what_was_committed_since(library: Any) -> None:
    library.add(library.names(4))
    with searcher_of(library) as searcher:
        assert len(searcher.search(Query(TEXT, k=50)).hits) == 4
        library.add(library.names()[4:])
        assert len(searcher.search(Query(TEXT, k=50)).hits) == 12
        library.remove(["scene03.png", "scene11.png"])
        left = names_of(searcher.search(Query(TEXT, k=50)))
        assert sorted(left) == [name for name in library.names() if name not in ("scene03.png", "scene11.png")]


def test_search_keeps_the_place_of_a_picture_whose_file_has_vanished(library: Any) -> None:
    library.add(library.names())
    with searcher_of(library) as searcher:
        by_vectors = names_of(searcher.search(Query(TEXT, k=12, rerank=0)))
        (library.photos / by_vectors[1]).unlink()
        results = searcher.search(Query(TEXT, k=12, rerank=6))
    assert names_of(results)[1] == by_vectors[1]
    assert results.hits[1].itm_logit is None
    assert results.reranked == 5
    assert any("1 candidate was not re-ranked" in note for note in results.notes)
    left = [name for name in by_vectors[:6] if name != by_vectors[1]]
    assert [name for name, _, _ in oracle(library, left, TEXT, 5)] == [
        name for name in names_of(results)[:6] if name != by_vectors[1]
    ]


def test_search_of_an_empty_library_finds_nothing_and_says_so(library: Any) -> None:
    with searcher_of(library) as searcher:
        results = searcher.search(Query("a boat"))
    assert results.hits == ()
    assert results.notes == ("the library holds no picture yet",)


def test_search_refuses_a_query_without_words_and_takes_a_very_long_one(library: Any) -> None:
    library.add(library.names(3))
    with searcher_of(library) as searcher:
        with pytest.raises(UsageError):
            searcher.search(Query("?!"))
        results = searcher.search(Query("a boat on the sea " * 600, k=2))
        assert len(results.hits) == 2
        assert any("only the first 50 count" in note for note in results.notes)


def test_search_never_fails_nor_sees_half_a_batch_while_a_run_commits(library: Any) -> None:
    names = library.names()
    stop, failures, seen = threading.Event(), [], set()

    def look() -> None:
        with searcher_of(library) as searcher:
            while not stop.is_set():
                try:
                    hits: tuple[Hit, ...] = searcher.search(Query(TEXT, k=50, rerank=2)).hits
                except Exception as error:  # noqa: BLE001
                    failures.append(error)
                    return
                seen.add(len(hits))

    looker = threading.Thread(target=look)
    looker.start()
    for _ in range(3):
        for first in range(0, 12, 3):
            library.add(names[first : first + 3])
        library.remove(names)
    stop.set()
    looker.join()
    assert failures == []
    assert seen <= {0, 3, 6, 9, 12}
